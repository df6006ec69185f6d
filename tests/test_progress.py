"""What a training run tells while it runs."""

from dataclasses import replace

import pytest
from test_grpo import CONFIG, PROBLEMS, train

from reasoning_from_scratch.training.progress import throughput


def test_whoever_watches_sees_the_rows_grow():
    seen = []
    train(
        replace(CONFIG, steps=3),
        validation=PROBLEMS[:2],
        watch=lambda rows: seen.append([row["step"] for row in rows]),
    )
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_throughput_is_tokens_over_seconds_of_each_stage():
    rates = throughput(
        {
            "tokens_generated": 100,
            "generation_seconds": 4.0,
            "tokens_scored": 0,
            "scoring_seconds": 0.001,
            "tokens_learned": 60,
            "update_seconds": 2.0,
        }
    )
    assert rates == {
        "generation_tokens_per_second": pytest.approx(25.0),
        "scoring_tokens_per_second": 0.0,
        "update_tokens_per_second": pytest.approx(30.0),
    }
