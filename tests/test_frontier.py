"""The pictures of methods: costs, words, ticks and files."""

import pytest
from frontier import (
    CEILING,
    describe_frontier,
    frontier_row,
    plot_frontier,
    plot_sizes,
)

from reasoning_from_scratch.scaling.curves import CurvePoint


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


def test_seconds_follow_from_tokens_and_words_name_both_ends():
    # 4 samples of 50 tokens at 2 ms a token.
    assert ROWS[1]["points"][1]["seconds"] == pytest.approx(0.4)
    assert describe_frontier(ROWS, "T") == (
        "Accuracy against cost, log axes. T: greedy 50.0 % at 50 tokens; "
        "vote 40.0 % at 50 tokens to 60.0 % at 200 tokens."
    )


def test_the_picture_has_two_log_axes_and_words(tmp_path):
    path = tmp_path / "figures" / "frontier.png"
    figure = plot_frontier(ROWS, path, title="T")
    assert path.stat().st_size > 0
    assert figure.alt_text == describe_frontier(ROWS, "T")
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "log"]


def test_ticks_of_a_short_log_axis_are_few_and_plain_numbers():
    # Tokens 50 to 200 and seconds 0.1 to 0.5: less than a decade each, where
    # matplotlib would write 2 x 10^-1, 3 x 10^-1, … over each other.
    figure = plot_frontier(ROWS)
    figure.canvas.draw()
    for axes, inside in zip(
        figure.axes, (["50", "100", "200"], ["0.1", "0.2", "0.5"]), strict=True
    ):
        low, high = axes.get_xlim()
        labels = axes.get_xticklabels() + axes.get_xticklabels(minor=True)
        texts = [
            label.get_text()
            for label in labels
            if low <= label.get_position()[0] <= high and label.get_text()
        ]
        assert set(texts) == set(inside)


def test_curves_over_samples_have_a_tick_at_every_size(tmp_path):
    curve = [point(1, 0.4), point(2, 0.5), point(4, 0.6)]
    figure = plot_sizes(
        {"vote": curve, CEILING: curve},
        tmp_path / "sizes.png",
        references={"greedy": 0.5},
    )
    (axes,) = figure.axes
    assert (tmp_path / "sizes.png").stat().st_size > 0
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "4"]
    assert len(axes.collections) == 2  # a band each
    assert "vote 40.0 % at 1 to 60.0 % at 4" in figure.alt_text
    assert "greedy 50.0 %" in figure.alt_text


def test_more_than_three_curves_have_no_bands():
    curve = [point(1, 0.4), point(2, 0.5)]
    figure = plot_sizes(dict.fromkeys("abcd", curve))
    assert len(figure.axes[0].collections) == 0
