"""Traces: asking for them, keeping them, and which deserve to be learned.

The teachers are local ones and servers that misbehave.
"""

import logging

import pytest
from commands import trace_of, write_rows
from loopback import ChatServer, chat_answer
from tiny import table, tiny_model

from reasoning_from_scratch import training
from reasoning_from_scratch.endpoints import EndpointClient, EndpointSettings
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.training.traces import (
    held_out_check,
    split_thinking,
)

PROBLEMS = [Problem(f"{n} + 1", str(n + 1), id=f"p{n}") for n in range(6)]
PROBLEM = Problem("What is 2 + 3?", "5", id="train-1", subject="sums", level=1)
KEY = "sk-very-secret-0123456789"


def trace(text=r" 2+3=5 \boxed{5}", problem=PROBLEM, sample=0, **fields):
    return trace_of(problem, text, sample, **fields)


# One answer


def test_an_answer_is_judged_and_comes_back_from_its_file(tmp_path):
    right, wrong = trace(), trace(r" \boxed{6}")
    assert right.correct and not wrong.correct
    assert right.id == "train-1#0"
    assert (right.subject, right.level) == ("sums", 1)
    assert not trace(r"<think>\boxed{5}").correct  # unfinished thinking
    assert trace(r"<think>hm</think> \boxed{5}").correct
    traces = [trace(), trace("\u2028 odd \x00 text", sample=1)]
    path = write_rows(tmp_path / "traces.jsonl", traces)
    assert training.read_traces(path) == traces
    assert training.read_traces(tmp_path) == traces  # a run folder


@pytest.mark.parametrize(("text", "parts"), table("thinking_parts"))
def test_thinking_is_kept_apart_from_the_answer(text, parts):
    assert split_thinking(text) == tuple(parts)
    if text.strip().startswith("<think>") and parts[2]:
        assert trace(text).text == text


# Which to learn from


def test_every_filter_counts_what_it_drops():
    other = Problem("What is 9 - 4?", "5", id="train-2")
    ways = [rf" {n} \boxed{{5}}" for n in range(4)]
    # Only a limit cuts an answer off, whatever a server calls its end
    ends = zip(ways, ("stop", "eos", "end_turn", ""), strict=True)
    kept = [trace(text, finish_reason=end) for text, end in ends]
    wrong = trace(r" \boxed{6}")
    dropped = {
        "failed": [trace("", finish_reason="error")],
        "truncated": [
            trace(finish_reason=end) for end in ("length", "max_tokens")
        ],
        "wrong": [wrong],
        "duplicate": [trace(ways[0], sample=1)],
        "contaminated": [trace(problem=other)],
    }
    held_out = [Problem("what  is 9 - 4", "5")]
    counts = {name: len(traces) for name, traces in dropped.items()}
    traces = sum(dropped.values(), kept)
    assert training.filter_traces(traces, held_out=held_out) == (kept, counts)
    assert training.filter_traces([wrong], keep_wrong=True)[0] == [wrong]


STORY = "Anna has 12 red and seven blue balls and gives away a few today"


@pytest.mark.parametrize(
    ("held_out", "text", "ngram", "is_found"),
    [
        # A sign makes another problem
        ("Compute 3 - 5.", "compute 3-5", 13, True),
        ("Compute 3 - 5.", "Compute 3 + 5.", 13, False),
        (f"{STORY}. How many?", f"Long ago: {STORY}, and then?", 13, True),
        (f"{STORY}. How many?", f"Long ago: {STORY}, and then?", 0, False),
        # Without a number it is a common turn of phrase
        (
            STORY.replace("12", "some"),
            f"Long ago: {STORY.replace('12', 'some')}, and then?",
            13,
            False,
        ),
    ],
)
def test_a_held_out_problem_is_found_again(held_out, text, ngram, is_found):
    check = held_out_check([Problem(held_out, "9")], ngram)
    assert check(text) == is_found


# A teacher behind an endpoint


def right_answer(body):
    """Solve the n + 1 of the request."""
    number = int(body["messages"][0]["content"].split()[0])
    return chat_answer(rf"It is \boxed{{{number + 1}}}.")


