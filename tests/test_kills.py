"""Commands killed at random moments, and in two processes, lose nothing."""

import hashlib
import random
import sys
import time

import pytest
from commands import open_run, start_rfs, trace_of, write_rows
from loopback import ChatServer, chat_answer

from reasoning_from_scratch.evaluation import load_problems

pytestmark = pytest.mark.slow

NUM_QUESTIONS = 80
NUM_KILLS = 10


def kill_after(seconds, process):
    time.sleep(seconds)
    process.kill()
    process.wait()


def outcome(name):
    """A digest of what a run ends in: its last weights, or its records."""
    run = open_run(name)
    path = run.path / "records.jsonl"
    if steps := run.checkpoint_steps():
        path = run.checkpoint_path(steps[-1]) / "model.safetensors"
    return steps, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "command",
    [
        "grpo --steps 12 --prompts-per-step 8 --group-size 4 --eval-every 5 "
        "--max-new-tokens 64 --checkpoint-every 3 --eval-problems 20",
        "distill --traces {} --epochs 2 --batch-size 8 --eval-every 4 "
        "--eval-problems 20",
        "evaluate --limit 80 --batch-size 8",
    ],
)
def test_runs_killed_at_random_end_in_the_same_files(
    runs_folder, tmp_path, command
):
    problems = load_problems("pocketmath", split="train", limit=96)
    rows = [trace_of(problem, problem.solution) for problem in problems]
    command = command.format(write_rows(tmp_path / "traces.jsonl", rows))
    command += " --device cpu --run"
    started = time.perf_counter()
    assert start_rfs(f"{command} whole").wait() == 0
    seconds = time.perf_counter() - started
    moments = random.Random(0)
    for number in range(NUM_KILLS):
        again = f"{command} killed-{number}"
        kill_after(moments.uniform(0, seconds), start_rfs(again))
        assert start_rfs(f"{again} --resume").wait() == 0
        assert outcome(f"killed-{number}") == outcome("whole")


def recorded():
    """Ids of the traces on record, a torn last line left out."""
    try:
        rows = open_run("asked").read("traces.jsonl")
    except FileNotFoundError:
        return []
    return [row["id"] for row in rows]


def test_killed_teachers_lose_no_trace_and_ask_none_twice(runs_folder):
    problems = load_problems("pocketmath", split="train", limit=NUM_QUESTIONS)
    moments = random.Random(0)
    by_id = {f"{p.id}#0": p.problem for p in problems}
    with ChatServer(chat_answer(r"I say \boxed{5}")) as server:
        command = (
            f"teach --endpoint {server.base_url} --problems pocketmath "
            f"--endpoint-requests-per-minute 1200 --limit {NUM_QUESTIONS} "
            "--prompt {problem} --model big --run asked --resume"
        )
        for _ in range(NUM_KILLS):
            before = recorded()
            first = len(server.requests)
            process = start_rfs(command)
            while len(server.requests) <= first:
                assert process.poll() is None
                time.sleep(0.01)
            kill_after(moments.uniform(0, 0.3), process)
            # Given what was on record: nothing of it is lost or asked again
            assert recorded()[: len(before)] == before
            asked = {
                body["messages"][0]["content"]
                for _, body in server.requests[first:]
            }
            assert not asked & {by_id[key] for key in before}
        assert 0 < len(recorded()) < NUM_QUESTIONS
        assert start_rfs(command).wait() == 0
    assert sorted(recorded()) == sorted(by_id)


def test_two_processes_write_the_run_that_one_would(runs_folder):
    # As in the command's docstring, where torchrun stands for its module
    launcher = (
        f"{sys.executable} -m torch.distributed.run --nproc-per-node 2 "
        "--standalone -m --"
    )
    command = (
        "grpo --steps 2 --prompts-per-step 4 --group-size 4 --device cpu "
        "--max-new-tokens 48 --eval-every 1 --eval-problems 8 --run"
    )
    assert start_rfs(f"{command} alone").wait() == 0
    assert start_rfs(f"{command} pair", launcher.split()).wait() == 0
    alone, pair = (
        open_run(name).read("metrics.jsonl") for name in ("alone", "pair")
    )
    assert [row["step"] for row in pair] == [0, 1, 2]
    for one, two in zip(alone, pair, strict=True):
        # The sampled tokens hang on seed, step and problem alone; means
        # over two halves are summed in another order
        for key in ("reward", "length", "loss", "grad_norm", "accuracy"):
            if key in one:
                assert two[key] == pytest.approx(one[key], abs=1e-4), key
    weights = runs_folder / "pair/checkpoints/step_2/model.safetensors"
    assert weights.exists()
