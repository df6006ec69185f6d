"""Stop unsure samples while they are being written.

A few warm-up samples say how sure the model is on a problem; each further
sample is written in blocks and dropped as soon as its window falls below what
the surer of them kept to. A dropped sample is paid for and does not vote.

Source: Fu et al. 2025, "Deep Think with Confidence" (arXiv 2508.15260), its
online form; the paper looks after every token, not after every block.
"""

from dataclasses import replace
from functools import partial

from reasoning_from_scratch.scaling.confidence import (
    WINDOW,
    keep_most_confident,
    lowest_window_score,
    window_means,
)
from reasoning_from_scratch.scaling.samples import draw_samples, make_output
from reasoning_from_scratch.scaling.self_consistency import choose_by_vote
from reasoning_from_scratch.scaling.traces import (
    continue_traces,
    start_traces,
)


def confidence_stop(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=16,
    num_warmup=4,
    share=0.5,
    block_size=WINDOW,
    max_new_tokens=512,
    **decoding,
):
    """Vote among the samples that stayed sure to their end.

    Args:
        problems, prompts: as for `draw_samples`.
        num_samples: samples per problem, the warm-up included.
        num_warmup: samples written to their end whatever they look like.
        share: of the warm-up samples that set the threshold; smaller is
            stricter.
        block_size: tokens between two looks at a sample.
        max_new_tokens, decoding: as for `generate`.

    Returns:
        One MethodOutput per problem; dropped samples have no answer.
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
    traces = start_traces(problems, prompts, range(num_warmup, num_samples))
    num_each = num_samples - num_warmup
    limits = [
        warmup_threshold(samples, share)
        for samples in pools
        for _ in range(num_each)
    ]
    write = partial(continue_traces, model, tokenizer, **decoding)
    dropped = write_in_blocks(
        traces, limits, write, block_size, max_new_tokens
    )
    samples = [
        replace(trace.to_sample(), answer=None)
        if number in dropped
        else trace.to_sample()
        for number, trace in enumerate(traces)
    ]
    for place, pool in enumerate(pools):
        pool += samples[place * num_each : (place + 1) * num_each]
    return [make_output(pool, choose_by_vote(pool)) for pool in pools]


def warmup_threshold(samples, share):
    """The lowest window of the least sure sample among the surest share."""
    scores = [lowest_window_score(sample) for sample in samples]
    return min(scores[i] for i in keep_most_confident(scores, share))


def write_in_blocks(traces, limits, write, block_size, max_new_tokens):
    """Write every trace until it ends, is full or is dropped.

    Args:
        traces: not yet begun.
        limits: one threshold per trace, in nats.
        write: callable (traces, name of the stretch, max_new_tokens=…).
        block_size, max_new_tokens: tokens.

    Returns:
        set of the numbers of the dropped traces.
    """
    running, dropped = list(range(len(traces))), set()
    for start in range(0, max_new_tokens, block_size):
        size = min(block_size, max_new_tokens - start)
        active = [traces[number] for number in running]
        write(active, f"block {start}", max_new_tokens=size)
        dropped |= {n for n in running if is_unsure(traces[n], limits[n])}
        running = [
            number
            for number in running
            if number not in dropped and traces[number].stop_reason != "stop"
        ]
    return dropped


def is_unsure(trace, limit):
    """Tell whether a full window has fallen below the limit."""
    if len(trace.confidence) < WINDOW:
        return False
    return min(window_means(trace.confidence)) < limit
