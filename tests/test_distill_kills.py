"""`rfs distill` and `rfs teach` killed at random moments lose nothing."""

import json
import random
import time

import pytest
from killing import NUM_KILLS, kill_after, kill_and_resume, start
from loopback import ChatServer, chat_answer

from reasoning_from_scratch.evaluation import load_problems
from reasoning_from_scratch.training.traces import make_trace

pytestmark = pytest.mark.slow

NUM_QUESTIONS = 80


def test_killed_students_end_in_the_weights_of_the_uninterrupted(tmp_path):
    problems = load_problems("pocketmath", split="train", limit=96)
    rows = [
        vars(make_trace(p, 0, p.solution, finish_reason="stop", model="m"))
        for p in problems
    ]
    traces = tmp_path / "traces.jsonl"
    traces.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = {
        "--traces": traces,
        "--epochs": 2,
        "--batch-size": 8,
        "--eval-every": 4,
        "--eval-problems": 20,
        "--device": "cpu",
    }
    step = last_step(tmp_path, flags)
    whole, resumed = kill_and_resume(tmp_path, "distill", flags, step)
    assert resumed == [whole] * NUM_KILLS


def last_step(root, flags):
    """Steps of the whole run, as a first one of them counts."""
    assert start(root, "distill", flags, "--run", "first").wait() == 0
    rows = (root / "first" / "metrics.jsonl").read_text().splitlines()
    return json.loads(rows[-1])["step"]


def recorded(path):
    """Ids of the traces in a file, the torn last line left out."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(x)["id"] for x in text.split("\n")[:-1]]


def test_killed_teachers_lose_no_trace_and_ask_none_twice(tmp_path):
    problems = load_problems("pocketmath", split="train", limit=NUM_QUESTIONS)
    path = tmp_path / "asked" / "traces.jsonl"
    moments = random.Random(0)
    by_id = {f"{p.id}#0": p.problem for p in problems}
    with ChatServer(chat_answer(r"I say \boxed{5}")) as server:
        flags = {
            "--endpoint": server.base_url,
            "--endpoint-requests-per-minute": 1200,
            "--problems": "pocketmath",
            "--limit": NUM_QUESTIONS,
            "--prompt": "{problem}",
            "--model": "big",
            "--run": "asked",
        }
        for _ in range(NUM_KILLS):
            before = recorded(path)
            first = len(server.requests)
            process = start(tmp_path, "teach", flags, "--resume")
            wait_for_requests(server, first, process)
            kill_after(moments.uniform(0, 0.3), process)
            # Given what was on record: nothing of it is lost or asked again
            assert recorded(path)[: len(before)] == before
            asked = questions(server.requests[first:])
            assert not asked & {by_id[key] for key in before}
        assert 0 < len(recorded(path)) < NUM_QUESTIONS
        assert start(tmp_path, "teach", flags, "--resume").wait() == 0
    ids = recorded(path)
    assert sorted(ids) == sorted(by_id)


def wait_for_requests(server, count, process):
    """Return once a process has asked a server one question more."""
    while len(server.requests) <= count:
        assert process.poll() is None
        time.sleep(0.01)


def questions(requests):
    """The texts that a server was asked."""
    return {body["messages"][0]["content"] for _, body in requests}
