"""What a training run's metrics say is wrong with it, in words.

A rule compares the last tenth of a run with the first, so that one bad step
does not cry wolf, and reads only what is there: the same rules serve every
kind of training, a run under way too. The limits are rules of thumb, set so
that pocket's healthy runs stay silent and the failure gallery's do not.
"""

import math
from dataclasses import dataclass
from statistics import fmean, median

LIMITS = {
    "entropy_floor": 0.05,  # nats a token; pocket ends healthy runs at 0.1
    "entropy_share": 1 / 3,  # of what the run began with
    "entropy_rise": 1.0,  # nats a token; published diseases: about 2
    "no_signal": 0.75,  # share of groups whose rewards are all equal
    "length_ratio": 1.5,  # last tokens over first
    "kl": 0.3,  # nats a token from the start; healthy: below 0.1
    "truncated": 0.1,  # share of answers cut at the token limit
    "clip_share": 0.3,  # of tokens; healthy runs clip a few per cent
    "mismatch": 0.05,  # nats a token between sampler and trainer
    "reward_rise": 0.05,
    "solve_rate_rise": 0.05,
    "overfit": 1.1,  # last validation loss over the best one
}
WINDOW_SHARE = 0.1  # of the run: what "first" and "last" average over
MIN_WINDOW = 3  # steps


def points(rows, name):
    """(step, value) of a metric wherever it is a finite number."""
    found = [(row["step"], row.get(name)) for row in rows]
    return [
        (step, value)
        for step, value in found
        if isinstance(value, int | float) and math.isfinite(value)
    ]


def series(rows, name, *, training=True):
    """A metric's finite values; for training without row 0, the start."""
    return [v for step, v in points(rows, name) if step or not training]


def first_and_last(rows, name, average=fmean):
    """Averages over the first and the last tenth; None for too few steps."""
    values = series(rows, name)
    size = max(MIN_WINDOW, int(WINDOW_SHARE * len(values)))
    if len(values) < 2 * size:
        return None
    return average(values[:size]), average(values[-size:])


def past_limit(rows, name, average=fmean):
    """The last average of a metric that has reached its limit, or None."""
    both = first_and_last(rows, name, average)
    return both[1] if both and both[1] >= LIMITS[name] else None


