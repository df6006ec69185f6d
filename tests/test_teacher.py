"""Teachers: local, behind a misbehaving server, and the student itself."""

import json
import logging

import pytest
from loopback import ChatServer, chat_answer
from tiny import tiny_model

from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.endpoints import EndpointClient, EndpointSettings
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.training import (
    EndpointTeacher,
    LocalTeacher,
    collect_verified_samples,
    generate_teacher_traces,
)
from reasoning_from_scratch.training.traces import make_trace

PROBLEMS = [Problem(f"{n} + 1", str(n + 1), id=f"p{n}") for n in range(6)]
KEY = "sk-very-secret-0123456789"


def right_answer(body):
    """Solve the n + 1 of the request."""
    number = int(body["messages"][0]["content"].split()[0])
    return chat_answer(rf"It is \boxed{{{number + 1}}}.")


def ask(server, problems=PROBLEMS, *, run=None, samples=1, **settings):
    """Let a server answer; returns the traces and the teacher."""
    settings = {"first_delay": 0.01, "timeout": 2.0, **settings}
    settings = EndpointSettings(server.base_url, "big", **settings)
    with EndpointClient(settings, seed=0) as client:
        teacher = EndpointTeacher(client, max_tokens=50)
        traces = generate_teacher_traces(
            teacher, problems, num_samples=samples, run=run, progress=False
        )
    return traces, teacher


def run_folder(tmp_path, resume=False):
    return RunFolder.create("teach", {}, root=tmp_path, resume=resume)


# Behind an endpoint


def test_every_problem_is_answered_and_judged(tmp_path):
    run = run_folder(tmp_path)
    with ChatServer(right_answer) as server:
        traces, _ = ask(server, run=run, samples=2)
    assert {t.id for t in traces} == {
        f"p{n}#{s}" for n in range(6) for s in (0, 1)
    }
    assert all(t.correct and t.model == "big" for t in traces)
    assert run.read("traces.jsonl") == [vars(t) for t in traces]


def test_thinking_sent_apart_is_put_back_as_qwen3_writes_it():
    answer = chat_answer(r"\boxed{1}", reasoning_content="0 and 1")
    with ChatServer(answer) as server:
        (trace,), _ = ask(server, PROBLEMS[:1])
    assert trace.text == "<think>\n0 and 1\n</think>\n\n\\boxed{1}"


def test_thinking_sent_inside_the_answer_is_taken_out():
    with ChatServer(chat_answer(r"<think>hm</think>\boxed{1}")) as server:
        (trace,), _ = ask(server, PROBLEMS[:1])
    assert (trace.thinking, trace.response) == ("hm", r"\boxed{1}")


def test_whatever_the_server_does_every_item_ends(
    tmp_path, caplog, monkeypatch
):
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


def test_a_resumed_job_asks_for_nothing_twice(tmp_path):
    with ChatServer(right_answer) as server:
        first, teacher = ask(
            server, run=run_folder(tmp_path), max_requests=2, max_concurrent=1
        )
        assert len(first) == 2 and "budget is spent" in teacher.stopped
        traces, _ = ask(server, run=run_folder(tmp_path, resume=True))
        asked = [body["messages"][0]["content"] for _, body in server.requests]
    assert len(asked) == len(set(asked)) == 6
    assert traces[:2] == first and len(traces) == 6


def test_a_failure_on_record_is_asked_again(tmp_path):
    with ChatServer(right_answer, 400) as server:
        run = run_folder(tmp_path)
        first, _ = ask(server, PROBLEMS[:3], run=run, max_concurrent=1)
    assert [t.finish_reason for t in first] == ["stop", "error", "error"]
    with ChatServer(right_answer) as server:
        run = run_folder(tmp_path, resume=True)
        traces, _ = ask(server, PROBLEMS[:3], run=run, max_concurrent=1)
        assert len(server.requests) == 2
    assert [t.finish_reason for t in traces] == ["stop"] * 3
    assert run.read("traces.jsonl") == [vars(t) for t in traces]


def test_where_all_first_answers_fail_the_rest_is_not_asked(tmp_path):
    with ChatServer(401) as server:
        traces, teacher = ask(server, samples=9, max_concurrent=2)
    assert "requests all failed" in teacher.stopped
    assert 8 <= len(traces) <= 10 < 54


