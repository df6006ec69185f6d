"""`rfs grpo` killed at random moments ends in the weights it would have."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

NUM_KILLS = 10
FLAGS = {
    "--steps": 12,
    "--prompts-per-step": 8,
    "--group-size": 4,
    "--max-new-tokens": 64,
    "--eval-every": 5,
    "--eval-problems": 20,
    "--checkpoint-every": 3,
    "--device": "cpu",
}


def start_run(root, name, *more):
    """A short run of the pocket model in a process of its own."""
    command = [sys.executable, "-m", "reasoning_from_scratch", "grpo"]
    command += [str(part) for flag in FLAGS.items() for part in flag]
    return subprocess.Popen(
        [*command, "--run", name, *more],
        env={**os.environ, "RFS_RUNS": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def final_weights(root, name):
    folder = root / name / "checkpoints" / f"step_{FLAGS['--steps']}"
    weights = (folder / "model.safetensors").read_bytes()
    return hashlib.sha256(weights).hexdigest()


def test_killed_runs_end_in_the_weights_of_the_uninterrupted_one(tmp_path):
    started = time.perf_counter()
    assert start_run(tmp_path, "whole").wait() == 0
    seconds = time.perf_counter() - started
    expected = final_weights(tmp_path, "whole")
    moments = random.Random(0)
    for number in range(NUM_KILLS):
        name = f"killed-{number}"
        process = start_run(tmp_path, name)
        time.sleep(moments.uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert start_run(tmp_path, name, "--resume").wait() == 0
        assert final_weights(tmp_path, name) == expected