def ask(server, problems=PROBLEMS, *, run=None, samples=1, **settings):
    """Let a server answer; returns the traces and the teacher."""
    settings = {"first_delay": 0.01, "timeout": 2.0, **settings}
    settings = EndpointSettings(server.base_url, "big", **settings)
    teacher = training.EndpointTeacher(EndpointClient(settings), max_tokens=50)
    traces = training.generate_teacher_traces(
        teacher, problems, num_samples=samples, run=run, progress=False
    )
    return traces, teacher


def run_folder(tmp_path):
    return RunFolder.create("teach", {}, root=tmp_path, resume=True)


def test_thinking_is_known_wherever_a_server_puts_it():
    # Sent apart, it is put back as Qwen3 writes it
    apart = chat_answer(r"\boxed{1}", reasoning_content="0 and 1")
    inside = chat_answer(r"<think>hm</think>\boxed{1}")
    with ChatServer(apart, inside) as server:
        traces, _ = ask(server, PROBLEMS[:1], samples=2, max_concurrent=1)
    assert [trace.text for trace in traces] == [
        "<think>\n0 and 1\n</think>\n\n\\boxed{1}",
        "<think>hm</think>\\boxed{1}",
    ]
    assert [trace.thinking for trace in traces] == ["\n0 and 1\n", "hm"]


def test_whatever_a_server_does_items_end(tmp_path, caplog, monkeypatch):
    # 429, 500, a slow answer, a cut connection, the key instead of
    # JSON, a refusal for good
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.INFO)
    trouble = [429, 500, 3.0, "cut", KEY.encode(), 400, right_answer]
    run = run_folder(tmp_path)
    with ChatServer(*trouble) as server:
        traces, _ = ask(server, run=run, timeout=0.3, max_concurrent=2)
    assert len(traces) == len(PROBLEMS)
    failed = [t for t in traces if t.finish_reason == "error"]
    assert len(failed) == 1 and "400" in failed[0].error
    assert all(t.correct for t in traces if t not in failed)
    written = "".join(p.read_text("utf-8") for p in run.path.glob("*.json*"))
    assert KEY not in written + caplog.text


@pytest.mark.parametrize(
    ("script", "least", "most", "reason"),
    [
        ((401,), 8, 10, "requests all failed"),
        ((right_answer, 400), 54, 54, ""),
    ],
)
def test_the_rest_is_not_asked_where_all_fail(script, least, most, reason):
    with ChatServer(*script) as server:
        traces, teacher = ask(server, samples=9, max_concurrent=2)
    assert least <= len(traces) <= most
    assert teacher.stopped.endswith(reason)
    assert bool(teacher.stopped) == bool(reason)


# A teacher on this machine


def local_teacher(tokenizer):
    return training.LocalTeacher(
        tiny_model(vocab_size=320),
        tokenizer,
        prompt="{problem}",
        max_new_tokens=4,
        batch_size=4,
        sampling=SamplingConfig(temperature=1.0),
    )


def test_a_killed_job_resumes_to_the_same_file(tmp_path, tokenizer):
    teacher = local_teacher(tokenizer)
    options = {"num_samples": 2, "progress": False}
    whole = training.generate_teacher_traces(teacher, PROBLEMS, **options)
    assert whole[0].text != whole[1].text  # samples of one problem
    assert whole[0].finish_reason in ("stop", "length")
    rows = [vars(trace) for trace in whole]
    for num_lines in (0, 1, 4, 5):
        cut = RunFolder.create(f"cut-{num_lines}", {}, root=tmp_path)
        cut.rewrite("traces.jsonl", rows[:num_lines])
        training.generate_teacher_traces(teacher, PROBLEMS, run=cut, **options)
        assert cut.read("traces.jsonl") == rows


def test_a_stop_by_the_user_says_how_to_go_on(tmp_path):
    class Interrupted:
        def answer_all(self, items, done):
            yield trace_of(items[0][0], "1")
            raise KeyboardInterrupt

    told = "after 1 of 6 answers, which are kept in .*--resume goes on"
    with pytest.raises(KeyboardInterrupt, match=told):
        training.generate_teacher_traces(
            Interrupted(), PROBLEMS, run=run_folder(tmp_path), progress=False
        )
