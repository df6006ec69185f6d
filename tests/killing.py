"""Commands in processes of their own, killed at random moments."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

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
