"""Pictures: saved, in words too, and shown once."""

import pytest

pytest.importorskip("matplotlib")

from matplotlib import pyplot  # noqa: E402

from reasoning_from_scratch.plots import plot_accuracy_bars, plot_curves  # noqa: E402

KEYS = ("name", "accuracy", "low", "high", "mean_tokens")
ROWS = [
    dict(zip(KEYS, ("direct", 0.125, 0.1, 0.15, 7), strict=True)),
    dict(zip(KEYS, ("step by step", 0.5, 0.45, 0.55, 60.4), strict=True)),
]


def test_bars_are_told_in_words_from_the_top_and_shown_once(tmp_path):
    path = tmp_path / "a" / "bars.png"
    figure = plot_accuracy_bars(ROWS, path, title="T")
    assert figure.alt_text == (
        "Bar chart. T: direct 12.5 % (10.0 to 15.0), 7 tokens; "
        "step by step 50.0 % (45.0 to 55.0), 60 tokens."
    )
    assert path.stat().st_size > 5_000
    assert pyplot.get_fignums() == []
    other = [{**ROWS[1], "accuracy": 0.6}, {**ROWS[1], "name": "vote"}]
    (axes,) = plot_accuracy_bars(ROWS, reference=other).axes
    assert [bar.get_width() for bar in axes.patches] == [12.5, 50.0]
    assert axes.yaxis_inverted()
    (marks,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert (list(marks.get_xdata()), list(marks.get_ydata())) == ([60.0], [1])


def test_curves_have_bands_where_they_have_intervals():
    curves = {"a": ([1, 2], [0.1, 0.2], [0, 0.1], [0.2, 0.3]), "b": ([1], [1])}
    figure = plot_curves(curves, xlabel="step", ylabel="accuracy", log_x=True)
    (axes,) = figure.axes
    assert len(axes.lines) == 2 and len(axes.collections) == 1
    assert axes.get_xscale() == "log"
    assert figure.alt_text == "accuracy against step: a, b."
