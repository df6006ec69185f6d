"""Confidence: windows, filters, and samples dropped half-way."""

from scripted import sample_of
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import METHODS
from reasoning_from_scratch.scaling.samples import Trace
from reasoning_from_scratch.scaling.stopping import (
    WINDOW,
    keep_most_confident,
    lowest_window_score,
    warmup_threshold,
    window_means,
    write_while_sure,
)

ARGUMENTS = (
    ByteTokenizer(),
    [Problem("a?", "1", id="a"), Problem("b?", "2", id="b")],
    ["a?", "b?"],
)
DECODING = {"sampling": SamplingConfig(temperature=1.0), "seed": 0}


def writer(confidences, endings):
    """Writes blocks of these confidences; a trace ends after its ending."""

    def write(traces, stretch, *, max_new_tokens):
        for trace in traces:
            level = confidences[trace.identifier]
            trace.confidence += [level] * max_new_tokens
            trace.num_tokens += max_new_tokens
            is_over = trace.num_tokens >= endings[trace.identifier]
            trace.stop_reason = "stop" if is_over else "length"

    return write


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


def test_the_confidence_vote_asks_the_model_for_statistics():
    outputs = METHODS["confidence-vote"](
        tiny_model(), *ARGUMENTS, num_samples=3, max_new_tokens=5, **DECODING
    )
    for output in outputs:
        for sample in output.samples:
            assert len(sample["confidence"]) == sample["num_tokens"]


def test_the_surer_half_of_the_warm_up_sets_the_threshold():
    levels = (1.0, 5.0, 3.0, 2.0)
    samples = [sample_of("…", topk_confidence=[level]) for level in levels]
    assert warmup_threshold(samples, share=0.5) == 3.0


def test_a_trace_is_judged_by_full_windows_only():
    for length, dropped in ((WINDOW - 1, set()), (WINDOW, {0})):
        traces = [Trace("?", "a")]
        write = writer({"a": 0.0}, {"a": length})
        assert write_while_sure(traces, [1.0], write, length) == dropped


def test_an_unsure_trace_is_dropped_and_written_no_further():
    traces = [Trace("?", "sure"), Trace("?", "unsure")]
    write = writer({"sure": 5.0, "unsure": 1.0}, {"sure": 64, "unsure": 64})
    dropped = write_while_sure(traces, [3.0, 3.0], write, 100)
    assert dropped == {1}
    # The sure one ends in its fourth block, the other after its first.
    assert [trace.num_tokens for trace in traces] == [4 * WINDOW, WINDOW]


def test_the_last_block_ends_at_the_token_limit():
    traces = [Trace("?", "a")]
    write = writer({"a": 5.0}, {"a": 999})
    write_while_sure(traces, [3.0], write, WINDOW + 3)
    assert traces[0].num_tokens == WINDOW + 3


def test_every_sample_is_recorded_and_paid_for():
    outputs = METHODS["confidence-stop"](
        tiny_model(), *ARGUMENTS, num_samples=5, max_new_tokens=20, **DECODING
    )
    for output in outputs:
        assert len(output.samples) == 5
        tokens = [sample["num_tokens"] for sample in output.samples]
        assert all(0 < number <= 20 for number in tokens)
        assert output.num_tokens == sum(tokens)
