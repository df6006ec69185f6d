"""Dropping unsure samples while they are written."""

from scripted import output_of
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import METHODS
from reasoning_from_scratch.scaling.samples import Trace, make_sample
from reasoning_from_scratch.scaling.stopping import (
    WINDOW,
    is_unsure,
    warmup_threshold,
    write_in_blocks,
)


def sample_of(confidence):
    statistics = {"topk_confidence": [confidence]}
    return make_sample(ByteTokenizer(), output_of("…", None, statistics))


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


def test_the_surer_half_of_the_warm_up_sets_the_threshold():
    samples = [sample_of(level) for level in (1.0, 5.0, 3.0, 2.0)]
    assert warmup_threshold(samples, share=0.5) == 3.0


def test_a_trace_is_judged_by_full_windows_only():
    trace = Trace("?", "a", confidence=[0.0] * (WINDOW - 1))
    assert not is_unsure(trace, 1.0)
    trace.confidence.append(0.0)
    assert is_unsure(trace, 1.0)


def test_an_unsure_trace_is_dropped_and_written_no_further():
    traces = [Trace("?", "sure"), Trace("?", "unsure")]
    write = writer({"sure": 5.0, "unsure": 1.0}, {"sure": 64, "unsure": 64})
    dropped = write_in_blocks(traces, [3.0, 3.0], write, WINDOW, 100)
    assert dropped == {1}
    # The sure one ends in its fourth block, the other after its first.
    assert [trace.num_tokens for trace in traces] == [4 * WINDOW, WINDOW]


def test_the_last_block_ends_at_the_token_limit():
    traces = [Trace("?", "a")]
    write = writer({"a": 5.0}, {"a": 999})
    write_in_blocks(traces, [3.0], write, WINDOW, WINDOW + 3)
    assert traces[0].num_tokens == WINDOW + 3


def test_every_sample_is_recorded_and_paid_for():
    problems = [Problem("a?", "1", id="a"), Problem("b?", "2", id="b")]
    outputs = METHODS["confidence-stop"](
        tiny_model(),
        ByteTokenizer(),
        problems,
        ["a?", "b?"],
        num_samples=5,
        sampling=SamplingConfig(temperature=1.0),
        max_new_tokens=20,
        seed=0,
    )
    for output in outputs:
        assert len(output.samples) == 5
        tokens = [sample["num_tokens"] for sample in output.samples]
        assert output.num_tokens == sum(tokens)
        assert all(0 < count <= 20 for count in tokens)
