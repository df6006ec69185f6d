"""`rfs grpo` killed at random moments ends in the weights it would have."""

import pytest
from killing import NUM_KILLS, kill_and_resume

pytestmark = pytest.mark.slow

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


def test_killed_runs_end_in_the_weights_of_the_uninterrupted_one(tmp_path):
    whole, resumed = kill_and_resume(tmp_path, "grpo", FLAGS, step=12)
    assert resumed == [whole] * NUM_KILLS
