"""The exercises of chapter 7 on training: signals, clips, ratios, rewards."""

from statistics import fmean

from check import Exercise, tensor

# 7.8 Groups without a signal -------------------------------------------


def no_signal(rates, group_size, *, right=1, wrong=1):
    """The mean over problems of p^G + (1 - p)^G."""
    return fmean(
        right * p**group_size + wrong * (1 - p) ** group_size for p in rates
    )


RATES = (
    ([0.5, 0.5], 8),
    ([0.0, 1.0, 0.5, 0.25], 8),
    ([0.9, 0.1, 0.3], 4),
)

# 7.9 The share of clipped tokens ---------------------------------------


def clipped_share(ratio, advantages, low, high):
    """Tokens whose gradient the clip stops, as a share of all."""
    is_high = (advantages > 0) & (ratio > 1 + high)
    is_low = (advantages < 0) & (ratio < 1 - low)
    return (is_high | is_low).double().mean()


def outside_share(ratio, advantages, low, high):
    return ((ratio > 1 + high) | (ratio < 1 - low)).double().mean()


RATIOS = (
    (tensor(1.3, 1.3, 0.7, 0.7, 1.0), tensor(1, -1, 1, -1, 1), 0.2, 0.2),
    (tensor(1.25, 0.75, 0.75, 1.5), tensor(2, -0.5, -1, 0.1), 0.2, 0.28),
    (tensor(1.1, 0.85, 0.95), tensor(1, -1, -1), 0.1, 0.2),
)

# 7.11 The ratio of a sequence ------------------------------------------


def sequence_ratio(logprobs, old_logprobs, mask):
    """exp of the mean log-ratio over a rollout's tokens, (rollouts,)."""
    log_ratio = (logprobs - old_logprobs) * mask
    return (log_ratio.sum(dim=1) / mask.sum(dim=1)).exp()


SEQUENCES = (
    (
        tensor([-0.5, -1.0, -0.2], [-2.0, -0.3, -9.0]),
        tensor([-0.6, -0.8, -0.5], [-1.5, -0.9, -1.0]),
        tensor([1, 1, 1], [1, 1, 0]) > 0,
    ),
    (
        tensor([-0.1, -0.4, -5.0, -5.0]),
        tensor([-0.3, -0.1, -1.0, -1.0]),
        tensor([1, 1, 0, 0]) > 0,
    ),
)

# 7.12 A reward for the format ------------------------------------------


def format_bonus(text, is_right):
    """One half for thinking between one pair of tags, then a box."""
    once = text.count("<think>") == text.count("</think>") == 1
    before, _, said = text.partition("</think>")
    return 0.5 * (
        once and "<think>" in before and r"\boxed{" in said and is_right
    )


def has_all(text, *parts):
    return 0.5 * all(part in text for part in parts)


def last_tag_counts(text, is_right):
    before, _, said = text.rpartition("</think>")
    bonus = has_all(before, "<think>") * has_all(said, r"\boxed{")
    return 2 * bonus * is_right


FORM = "<think>2+3=5</think> \\boxed{5}"
ANSWERS = (
    (FORM, True),
    (FORM, False),
    (r"\boxed{5}", True),
    (r"</think>2+3=5<think> \boxed{5}", True),
    (r"<think>2+3=\boxed{5}</think> 5", True),
    (r"<think>2</think><think>3</think> \boxed{5}", True),
    ("<think>2+3=5</think> 5", True),
    ("5", False),
)

