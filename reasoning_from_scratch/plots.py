"""Pictures in one style: accuracy bars and curves.

Each function draws, saves where asked, and returns the figure with its
`alt_text` set. matplotlib (the `book` extra) is imported on first use.
"""

import contextlib
import itertools
import re
from pathlib import Path

from reasoning_from_scratch.runs import runs_root

# Okabe and Ito's colours, told apart by colour-blind readers too
COLORS = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00"),
    *("#CC79A7", "#56B4E9", "#8C6D31", "#666666"),
)
# What a name speaks of has one colour in every picture
MEANINGS = ("direct", "step by step", "vote", "GRPO", "distillation")
MEANINGS += ("the whole pipeline", "the teacher")
INK = "#333333"
PLAIN = "#9AA7B4"  # a bar that its name alone tells apart
MARK = {"color": INK, "markerfacecolor": "white", "clip_on": False}
LINE_GAP = 0.065  # between two labels at lines' ends, of the axes' height
FULL_RUN = "the chapter's full run"
STYLE = {
    **{f"axes.{part}color": INK for part in ("edge", "label")},
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
    **{f"axes.spines.{side}": False for side in ("right", "top")},
    "axes.grid": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.titlesize": 12,
    "font.size": 10,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 150,
}


def figure_folder(chapter) -> Path:
    """Make the folder of a run's pictures, among the runs: git ignores it."""
    folder = runs_root() / "figures" / chapter
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


@contextlib.contextmanager
def figure_style():
    """Draw in the house style inside the block; yields `matplotlib.pyplot`."""
    try:
        from matplotlib import pyplot
    except ImportError:
        cure = "pictures need matplotlib: pip install matplotlib"
        raise ImportError(cure) from None
    cycle = pyplot.cycler(color=COLORS)
    with pyplot.rc_context({**STYLE, "axes.prop_cycle": cycle}):
        yield pyplot


def color_of(name, default=None):
    """The colour of the method that a name speaks of."""
    words = name.replace("-", " ")
    for meaning, color in zip(MEANINGS, COLORS, strict=False):
        if re.search(rf"\b{meaning}\b", words, re.IGNORECASE):
            return color
    return default


def colors_of(names) -> dict:
    """A colour for each name: its method's, or the next that is free."""
    colors = {}
    for name in names:
        color = color_of(name)
        if color and color not in colors.values():
            colors[name] = color
    free = [color for color in COLORS if color not in colors.values()]
    others = (name for name in names if name not in colors)
    return colors | dict(zip(others, itertools.cycle(free or COLORS)))


def plot_accuracy_bars(
    rows, path=None, *, title="", reference=(), reference_label=FULL_RUN
):
    """Draw one bar per method with its interval and the tokens it spent.

    `rows` are dicts with name, accuracy, low, high (all in [0, 1]) and
    mean_tokens, the top bar first; each of `reference`, of the same kind,
    draws a white mark at its accuracy on the bar of its name.
    """
    names = [row["name"] for row in rows]
    marks = {
        names.index(row["name"]): 100 * row["accuracy"]
        for row in reference
        if row["name"] in names
    }
    height = 1.1 + 0.45 * len(rows) + 0.25 * bool(marks)
    with figure_style() as pyplot:
        figure, axes = pyplot.subplots(figsize=(7.5, height))
        for place, row in enumerate(rows):
            _draw_bar(axes, place, row)
        if marks:
            look = {"marker": "D", "linestyle": "none", **MARK}
            places, shares = marks.keys(), marks.values()
            axes.plot(shares, places, label=reference_label, **look)
            figure.legend(loc="outside lower right")
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(xlim=(0, 100), xlabel="accuracy, % (95 % interval)")
        labels = axes.secondary_yaxis("right")  # where no bar ever is
        labels.set_yticks(range(len(rows)), map(_bar_label, rows))
        labels.tick_params(length=0, pad=10)
        labels.spines.right.set_visible(False)
        figure.suptitle(title, x=0.01, horizontalalignment="left")
        return _finish(figure, pyplot, path, describe_bars(rows, title))


def describe_bars(rows, title="") -> str:
    """Tell in words what `plot_accuracy_bars` shows: its alt text."""
    bars = "; ".join(
        f"{row['name']} {100 * row['accuracy']:.1f} % "
        f"({100 * row['low']:.1f} to {100 * row['high']:.1f}), "
        f"{row['mean_tokens']:.0f} tokens"
        for row in rows
    )
    return f"Bar chart{title and f'. {title}'}: {bars}."


