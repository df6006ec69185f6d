"""Pictures: saved, in words too, and shown once."""

import pytest

pytest.importorskip("matplotlib")

from matplotlib import pyplot  # noqa: E402

from reasoning_from_scratch.plots import (  # noqa: E402
    plot_accuracy_bars,
    plot_curves,
)

ROWS = [
    {
        "name": "direct",
        "accuracy": 0.125,
        "low": 0.1,
        "high": 0.15,
        "mean_tokens": 7,
    },
    {
        "name": "step by step",
        "accuracy": 0.5,
        "low": 0.45,
        "high": 0.55,
        "mean_tokens": 60.4,
    },
]


def test_bars_are_told_in_words(tmp_path):
    figure = plot_accuracy_bars(ROWS, tmp_path / "a" / "bars.png", title="T")

    assert figure.alt_text == (
        "Bar chart. T: direct 12.5 % (10.0 to 15.0), 7 tokens; "
        "step by step 50.0 % (45.0 to 55.0), 60 tokens."
    )
    assert (tmp_path / "a" / "bars.png").stat().st_size > 5_000


def test_the_first_row_is_the_top_bar():
    (axes,) = plot_accuracy_bars(ROWS).axes

    assert [bar.get_width() for bar in axes.patches] == [12.5, 50.0]
    assert axes.yaxis_inverted()


def test_a_reference_marks_only_bars_that_are_there():
    other = [{**ROWS[1], "accuracy": 0.6}, {**ROWS[1], "name": "vote"}]
    (axes,) = plot_accuracy_bars(ROWS, reference=other).axes
    (marks,) = [line for line in axes.lines if line.get_marker() == "D"]

    assert list(marks.get_xdata()) == [60.0]
    assert list(marks.get_ydata()) == [1]


def test_curves_have_bands_where_they_have_intervals():
    curves = {"a": ([1, 2], [0.1, 0.2], [0, 0.1], [0.2, 0.3]), "b": ([1], [1])}
    figure = plot_curves(curves, xlabel="step", ylabel="accuracy", log_x=True)
    (axes,) = figure.axes

    assert len(axes.lines) == 2 and len(axes.collections) == 1
    assert axes.get_xscale() == "log"
    assert figure.alt_text == "accuracy against step: a, b."


def test_a_figure_is_detached_so_that_a_notebook_shows_it_once():
    plot_accuracy_bars(ROWS)

    assert pyplot.get_fignums() == []
