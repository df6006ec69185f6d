"""Pictures in one style: accuracy bars and curves.

Each function draws, saves where asked, and returns the figure with its
`alt_text` set. matplotlib (the `book` extra) is imported on first use.
"""

import contextlib
from pathlib import Path

from reasoning_from_scratch.runs import runs_root

# Okabe and Ito's colours, told apart by colour-blind readers too
COLORS = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00"),
    *("#CC79A7", "#56B4E9", "#8C6D31", "#666666"),
)
INK = "#333333"
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
    with figure_style() as pyplot:
        figure, axes = pyplot.subplots(figsize=(7.5, 1.1 + 0.45 * len(rows)))
        for place, row in enumerate(rows):
            _draw_bar(axes, place, row, marks.get(place, 0))
        if marks:
            look = {"color": INK, "markerfacecolor": "white"}
            places, shares = marks.keys(), marks.values()
            axes.plot(shares, places, "D", label=reference_label, **look)
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(xlim=(0, 125), xlabel="accuracy, % (95 % interval)")
        axes.set_xticks(range(0, 101, 20))  # the rest is for the labels
        axes.set_title(title)
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

    `curves` maps a name to (x, y) or (x, y, low, high), of equal length.
    """
    with figure_style() as pyplot:
        figure, axes = pyplot.subplots(figsize=(7, 4))
        for name, (x, y, *band) in curves.items():
            marker = "o" if len(x) <= 30 else None
            (line,) = axes.plot(x, y, marker=marker, markersize=4, label=name)
            if band:
                color = line.get_color()
                axes.fill_between(x, *band, color=color, alpha=0.15, lw=0)
        if log_x:
            axes.set_xscale("log")
            places = sorted({x for xs, *_ in curves.values() for x in xs})
            if len(places) <= 10:  # 2 4 8 16, not powers of ten
                axes.set_xticks(places, [f"{x:g}" for x in places])
                axes.minorticks_off()
        if len(curves) > 1:
            axes.legend()
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_title(title)
        names = ", ".join(curves)
        alt_text = alt_text or f"{ylabel} against {xlabel}: {names}."
        return _finish(figure, pyplot, path, alt_text)


def _draw_bar(axes, place: int, row, mark: float) -> None:
    """Draw a bar, its interval and, right of these and the mark, a label."""
    low, accuracy, high = (100 * row[x] for x in ("low", "accuracy", "high"))
    whiskers = [[accuracy - low], [high - accuracy]]
    color = COLORS[place % len(COLORS)]
    axes.barh(place, accuracy, height=0.62, color=color)
    axes.errorbar(accuracy, place, xerr=whiskers, color=INK, capsize=3)
    label = f"{accuracy:.1f} %, {row['mean_tokens']:.0f} tokens"
    axes.text(max(high + 1.5, mark + 3), place, label, va="center")


def _finish(figure, pyplot, path, alt_text: str):
    """Save and detach the figure, so that a notebook shows it once."""
    figure.alt_text = alt_text
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    pyplot.close(figure)
    return figure
