"""Confidence: how sure a sample is, and stopping the unsure ones early.

A window slides over the confidence of the tokens (the mean surprise of the 20
likeliest); the lowest window says how bad the worst stretch was. A sample
whose window falls below that of the surer warm-up samples is dropped: it is
paid for and does not vote.

Source: Fu et al. 2025, "Deep Think with Confidence" (arXiv 2508.15260); the
paper looks after every token, not after every block.
"""

from functools import partial
from statistics import fmean

from .samples import continue_traces, draw_samples, split, start_traces

# Tokens in a window. The paper's 2,048 is a small part of traces of tens of
# thousands of tokens; this is about a third of a pocket model's answer.
WINDOW = 16
NUM_WARMUP = 4  # samples drawn whole before any is dropped


def window_means(confidence, window=WINDOW):
    """Mean confidence of every stretch of `window` tokens in a row.

    It holds one number per token; a shorter trace is one stretch.

    >>> window_means([3.0, 1.0, 2.0], window=2)
    [2.0, 1.5]
    """
    window = min(window, len(confidence))
    last_start = len(confidence) - window
    return [
        fmean(confidence[start : start + window])
        for start in range(last_start + 1)
    ]


def lowest_window_score(sample, problem=None):
    """Score by the least confident window."""
    if not sample.confidence:
        raise ValueError(
            "the sample has no token confidences; "
            "draw it with draw_samples(..., statistics=True)"
        )
    return min(window_means(sample.confidence))


def keep_most_confident(scores, share):
    """Positions of the best share of the scores, at least one, in order.

    >>> keep_most_confident([0.1, 0.9, 0.5, 0.7], share=0.5)
    [1, 3]
    """
    num_kept = max(1, round(share * len(scores)))
    ranked = sorted(range(len(scores)), key=lambda i: -scores[i])
    return sorted(ranked[:num_kept])


def draw_while_sure(*question, num_samples, max_new_tokens=512, **decoding):
    """Draw samples, the first few whole, the others while they are sure."""
    model, tokenizer, problems, prompts = question
    decoding = {**decoding, "statistics": True}
    pools = draw_samples(
        *question,
        num_samples=min(NUM_WARMUP, num_samples),
        max_new_tokens=max_new_tokens,
        **decoding,
    )
    numbers = range(NUM_WARMUP, num_samples)
    if not numbers:
        return pools
    traces = start_traces(problems, prompts, numbers)
    limits = [warmup_threshold(pool) for pool in pools for _ in numbers]
    write = partial(continue_traces, model, tokenizer, **decoding)
    dropped = write_while_sure(traces, limits, write, max_new_tokens)
    samples = [
        trace.to_sample(has_vote=place not in dropped)
        for place, trace in enumerate(traces)
    ]
    further = split(samples, len(numbers))
    return [pool + more for pool, more in zip(pools, further, strict=True)]


def warmup_threshold(samples, share=0.5):
    """The lowest window of the least sure sample among the surest share."""
    scores = [lowest_window_score(sample) for sample in samples]
    return min(scores[i] for i in keep_most_confident(scores, share))


def write_while_sure(traces, limits, write, max_new_tokens):
    """Write traces while sure; return the places of those that were not."""
    running, dropped = range(len(traces)), set()
    for start in range(0, max_new_tokens, WINDOW):
        size = min(WINDOW, max_new_tokens - start)
        active = [traces[place] for place in running]
        write(active, f"block {start}", max_new_tokens=size)
        for place in running:
            confidence = traces[place].confidence
            is_full = len(confidence) >= WINDOW
            if is_full and min(window_means(confidence)) < limits[place]:
                dropped.add(place)
        running = [
            place
            for place in running
            if place not in dropped and traces[place].stop_reason != "stop"
        ]
    return dropped