def smoothed(values, width):
    """Centred running mean over about `width` values, shorter at the ends."""
    half = width // 2
    return [
        fmean(values[max(0, i - half) : i + half + 1])
        for i in range(len(values))
    ]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run."""

    name: str  # of the rule, such as "kl_runaway"
    title: str  # in two or three words
    text: str  # what was seen, with its figures, and what to look at


def diagnose(rows):
    """Find what is wrong with a run, by its rows of metrics.jsonl so far.

    Returns the findings, gravest first; none for a healthy run.
    """
    return [
        Finding(name, title, text)
        for name, (title, rule) in RULES.items()
        if (text := rule(rows))
    ]


def nan_update(rows):
    """A loss, gradient or reward that is not a finite number."""
    bad = [
        (row["step"], name)
        for row in rows
        for name, value in row.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    skipped = max(series(rows, "updates_skipped"), default=0)
    seen = skipped and (
        f"{skipped:.0f} updates were dropped because their gradient was not "
        "finite."
    )
    if bad:
        step, name = bad[0]
        seen = (
            f"{name} is not finite at step {step}: a NaN spreads over all "
            "weights in one update."
        )
    return seen and (
        f"{seen} Look for a division by zero or an overflow in the reward or "
        "the loss."
    )


def reward_failures(rows):
    """A reward function that raised or returned NaN."""
    total = sum(series(rows, "reward_failures"))
    return total and (
        f"The reward raised an error or was not finite {total:.0f} times and "
        "counted as 0. Run it by itself on a few samples."
    )


def reward_hacking(rows):
    """The reward goes up while greedy accuracy goes down."""
    reward = first_and_last(rows, "reward")
    drop = _accuracy_drop(rows)
    is_up = reward and reward[1] - reward[0] >= LIMITS["reward_rise"]
    return (is_up and drop) and (
        f"The reward rose from {reward[0]:.2f} to {reward[1]:.2f} while "
        f"accuracy fell {drop}: the policy has found what the reward pays "
        "for, and it is not right answers. Read the samples."
    )


def accuracy_drop(rows):
    """Greedy accuracy below that of the start by more than its noise."""
    drop = _accuracy_drop(rows)
    return (drop and not reward_hacking(rows)) and (
        f"Accuracy fell {drop}, by more than its noise: the run unlearns. "
        "Lower the learning rate, then check the sign of the loss."
    )


def _accuracy_drop(rows):
    """How far accuracy fell, in words; None where it did not, surely."""
    measured = [r for r in rows if r.get("accuracy") is not None]
    if len(measured) < 2:
        return None
    first, last = measured[0], measured[-1]
    if last.get("accuracy_high", last["accuracy"]) >= first["accuracy"]:
        return None
    return f"from {first['accuracy']:.0%} to {last['accuracy']:.0%}"


def kl_runaway(rows):
    """A policy far from where it began; the median, for k3 has tails."""
    distance = past_limit(rows, "kl", median)
    return distance and (
        f"The policy stands {distance:.2f} nats a token from its start, "
        f"where healthy runs stay below {LIMITS['kl']}: what the base knew "
        "is being overwritten. Lower the learning rate, clip, or pull back "
        "with a KL term whose gradient does (k2, or ratio-weighted k3)."
    )


def entropy_collapse(rows):
    """Samples that are all alike: nothing is left to compare."""
    first, last = first_and_last(rows, "entropy") or (0.0, math.inf)
    limit = min(LIMITS["entropy_floor"], LIMITS["entropy_share"] * first)
    return last < limit and (
        f"Entropy fell from {first:.2f} to {last:.3f} nats a token: the "
        "policy always writes the same, so exploration has ended. Lower the "
        "learning rate, raise clip_high, or stop earlier."
    )


def entropy_growth(rows):
    """A policy that dissolves into noise."""
    first, last = first_and_last(rows, "entropy") or (0.0, 0.0)
    return last - first >= LIMITS["entropy_rise"] and (
        f"Entropy grew from {first:.2f} to {last:.2f} nats a "
        "token: the policy is dissolving into noise. Lower the learning "
        "rate; look for wrong answers pushed down without bound."
    )


def no_signal(rows):
    """Groups in which every rollout earned the same."""
    share = past_limit(rows, "no_signal")
    return share and (
        f"{share:.0%} of the groups have equal rewards and teach nothing. "
        "Choose problems of middling difficulty, sample more per problem, "
        "or replace such groups (dynamic_sampling)."
    )


def length_growth(rows):
    """More tokens for no more right answers."""
    greedy = series(rows, "greedy_length", training=False)
    length = first_and_last(rows, "length") or (*greedy[:1], *greedy[-1:])
    has_grown = length and length[1] >= LIMITS["length_ratio"] * length[0]
    return (has_grown and not _has_learned(rows)) and (
        f"Answers grew from {length[0]:.0f} to {length[1]:.0f} tokens and "
        "are not right more often. Require the end token, add a penalty for "
        "overlong answers, and do not divide a wrong answer's blame by its "
        "length (Dr. GRPO)."
    )


def _has_learned(rows):
    """Whether right answers became more frequent, by greedy or by sample."""
    accuracy = series(rows, "accuracy", training=False)
    if len(accuracy) > 1:
        return accuracy[-1] > accuracy[0] + LIMITS["solve_rate_rise"]
    solved = first_and_last(rows, "solve_rate")
    return solved and solved[1] > solved[0] + LIMITS["solve_rate_rise"]


def truncation(rows):
    """Answers that did not end before the token limit."""
    shares = {
        "sampled": first_and_last(rows, "truncated"),
        "greedy": series(rows, "greedy_truncated", training=False),
    }
    seen = " and ".join(
        f"{share[-1]:.0%} of {kind}"
        for kind, share in shares.items()
        if share and share[-1] > LIMITS["truncated"]
    )
    return seen and (
        f"{seen} answers were cut at the token limit. Check that the end "
        "token is learned and rewarded; only then raise the limit."
    )


def heavy_clipping(rows):
    """Ratios outside the clip range for a large share of tokens."""
    share = past_limit(rows, "clip_share")
    return share and (
        f"{share:.0%} of the tokens lie outside the clip range on the "
        "side where they should stop moving. Take fewer or smaller updates "
        "a batch, and check that the clip takes the minimum."
    )


def sampler_mismatch(rows):
    """Two programs that disagree about the same model."""
    gap = past_limit(rows, "mismatch")
    return gap and (
        f"Sampler and trainer differ by {gap:.2f} nats a token: another "
        "dtype, temperature or template. Make them equal, or correct with "
        "tis_cap."
    )


def overfitting(rows):
    """A validation loss that has turned upwards."""
    losses = series(rows, "validation_loss", training=False)
    is_up = len(losses) > 2 and losses[-1] > LIMITS["overfit"] * min(losses)
    return is_up and (
        f"The validation loss is {losses[-1]:.3f} after {min(losses):.3f}: "
        "the examples are being learnt by heart. Stop earlier or add more."
    )


# name -> title and rule, gravest first
RULES = {
    "nan_update": ("NaN update", nan_update),
    "reward_failures": ("Failing reward", reward_failures),
    "reward_hacking": ("Reward hacking", reward_hacking),
    "accuracy_drop": ("Accuracy drop", accuracy_drop),
    "kl_runaway": ("KL runaway", kl_runaway),
    "entropy_collapse": ("Entropy collapse", entropy_collapse),
    "entropy_growth": ("Entropy growth", entropy_growth),
    "no_signal": ("No signal", no_signal),
    "length_growth": ("Length growth", length_growth),
    "truncation": ("Truncation", truncation),
    "heavy_clipping": ("Heavy clipping", heavy_clipping),
    "sampler_mismatch": ("Sampler mismatch", sampler_mismatch),
    "overfitting": ("Overfitting", overfitting),
}
