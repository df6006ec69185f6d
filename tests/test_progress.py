"""What a training run tells while it runs."""

from dataclasses import replace

import pytest
from test_grpo import CONFIG, PROBLEMS, train

from reasoning_from_scratch.training.progress import plot_training, throughput


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


def test_greedy_accuracy_is_never_drawn_as_samples_at_training():
    rows = [{"step": 0, "accuracy": 0.1}]
    for row, labels in (
        ({}, ["greedy, validation"]),
        ({"solve_rate": 0.2}, ["samples at training", "greedy, validation"]),
    ):
        figure = plot_training([*rows, {"step": 1, **row}])
        legend = figure.axes[0].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == labels