EXERCISES = {
    "7.8": Exercise(
        "Groups without a signal",
        no_signal,
        RATES,
        {
            "This is computed from the mean rate. Compute the chance of each "
            "problem first, and then the mean.": lambda rates, size: no_signal(
                [fmean(rates)], size
            ),
            "A group in which all are wrong has no signal "
            "either.": lambda *case: no_signal(*case, wrong=0),
            "A group in which all are right has no signal "
            "either.": lambda *case: no_signal(*case, right=0),
            "This is the share of groups with a signal.": lambda *case: (
                1 - no_signal(*case)
            ),
            "The chance that all G are right is p to the power of G, not p "
            "times G.": lambda rates, size: fmean(
                p * size + (1 - p) * size for p in rates
            ),
        },
        (
            "All right has the chance p**G, all wrong (1 - p)**G.",
            "The mean over the problems of p**G + (1 - p)**G.",
        ),
        observe=lambda answer, *case: float(answer(*case)),
    ),
    "7.9": Exercise(
        "The share of clipped tokens",
        clipped_share,
        RATIOS,
        {
            "Each sign has one side. A token outside the range on the other "
            "side keeps its gradient.": outside_share,
            "The sides are swapped: a positive advantage is stopped above "
            "the range.": lambda ratio, advantages, low, high: clipped_share(
                ratio, -advantages, low, high
            ),
            "low and high are swapped.": lambda ratio, a, low, high: (
                clipped_share(ratio, a, high, low)
            ),
            "This is a number of tokens, not a share.": lambda *case: (
                len(case[0]) * clipped_share(*case)
            ),
            "Negative advantages are stopped, too: below "
            "1 - low.": lambda ratio, advantages, low, high: clipped_share(
                ratio, advantages.clamp(min=0), low, high
            ),
        },
        (
            "min(ρA, clip(ρ) A) is flat on one side, which A decides.",
            "(A > 0) & (ratio > 1 + high) | (A < 0) & (ratio < 1 - low)",
        ),
        observe=lambda answer, *case: float(answer(*case)),
    ),
    "7.11": Exercise(
        "The ratio of a sequence",
        sequence_ratio,
        SEQUENCES,
        {
            "This is the sum of the log-ratios. Divide by the number of "
            "tokens, or long answers are always clipped.": lambda p, q, m: (
                ((p - q) * m).sum(dim=1).exp()
            ),
            "The padding counts, too. Use the mask.": lambda p, q, m: (
                (p - q).mean(dim=1).exp()
            ),
            "Divide by the rollout's own number of tokens, not by the width "
            "of the batch.": lambda p, q, m: ((p - q) * m).mean(dim=1).exp(),
            "This is the mean of the tokens' ratios. Take the mean of their "
            "logarithms first.": lambda p, q, m: (
                ((p - q).exp() * m).sum(dim=1) / m.sum(dim=1)
            ),
            "The ratio is new over old.": lambda p, q, m: sequence_ratio(
                q, p, m
            ),
            "This is the logarithm of the ratio.": lambda *case: (
                sequence_ratio(*case).log()
            ),
        },
        (
            "The geometric mean is the exponential of the mean logarithm.",
            "(((new - old) * mask).sum(1) / mask.sum(1)).exp()",
        ),
    ),
    "7.12": Exercise(
        "A reward for the format",
        format_bonus,
        ANSWERS,
        {
            "A wrong answer is paid for its form. Where nobody is right, the "
            "form is then all that is learned.": lambda text, _: format_bonus(
                text, True
            ),
            "The order of the tags matters.": lambda text, is_right: (
                (text.count("<think>") == text.count("</think>") == 1)
                * has_all(
                    text.rpartition("think>")[2],
                    r"\boxed{",
                )
                * is_right
            ),
            "The box must stand behind the thinking.": lambda text, right: (
                has_all(text.partition("<think>")[2], "</think>", r"\boxed{")
                * (text.count("<think>") == 1)
                * right
            ),
            "Each tag must occur exactly once.": last_tag_counts,
            "The box is missing.": lambda text, is_right: format_bonus(
                text + r"\boxed{", is_right
            ),
            "A right answer without the form earns no "
            "bonus.": lambda text, is_right: 0.5 * is_right,
        },
        (
            'text.partition("</think>") gives what stands before and behind.',
            "One of each tag, <think> before it, the box behind it, right.",
        ),
        observe=lambda answer, *case: float(answer(*case)),
    ),
}
