"""Pictures: saved, in words too, shown once, with labels that lie on nothing.

The figures that notebooks draw by themselves are looked at where the
notebooks run.
"""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from matplotlib import pyplot  # noqa: E402
from overlaps import overlaps, svg_overlaps  # noqa: E402

from reasoning_from_scratch.plots import (  # noqa: E402
    MARK,
    colors_of,
    plot_accuracy_bars,
    plot_curves,
)
from reasoning_from_scratch.results import ladder, load_results  # noqa: E402

ROOT = Path(__file__).parents[1]
DIAGRAMS = sorted(ROOT.glob("*/figures/*.svg"))
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


def test_a_method_keeps_its_colour_and_no_two_curves_share_one():
    alone = colors_of(["vote"])
    names = ["something else", "vote of 16", "direct", "step-by-step", "GRPO"]
    together = colors_of(names)
    assert list(together) != list(alone)
    assert together["vote of 16"] == alone["vote"]
    assert len(set(together.values())) == len(names)
    assert len(set(colors_of(["vote", "plain vote"]).values())) == 2


def test_a_guess_is_a_white_diamond_and_names_stand_at_the_lines_ends():
    curves = {"up": ([1, 2], [0, 4]), "down": ([1, 2], [1, 0])}
    curves["your guess"] = ([2], [3])
    figure = plot_curves(curves, xlabel="step", ylabel="loss, nats")
    (axes,) = figure.axes
    assert axes.lines[2].get_marker() == "D"
    assert axes.lines[2].get_markerfacecolor() == MARK["markerfacecolor"]
    heights = {t.get_text(): t.get_position()[1] for t in axes.texts}
    assert heights["down"] < heights["your guess"] < heights["up"]
    curves["up"] = ([1, 1.5], [0, 4])  # no name at the end: it is within
    (axes,) = plot_curves(curves, xlabel="step", ylabel="loss").axes
    assert not axes.texts and len(axes.figure.legends) == 1


# ---- No label lies on another thing ----


def bars_of_the_tour():
    full = ladder(load_results(), model="pocket")
    rows = [row | {"accuracy": row["low"]} for row in full]
    title = "One model grows up: pocket on the 2,000 test problems of it"
    return plot_accuracy_bars(rows, title=title, reference=full)


def bars_and_a_guess_at_the_end():
    rows = [row | {"accuracy": 1.0, "high": 1.0} for row in ROWS]
    return plot_accuracy_bars(rows, reference=rows, reference_label="guess")


def curves_that_end_together():
    xs = [1, 2, 4, 8, 16]
    names = "a vote", "a right sample exists", "one sample", "your guess"
    curves = {name: (xs, [0.1 * i, 0, 0, 0, 0.01 * i])
              for i, name in enumerate(names)}  # fmt: skip
    return plot_curves(curves, xlabel="k", ylabel="right, %", log_x=True)


def curves_at_many_places_of_a_log_axis():
    xs = [9, 10, 11, 90, 94, 180, 188, 300, 370, 600]
    curves = {"one": (xs, xs), "other": (xs[:4], xs[:4])}
    return plot_curves(curves, xlabel="tokens", ylabel="right", log_x=True)


def curves_over_eight_decades():
    xs = [2**-place for place in range(27)]
    return plot_curves({"a": (xs, xs)}, xlabel="x", ylabel="y", log_x=True)


DRAWN = (
    bars_of_the_tour,
    bars_and_a_guess_at_the_end,
    curves_that_end_together,
    curves_at_many_places_of_a_log_axis,
    curves_over_eight_decades,
)


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_no_label_lies_on_another_thing(draw):
    assert overlaps(draw()) == []


@pytest.mark.parametrize(
    "path", DIAGRAMS, ids=lambda path: f"{path.parts[-3]}/{path.stem}"
)
def test_no_label_of_a_diagram_lies_on_another_thing(path):
    assert svg_overlaps(path.read_text("utf-8")) == []


def test_what_lies_on_what_is_noticed():
    figure, axes = pyplot.subplots()
    axes.bar([0.2], [1], width=0.1)
    axes.plot([0.4, 0.6], [0.4, 0.6], label="sloping")
    axes.plot([0.8], [0.2], "D")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.text(0.2, 0.5, "in the bar", ha="center")
    axes.text(0.5, 0.5, "across")
    axes.text(0.8, 0.2, "at it", va="center", ha="center")
    axes.text(0.5, 0.9, "free")
    axes.text(1.1, 0.5, "too far")
    axes.legend(loc=(0.7, 0.15))
    found = overlaps(figure)
    pyplot.close(figure)
    assert found == [
        "'across' on a line",
        "'at it' on a marker",
        "'in the bar' on a bar",
        "'too far' off the sheet",
        "legend ['sloping'] on 'at it'",
        "legend ['sloping'] on a marker",
    ]
    drawing = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 80"
        font-size="12"><rect x="10" y="10" width="40" height="20"/>
        <text x="14" y="24">in</text><text x="14" y="50">free</text>
        <text x="40" y="24">over</text><text x="190" y="70">off</text>
        <path d="M100 40 v30"/><text x="96" y="60">on</text></svg>"""
    assert svg_overlaps(drawing) == [
        "'off' off the sheet",
        "'on' on a line",
        "'over' on a line",
    ]
