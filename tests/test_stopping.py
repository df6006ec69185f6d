"""Confidence: windows, filters, and samples dropped half-way."""

from scripted import sample_of
from test_methods import run_tiny

from reasoning_from_scratch.scaling.samples import Trace
from reasoning_from_scratch.scaling.stopping import (
    WINDOW,
    keep_most_confident,
    lowest_window_score,
    warmup_threshold,
    window_means,
    write_while_sure,
)


def write_all(levels, limits, ends, most):
    """Write traces of these confidences until they end or are dropped."""

    def write(running, stretch, *, max_new_tokens):
        for trace in running:
            place = int(trace.identifier)
            trace.confidence += [levels[place]] * max_new_tokens
            trace.num_tokens += max_new_tokens
            is_over = trace.num_tokens >= ends[place]
            trace.stop_reason = "stop" if is_over else "length"

    traces = [Trace("?", str(place)) for place in range(len(levels))]
    dropped = write_while_sure(traces, limits, write, most)
    return dropped, [trace.num_tokens for trace in traces]


def test_windows_slide_by_one_token():
    # (4+2)/2, (2+6)/2, (6+0)/2
    assert window_means([4.0, 2.0, 6.0, 0.0], window=2) == [3.0, 4.0, 3.0]
    sample = sample_of("…", topk_confidence=[1.0] * 16 + [9.0])
    assert lowest_window_score(sample) == 1.0
    assert window_means([1.0, 3.0], window=16) == [2.0]  # shorter: one


def test_the_filter_keeps_the_best_share_in_the_order_drawn():
    assert keep_most_confident([1, 4, 3, 2], share=0.5) == [1, 2]
    assert keep_most_confident([1, 4, 3, 2], share=1.0) == [0, 1, 2, 3]
    assert keep_most_confident([1, 2], share=0.01) == [1]  # at least one
    # The least sure of the surer half of the warm-up is the threshold
    levels = (1.0, 5.0, 3.0, 2.0)
    samples = [sample_of("…", topk_confidence=[level]) for level in levels]
    assert warmup_threshold(samples, share=0.5) == 3.0


def test_an_unsure_trace_is_dropped_and_written_no_further():
    # The sure one ends in its fourth block, the other after its first
    assert write_all([5.0, 1.0], [3.0, 3.0], [64, 64], 100) == (
        {1},
        [4 * WINDOW, WINDOW],
    )
    # It is judged by full windows only; the last block ends at the limit
    assert write_all([0.0], [1.0], [99], WINDOW - 1) == (set(), [WINDOW - 1])
    assert write_all([5.0], [1.0], [99], WINDOW + 3) == (set(), [WINDOW + 3])


def test_every_sample_is_recorded_and_its_tokens_have_a_confidence():
    for name, longest in (("confidence-stop", 20), ("confidence-vote", 5)):
        outputs = run_tiny(name, 5, max_new_tokens=longest)
        for sample in sum((output.samples for output in outputs), []):
            assert 0 < sample["num_tokens"] <= longest
            assert len(sample["confidence"]) == sample["num_tokens"]
