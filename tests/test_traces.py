"""Traces: how an answer is kept, and which ones deserve to be learned."""

import json

import pytest

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.training import Trace, filter_traces, read_traces
from reasoning_from_scratch.training.traces import (
    held_out_check,
    make_trace,
    split_thinking,
)

PROBLEM = Problem("What is 2 + 3?", "5", id="train-1", subject="sums", level=1)


def trace(text=r" 2+3=5 \boxed{5}", problem=PROBLEM, sample=0, **fields):
    fields = {"finish_reason": "stop", "model": "m", **fields}
    return make_trace(problem, sample, text, **fields)


def test_an_answer_is_judged_when_it_comes_in():
    right, wrong = trace(), trace(r" \boxed{6}")
    assert right.correct and not wrong.correct
    assert right.id == "train-1#0"
    assert (right.subject, right.level) == ("sums", 1)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think>2+3</think> 5", ("", "2+3", " 5")),
        (" <think>2+3</think> 5", (" ", "2+3", " 5")),
        ("no thinking", ("", "", "no thinking")),
        ("<think>never closed", ("", "never closed", "")),
        ("the tag <think> in a text", ("", "", "the tag <think> in a text")),
        # The prompt began it; a tag twice; said before: none is left behind
        ("2+3</think> 5", ("", "2+3", " 5")),
        ("<think>2</think>+3</think> 5", ("", "2</think>+3", " 5")),
        ("So <think>2+3</think> 5", ("", "So <think>2+3", " 5")),
    ],
)
def test_thinking_is_kept_apart_from_the_answer(text, parts):
    assert split_thinking(text) == parts


def test_an_answer_inside_unfinished_thinking_does_not_count():
    assert not trace(r"<think>\boxed{5}").correct
    assert trace(r"<think>hm</think> \boxed{5}").correct


def test_every_filter_counts_what_it_drops():
    other = Problem("What is 9 - 4?", "5", id="train-2")
    traces = [
        trace(),
        trace(sample=1),  # the same text again
        trace(r" 3+2=5 \boxed{5}", sample=2),  # another way: kept
        trace(r" \boxed{6}", sample=3),
        trace(finish_reason="length", sample=4),
        trace("", finish_reason="error", sample=5),
        trace(problem=other),
    ]
    held_out = [Problem("what  is 9 - 4", "5")]
    kept, counts = filter_traces(traces, held_out=held_out)
    assert [t.id for t in kept] == ["train-1#0", "train-1#2"]
    assert counts == {
        "failed": 1,
        "truncated": 1,
        "wrong": 1,
        "duplicate": 1,
        "contaminated": 1,
    }


@pytest.mark.parametrize(
    ("reason", "is_kept"),
    [("stop", True), ("eos", True), ("end_turn", True), ("", True)]
    + [("length", False), ("max_tokens", False)],
)
def test_only_a_limit_cuts_an_answer_off_whatever_a_server_calls_its_end(
    reason, is_kept
):
    kept, counts = filter_traces([trace(finish_reason=reason)])
    assert (len(kept) == 1) == is_kept
    assert counts["truncated"] == (not is_kept)


def test_wrong_traces_can_be_kept_on_purpose():
    kept, counts = filter_traces([trace(r" \boxed{6}")], keep_wrong=True)
    assert (len(kept), counts["wrong"]) == (1, 0)


def test_a_sign_makes_another_problem():
    is_held_out = held_out_check([Problem("Compute 3 - 5.", "-2")])
    assert is_held_out("compute 3-5")
    assert not is_held_out("Compute 3 + 5.")


def test_a_long_shared_run_of_words_with_a_number_is_contamination():
    story = "Anna has 12 red and seven blue balls and gives away a few today"
    is_held_out = held_out_check([Problem(f"{story}. How many?", "9")])
    assert is_held_out(f"Long ago: {story}, and then?")
    plain = story.replace("12", "some")  # no number: a common turn of phrase
    is_held_out = held_out_check([Problem(f"{plain}. How many?", "9")])
    assert not is_held_out(f"Long ago: {plain}, and then?")


def test_runs_of_words_are_not_compared_when_told_so():
    story = "Anna has 12 red and seven blue balls and gives away a few today"
    problems = [Problem(f"{story}. How many?", "9")]
    assert not held_out_check(problems, 0)(f"Long ago: {story}, and then?")


def test_traces_come_back_from_their_file(tmp_path):
    traces = [trace(), trace("\u2028 odd \x00 text", sample=1)]
    lines = [json.dumps(vars(t)) for t in traces]
    (tmp_path / "traces.jsonl").write_text("\n".join(lines), "utf-8")
    assert read_traces(tmp_path / "traces.jsonl") == traces
    assert read_traces(tmp_path) == traces  # a run folder


def test_a_file_that_holds_no_traces_is_named(tmp_path):
    path = tmp_path / "other.jsonl"
    with pytest.raises(FileNotFoundError, match="rfs teach"):
        read_traces(path)
    path.write_text('{"problem": "1 + 1", "answer": "2"}', "utf-8")
    with pytest.raises(ValueError, match="line 1 is no trace: it lacks"):
        read_traces(path)


def test_a_trace_knows_its_whole_text():
    for text in ("<think>a</think> b", " <think>a</think> b"):
        assert trace(text).text == text
    assert isinstance(trace(), Trace) and trace(" b").text == " b"
