"""Confidence: let the sure samples vote, and stop the unsure ones early.

A solution that goes wrong often shows it in a stretch of tokens where the
model hesitates. Token confidence is the mean surprise of the 20 likeliest
tokens, high when all but one are far-fetched; a window slides over it, and
the lowest window says how bad the worst stretch was.

Source: Fu et al. 2025, "Deep Think with Confidence" (arXiv 2508.15260).
"""

from math import ceil, exp
from statistics import fmean

from reasoning_from_scratch.scaling.samples import draw_samples, make_output
from reasoning_from_scratch.scaling.self_consistency import choose_by_vote

# Tokens in a window. The paper's 2,048 is a small part of traces of tens of
# thousands of tokens; this is about a third of a pocket model's answer.
WINDOW = 16


def window_means(confidence, window=WINDOW):
    """Mean confidence of every stretch of `window` tokens in a row.

    Args:
        confidence: one number per token, at least one.
        window: tokens per stretch; a shorter trace is one stretch.

    >>> window_means([3.0, 1.0, 2.0], window=2)
    [2.0, 1.5]
    """
    window = min(window, len(confidence))
    last_start = len(confidence) - window
    return [
        fmean(confidence[start : start + window])
        for start in range(last_start + 1)
    ]


def lowest_window_score(sample, problem=None, window=WINDOW):
    """Score by the least confident window."""
    return min(window_means(_confidence(sample), window))


def bottom_windows_score(sample, problem=None, window=WINDOW, share=0.1):
    """Score by the mean of the least confident tenth of the windows."""
    means = sorted(window_means(_confidence(sample), window))
    return fmean(means[: ceil(share * len(means))])


def tail_score(sample, problem=None, window=WINDOW):
    """Score by the confidence at the end, where the answer stands."""
    return fmean(_confidence(sample)[-window:])


def mean_confidence_score(sample, problem=None):
    """Score by the confidence of the whole trace."""
    return fmean(_confidence(sample))


def probability_weight(sample, problem=None):
    """Weigh a vote by the mean probability of its tokens, in (0, 1]."""
    return exp(sample.mean_logprob)


def keep_most_confident(scores, share):
    """Positions of the best share of the scores, at least one, in order.

    >>> keep_most_confident([0.1, 0.9, 0.5, 0.7], share=0.5)
    [1, 3]
    """
    num_kept = max(1, round(share * len(scores)))
    ranked = sorted(range(len(scores)), key=lambda i: -scores[i])
    return sorted(ranked[:num_kept])


def choose_by_confidence(
    samples, problem=None, *, scorer=lowest_window_score, share=0.5
):
    """Vote among the most confident samples, each by its confidence.

    Args:
        samples: the Samples of one problem, drawn with statistics.
        scorer: callable (sample, problem) -> confidence, also the weight.
        share: of the samples that may vote, in (0, 1].

    Returns:
        The position of the first kept sample with the winning answer.
    """
    scores = [scorer(sample, problem) for sample in samples]
    kept = keep_most_confident(scores, share)
    voters = [samples[position] for position in kept]
    return kept[choose_by_vote(voters, problem, weigh=scorer)]


def confidence_vote(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=16,
    scorer=lowest_window_score,
    share=0.5,
    **decoding,
):
    """Draw all samples, drop the unsure ones, weigh the votes of the rest.

    Args:
        problems, prompts: as for `draw_samples`.
        num_samples, scorer, share: as for `choose_by_confidence`.
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
        **{**decoding, "statistics": True},
    )
    outputs = []
    for samples, problem in zip(pools, problems, strict=True):
        chosen = choose_by_confidence(
            samples, problem, scorer=scorer, share=share
        )
        outputs.append(make_output(samples, chosen))
    return outputs


def _confidence(sample):
    """The token confidences, or an error that says how to get them."""
    if not sample.confidence:
        raise ValueError(
            "the sample has no token confidences; "
            "draw it with draw_samples(..., statistics=True)"
        )
    return sample.confidence
