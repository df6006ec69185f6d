"""Confidence: how sure a sample is, and stopping the unsure ones early.

A solution that goes wrong often shows it in a stretch of tokens where the
model hesitates. Token confidence is the mean surprise of the 20 likeliest
tokens, high when all but one are far-fetched; a window slides over it, and
the lowest window says how bad the worst stretch was.

The surer ones of a few warm-up samples say how low a window may fall; each
further sample is written in blocks and dropped as soon as its window falls
below. A dropped sample is paid for and does not vote. When to stop drawing
samples that could not change a vote is in `votes`.

Source: Fu et al. 2025, "Deep Think with Confidence" (arXiv 2508.15260); the
paper looks after every token, not after every block.
"""

from functools import partial
from statistics import fmean

from .samples import continue_traces, draw_samples, split, start_traces

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
    if not sample.confidence:
        raise ValueError(
            "the sample has no token confidences; "
            "draw it with draw_samples(..., statistics=True)"
        )
    return min(window_means(sample.confidence, window))


def keep_most_confident(scores, share):
    """Positions of the best share of the scores, at least one, in order.

    >>> keep_most_confident([0.1, 0.9, 0.5, 0.7], share=0.5)
    [1, 3]
    """
    num_kept = max(1, round(share * len(scores)))
    ranked = sorted(range(len(scores)), key=lambda i: -scores[i])
    return sorted(ranked[:num_kept])


def draw_while_sure(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples,
    num_warmup=4,
    share=0.5,
    block_size=WINDOW,
    max_new_tokens=512,
    **decoding,
):
    """Draw samples, the first `num_warmup` whole, the others while sure.

    The surest `share` of the warm-up sets the threshold, looked at after
    every `block_size` tokens. Dropped samples have no answer.
    """
    num_warmup = min(num_warmup, num_samples)
    decoding = {**decoding, "statistics": True}
    pools = draw_samples(
        model,
        tokenizer,
        problems,
        prompts,
        num_samples=num_warmup,
        max_new_tokens=max_new_tokens,
        **decoding,
    )
    numbers = range(num_warmup, num_samples)
    if not numbers:
        return pools
    traces = start_traces(problems, prompts, numbers)
    limits = [warmup_threshold(pool, share) for pool in pools for _ in numbers]
    write = partial(continue_traces, model, tokenizer, **decoding)
    dropped = write_in_blocks(
        traces, limits, write, block_size, max_new_tokens
    )
    samples = [
        trace.to_sample(has_vote=place not in dropped)
        for place, trace in enumerate(traces)
    ]
    further = split(samples, len(numbers))
    return [pool + more for pool, more in zip(pools, further, strict=True)]


def warmup_threshold(samples, share):
    """The lowest window of the least sure sample among the surest share."""
    scores = [lowest_window_score(sample) for sample in samples]
    return min(scores[i] for i in keep_most_confident(scores, share))


def write_in_blocks(traces, limits, write, block_size, max_new_tokens):
    """Write traces until they end or fall below their limits, in nats.

    `write` is called with (traces, name of the stretch, max_new_tokens=…);
    the places of the dropped traces are returned.
    """
    running, dropped = range(len(traces)), set()
    for start in range(0, max_new_tokens, block_size):
        size = min(block_size, max_new_tokens - start)
        active = [traces[place] for place in running]
        write(active, f"block {start}", max_new_tokens=size)
        dropped |= {i for i in running if is_unsure(traces[i], limits[i])}
        running = [
            place
            for place in running
            if place not in dropped and traces[place].stop_reason != "stop"
        ]
    return dropped


def is_unsure(trace, limit):
    """Tell whether a full window has fallen below the limit."""
    if len(trace.confidence) < WINDOW:
        return False
    return min(window_means(trace.confidence)) < limit
