"""`rfs grpo` in two processes that `torchrun` started."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PLAIN = [sys.executable]
# As in the command's docstring, where torchrun stands for its module
PAIR = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node"]
PAIR += ["2", "--standalone"]
FLAGS = {
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
    flags = [str(part) for flag in FLAGS.items() for part in flag]
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