def plot_curves(
    curves, path=None, *, xlabel, ylabel, title="", log_x=False, alt_text=""
):
    """Draw curves over each other, with bands where they have intervals.

    `curves` maps a name to (x, y) or (x, y, low, high), of equal length. A
    name that ends in "guess" is drawn as a reader's guess.
    """
    places = sorted({x for xs, *_ in curves.values() for x in xs})
    with figure_style() as pyplot:
        figure, axes = pyplot.subplots(figsize=(7, 4))
        colors = colors_of([n for n in curves if not n.endswith("guess")])
        for name, (x, y, *band) in curves.items():
            look = {"marker": "o" if len(x) <= 30 else None, "markersize": 4}
            if name in colors:
                look["color"] = colors[name]
            else:
                look |= {"marker": "D", "linestyle": "--", **MARK}
            axes.plot(x, y, label=name, **look)
            if band:
                axes.fill_between(
                    x, *band, color=look["color"], alpha=0.15, lw=0
                )
        if log_x:
            axes.set_xscale("log")
            label_plainly(axes.xaxis)
            pairs = itertools.pairwise(places)
            if len(places) <= 10 and all(1.3 * a < b for a, b in pairs):
                axes.set_xticks(places, [f"{x:g}" for x in places])
                axes.minorticks_off()
        elif all(x == int(x) for x in places):
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_title(title)
        if len(curves) > 1:
            name_lines(figure, axes)
        names = ", ".join(curves)
        alt_text = alt_text or f"{ylabel} against {xlabel}: {names}."
        return _finish(figure, pyplot, path, alt_text)


def name_lines(figure, axes):
    """Name lines where they end, or in a legend if their ends lie badly.

    Call it when all lines are drawn and scales are set.
    """
    axes.autoscale_view()
    ends = []
    for line in axes.lines:
        point = line.get_xdata()[-1], line.get_ydata()[-1]
        place = line.get_transform().transform(point)
        right, height = axes.transAxes.inverted().transform(place)
        ends.append((height, right, point, line))
    ends.sort(key=lambda end: end[:2])
    heights = _spread([height for height, *_ in ends])
    shifts = [
        abs(new - old[0]) for new, old in zip(heights, ends, strict=True)
    ]
    if min(end[1] for end in ends) < 0.9 or max(shifts) > 1.5 * LINE_GAP:
        figure.legend(loc="outside right upper")
        return
    for height, (_, _, point, line) in zip(heights, ends, strict=True):
        axes.annotate(
            line.get_label(),
            point,
            (1.03, height),
            line.get_transform(),
            "axes fraction",
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "relpos": (0, 0.5),  # the label's left end
            },
        )


def _spread(heights):
    """Move sorted heights up, and then down from the top, until apart."""
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + LINE_GAP)
    heights[-1] = min(heights[-1], 1)
    for i in reversed(range(len(heights) - 1)):
        heights[i] = min(heights[i], heights[i + 1] - LINE_GAP)
    return heights


def label_plainly(axis):
    """Ticks at 1, 2 and 5 of each decade, or at 1, written as plain numbers.

    Call it when all is drawn and the scale is set.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.axes.autoscale_view()
    low, high = axis.get_view_interval()
    subs = (1, 2, 5) if high < 1000 * low else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(lambda value, _: f"{value:,.7g}")
    axis.set_minor_formatter(NullFormatter())


def _draw_bar(axes, place: int, row) -> None:
    """Draw a bar and its interval."""
    low, accuracy, high = (100 * row[x] for x in ("low", "accuracy", "high"))
    whiskers = [[accuracy - low], [high - accuracy]]
    color = color_of(row["name"], PLAIN)
    axes.barh(place, accuracy, height=0.62, color=color)
    axes.errorbar(accuracy, place, xerr=whiskers, color=INK, capsize=3)


def _bar_label(row) -> str:
    return f"{100 * row['accuracy']:.1f} %, {row['mean_tokens']:,.0f} tokens"


def _finish(figure, pyplot, path, alt_text: str):
    """Save and detach the figure, so that a notebook shows it once."""
    figure.alt_text = alt_text
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    pyplot.close(figure)
    return figure
