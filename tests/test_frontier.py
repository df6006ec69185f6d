"""The frontier picture: costs, words, and a file."""

import pytest

from reasoning_from_scratch.scaling.curves import CurvePoint
from reasoning_from_scratch.scaling.frontier import (
    describe_frontier,
    frontier_row,
    plot_frontier,
)


def point(num_samples, accuracy):
    return CurvePoint(
        num_samples,
        accuracy,
        accuracy - 0.1,
        accuracy + 0.1,
        mean_tokens=50.0 * num_samples,
        scores=[],
    )


ROWS = [
    frontier_row("greedy", [point(1, 0.5)], 0.01),
    frontier_row("vote", [point(1, 0.4), point(4, 0.6)], 0.002),
]


def test_seconds_follow_from_tokens():
    # 4 samples of 50 tokens at 2 ms a token.
    assert ROWS[1]["points"][1]["seconds"] == pytest.approx(0.4)


def test_the_words_name_both_ends_of_a_curve():
    assert describe_frontier(ROWS, "T") == (
        "Accuracy against cost, log axes. T: greedy 50.0 % at 50 tokens; "
        "vote 40.0 % at 50 tokens to 60.0 % at 200 tokens."
    )


def test_the_picture_has_two_log_axes_and_words(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "figures" / "frontier.png"
    figure = plot_frontier(ROWS, path, title="T")
    assert path.stat().st_size > 0
    assert figure.alt_text == describe_frontier(ROWS, "T")
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "log"]
