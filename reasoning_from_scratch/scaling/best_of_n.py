"""Best-of-n: sample several solutions and keep the one a scorer likes best.

A scorer is a plain callable (sample, problem) -> float, higher is better; only
the oracle looks at the problem, to show the ceiling that no honest scorer can
pass. Use small n: a large one finds the samples that fool the scorer.

Sources: Kang et al. 2025 (self-certainty, arXiv 2502.18581).
"""

from reasoning_from_scratch.evaluation.verifier import verify
from reasoning_from_scratch.scaling.samples import draw_samples, make_output


def mean_logprob_score(sample, problem=None):
    """Score by the mean log-probability of the tokens, in nats.

    The mean and not the sum: a sum would prefer the shortest sample.
    """
    return sample.mean_logprob


def answer_logprob_score(sample, problem=None):
    """Score by the mean log-probability of the answer's own tokens."""
    if sample.answer_logprob is None:
        return float("-inf")
    return sample.answer_logprob


def self_certainty_score(sample, problem=None):
    """Score by how far the model is from a uniform guess, in nats.

    The mean over tokens of KL(uniform || model); needs statistics.
    """
    if sample.self_certainty is None:
        raise ValueError(
            "the sample has no self-certainty; "
            "draw it with draw_samples(..., statistics=True)"
        )
    return sample.self_certainty


def heuristic_score(sample, problem=None):
    """Score by the look of it: finished, one box, a calculation before it."""
    is_finished = sample.stop_reason == "stop"
    has_one_box = sample.text.count(r"\boxed{") == 1
    work, _, _ = sample.text.partition(r"\boxed{")
    has_work = "=" in work
    return is_finished + has_one_box + has_work


def oracle_score(sample, problem):
    """Score 1 for a right answer: the ceiling, for it reads the reference."""
    return float(verify(sample.text, problem.answer))


def pick_best(samples, problem=None, scorer=mean_logprob_score):
    """Return the position of the best score; a tie goes to the earliest."""
    scores = [scorer(sample, problem) for sample in samples]
    return scores.index(max(scores))


def best_of_n(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=16,
    scorer=mean_logprob_score,
    **decoding,
):
    """Answer each problem with its best sample.

    Args:
        problems, prompts: as for `draw_samples`.
        num_samples: samples per problem.
        scorer: callable (sample, problem) -> float, higher is better.
        decoding: passed on to `draw_samples`.

    Returns:
        One MethodOutput per problem.
    """
    pools = draw_samples(
        model,
        tokenizer,
        problems,
        prompts,
        num_samples=num_samples,
        **decoding,
    )
    return [
        make_output(samples, pick_best(samples, problem, scorer))
        for problem, samples in zip(problems, pools, strict=True)
    ]
