"""Commands killed at random moments, and in two processes, lose nothing."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from loopback import ChatServer, chat_answer

from reasoning_from_scratch.evaluation import load_problems
from reasoning_from_scratch.training.traces import make_trace

pytestmark = pytest.mark.slow

NUM_QUESTIONS = 80
NUM_KILLS = 10


def start(root, command, flags, *more):
    """Start `rfs COMMAND` with its runs in a folder.

    Args:
        root: the folder.
        command: such as "grpo".
        flags: flag -> value.
        more: flags without a value, or with theirs behind them.
    """
    parts = [str(part) for flag in flags.items() for part in flag]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "reasoning_from_scratch", command),
            *parts,
            *more,
        ],
        env={**os.environ, "RFS_RUNS": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_after(seconds, process):
    """Let a process run for so long and no longer."""
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def final_weights(root, name, step):
    """A digest of the weights that a run saved after a step."""
    folder = root / name / "checkpoints" / f"step_{step}"
    weights = (folder / "model.safetensors").read_bytes()
    return hashlib.sha256(weights).hexdigest()


def kill_and_resume(root, command, flags, step):
    """Compare an uninterrupted run with ten killed at random moments.

    Returns:
        the digest of the first's final weights, and those of the others.
    """
    started = time.perf_counter()
    assert start(root, command, flags, "--run", "whole").wait() == 0
    seconds = time.perf_counter() - started
    moments = random.Random(0)
    digests = []
    for number in range(NUM_KILLS):
        run = "--run", f"killed-{number}"
        process = start(root, command, flags, *run)
        kill_after(moments.uniform(0, seconds), process)
        assert start(root, command, flags, *run, "--resume").wait() == 0
        digests.append(final_weights(root, run[1], step))
    return final_weights(root, "whole", step), digests


GRPO_FLAGS = {
    "--steps": 12,
    "--prompts-per-step": 8,
    "--group-size": 4,
    "--max-new-tokens": 64,
    "--eval-every": 5,
    "--eval-problems": 20,
    "--checkpoint-every": 3,
    "--device": "cpu",
}


def test_killed_runs_end_in_the_weights_of_the_uninterrupted_one(tmp_path):
    whole, resumed = kill_and_resume(tmp_path, "grpo", GRPO_FLAGS, step=12)
    assert resumed == [whole] * NUM_KILLS


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


# Two processes

PLAIN = [sys.executable]
# As in the command's docstring, where torchrun stands for its module
PAIR = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node"]
PAIR += ["2", "--standalone"]
PAIR_FLAGS = {
    "--steps": 2,
    "--prompts-per-step": 4,
    "--group-size": 4,
    "--max-new-tokens": 48,
    "--eval-every": 1,
    "--eval-problems": 8,
    "--device": "cpu",
}


def rows_of_run(root, launcher, *, name):
    """Train in a process, or in two, and return the rows of the metrics."""
    dashes = ["--"] if "--standalone" in launcher else []
    flags = [str(part) for flag in PAIR_FLAGS.items() for part in flag]
    subprocess.run(
        [
            *(*launcher, "-m", *dashes, "reasoning_from_scratch", "grpo"),
            *("--run", name, *flags),
        ],
        env={**os.environ, "RFS_RUNS": str(root), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    lines = (root / name / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_two_processes_write_the_run_that_one_would(tmp_path):
    alone = rows_of_run(tmp_path, PLAIN, name="alone")
    pair = rows_of_run(tmp_path, PAIR, name="pair")
    assert [row["step"] for row in pair] == [0, 1, 2]
    for one, two in zip(alone, pair, strict=True):
        # The sampled tokens hang on seed, step and problem alone; means
        # over two halves are summed in another order
        for key in ("reward", "length", "loss", "grad_norm", "accuracy"):
            if key in one:
                assert two[key] == pytest.approx(one[key], abs=1e-4), key
    assert (tmp_path / "pair/checkpoints/step_2/model.safetensors").exists()