def test_failures_after_a_good_answer_do_not_stop_the_rest():
    with ChatServer(right_answer, 400) as server:
        traces, teacher = ask(server, samples=9, max_concurrent=1)
    assert len(traces) == 54 and not teacher.stopped


def test_a_stop_by_the_user_says_how_to_go_on(tmp_path):
    class Interrupted:
        def answer_all(self, items, done):
            yield make_trace(*items[0], "1", finish_reason="stop", model="m")
            raise KeyboardInterrupt

    told = "after 1 of 6 answers, which are kept in .*--resume goes on"
    with pytest.raises(KeyboardInterrupt, match=told):
        generate_teacher_traces(
            Interrupted(), PROBLEMS, run=run_folder(tmp_path), progress=False
        )


def test_a_torn_last_line_is_asked_again(tmp_path):
    with ChatServer(right_answer) as server:
        ask(server, PROBLEMS[:2], run=run_folder(tmp_path), max_concurrent=1)
        path = tmp_path / "teach" / "traces.jsonl"
        path.write_text(path.read_text("utf-8")[:-20], "utf-8")
        run = run_folder(tmp_path, resume=True)
        ask(server, PROBLEMS[:2], run=run)
        assert len(server.requests) == 3
    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["p0#0", "p1#0"]


def test_the_command_tells_the_first_failure_and_goes_on_when_resumed(
    runs_folder, capsys
):
    def command(server, *more):
        words = f"teach --endpoint {server.base_url} --model big --run t"
        words += " --problems pocketmath --limit 2"
        return main([*words.split(), *more])

    with ChatServer((401, {})) as server:
        assert command(server) == 1
    said = capsys.readouterr().out
    assert "2 failed, the first with" in said and "answered 401" in said
    assert "(2 failed, 0 truncated" in said
    with ChatServer(chat_answer(r"\boxed{1}")) as server:
        # another port is another setting; the run's own is kept
        path = runs_folder / "t" / "config.json"
        config = json.loads(path.read_text("utf-8"))
        path.write_text(
            json.dumps({**config, "endpoint": server.base_url}), "utf-8"
        )
        assert command(server, "--resume") == 0
        assert len(server.requests) == 2


# On this machine


def local_teacher(tokenizer, **options):
    options = {
        "prompt": "{problem}",
        "max_new_tokens": 4,
        "batch_size": 4,
        "sampling": SamplingConfig(temperature=1.0),
        **options,
    }
    return LocalTeacher(tiny_model(vocab_size=320), tokenizer, **options)


def test_samples_of_a_problem_differ_and_repeat(tokenizer):
    traces, again = (
        generate_teacher_traces(
            local_teacher(tokenizer), PROBLEMS, num_samples=2, progress=False
        )
        for _ in range(2)
    )
    assert traces == again
    assert traces[0].text != traces[1].text
    assert traces[0].finish_reason in ("stop", "length")


@pytest.mark.parametrize("num_lines", [0, 1, 4, 5])
def test_a_killed_job_resumes_to_the_same_file(tmp_path, tokenizer, num_lines):
    whole = RunFolder.create("whole", {}, root=tmp_path)
    cut = RunFolder.create("cut", {}, root=tmp_path)
    options = {"num_samples": 2, "progress": False}
    teacher = local_teacher(tokenizer)
    generate_teacher_traces(teacher, PROBLEMS, run=whole, **options)
    rows = whole.read("traces.jsonl")
    cut.rewrite("traces.jsonl", rows[:num_lines])
    generate_teacher_traces(teacher, PROBLEMS, run=cut, **options)
    assert cut.read("traces.jsonl") == rows


# The student as its own teacher


def test_only_verified_answers_are_learned(tokenizer, monkeypatch):
    def answer(self, items):
        return [
            make_trace(
                problem,
                sample,
                r" \boxed{1}" if sample == 0 else r" so \boxed{1}",
                finish_reason="stop",
                model="m",
            )
            for problem, sample in items
        ]

    monkeypatch.setattr(LocalTeacher, "answer", answer)
    traces, counts = collect_verified_samples(
        None, tokenizer, PROBLEMS, num_samples=2, progress=False
    )
    assert [t.id for t in traces] == ["p0#0", "p0#1"]
    assert counts["wrong"] == 10


def test_a_test_split_is_not_sampled_for_training(tokenizer):
    problems = [Problem("1 + 1", "2", id="pocketmath-test-1")]
    with pytest.raises(ValueError, match="test split"):
        collect_verified_samples(None, tokenizer, problems)
