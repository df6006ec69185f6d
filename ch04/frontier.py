"""The frontier: what accuracy costs, for every method on one picture.

A method is a curve, accuracy at growing numbers of samples, or a single
point. Cost is counted twice: in generated tokens, which depends on the method
alone, and in seconds, which depends on this machine too. Beside it, the
simpler picture of curves over the number of samples.
"""

from pathlib import Path

from reasoning_from_scratch.plots import (
    INK,
    colors_of,
    figure_style,
    label_plainly,
    name_lines,
)

CEILING = "a right sample exists (ceiling)"
COSTS = {
    "mean_tokens": "generated tokens per problem",
    "seconds": "seconds per problem, in batches",
}
DPI = 100  # these are wide: finer would only be heavier


def frontier_row(name, points, seconds_per_token):
    """Describe a method in plain numbers, ready for JSON.

    Args:
        name: as it stands in the legend; CEILING is drawn dashed.
        points: CurvePoints or EvalResults, cheapest first.
        seconds_per_token: measured for this method: seconds of wall time for
            all problems over tokens generated for all problems.

    Returns:
        dict with "name" and "points"; each point holds accuracy, low and
        high in [0, 1], and mean_tokens and seconds per problem.
    """
    return {
        "name": name,
        "points": [
            {
                "num_samples": getattr(point, "num_samples", 1),
                "accuracy": point.accuracy,
                "low": point.low,
                "high": point.high,
                "mean_tokens": point.mean_tokens,
                "seconds": point.mean_tokens * seconds_per_token,
            }
            for point in points
        ],
    }


def plot_frontier(rows, path=None, *, title=""):
    """Draw accuracy against tokens and against seconds, both on log axes.

    Args:
        rows: dicts as `frontier_row` returns them.
        path: also save the picture there.
        title: what was measured on what.

    Returns:
        The figure, with its `alt_text` set.
    """
    with figure_style() as pyplot:
        figure, panels = pyplot.subplots(
            1, 2, figsize=(10, 4.6), sharey=True, width_ratios=(3, 2)
        )
        colors = colors_of([row["name"] for row in rows])
        for axes, (cost, label) in zip(panels, COSTS.items(), strict=True):
            for row in rows:
                _draw_row(axes, row, cost, colors[row["name"]])
            axes.set(xscale="log", xlabel=label)
            label_plainly(axes.xaxis)
        panels[0].set_ylabel("accuracy, % (95 % interval)")
        panels[0].set_title(title)
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=3,
        )
        figure.alt_text = describe_frontier(rows, title)
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=DPI)
        pyplot.close(figure)
    return figure


def plot_sizes(curves, path=None, *, references=None, title=""):
    """Draw accuracy against the number of samples, doubled at each step.

    Args:
        curves: name -> CurvePoints. Up to three get a band each; more bands
            would hide each other. CEILING is drawn dashed.
        path: also save the picture there.
        references: name -> accuracy in [0, 1] that needs no samples, each a
            dotted line.
        title: what was measured on what.

    Returns:
        The figure, with its `alt_text` set.
    """
    with figure_style() as pyplot:
        figure, axes = pyplot.subplots(figsize=(8, 4))
        colors = colors_of(curves)
        for name, points in curves.items():
            x = [point.num_samples for point in points]
            row = frontier_row(name, points, 0)
            has_band = len(curves) <= 3
            _draw_curve(axes, row, x, colors[name], has_band=has_band)
        for name, accuracy in (references or {}).items():
            axes.axhline(100 * accuracy, color=INK, ls=":", label=name)
        axes.set_xscale("log")
        axes.set_xticks(x, labels=x)
        axes.minorticks_off()
        axes.set(xlabel="samples per problem", ylabel="accuracy, %")
        axes.set_title(title)
        name_lines(figure, axes)
        figure.alt_text = describe_sizes(curves, references)
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=DPI)
        pyplot.close(figure)
    return figure


def describe_frontier(rows, title=""):
    """Tell in words what `plot_frontier` shows: its alt text."""
    ends = "; ".join(
        f"{row['name']} {_in_words(row['points'][0])}"
        + (
            f" to {_in_words(row['points'][-1])}"
            if len(row["points"]) > 1
            else ""
        )
        for row in rows
    )
    return f"Accuracy against cost, log axes. {title}: {ends}."


def describe_sizes(curves, references=None):
    """Tell in words what `plot_sizes` shows: its alt text."""
    words = [
        f"{name} {100 * points[0].accuracy:.1f} % at "
        f"{points[0].num_samples} to {100 * points[-1].accuracy:.1f} % at "
        f"{points[-1].num_samples}"
        for name, points in curves.items()
    ] + [
        f"{name} {100 * accuracy:.1f} %"
        for name, accuracy in (references or {}).items()
    ]
    return f"Accuracy against samples per problem: {'; '.join(words)}."


def _in_words(point):
    accuracy, tokens = 100 * point["accuracy"], point["mean_tokens"]
    return f"{accuracy:.1f} % at {tokens:.0f} tokens"


def _draw_row(axes, row, cost, color):
    """A curve with its band, or a point with its whisker."""
    costs = [point[cost] for point in row["points"]]
    if len(costs) > 1:
        _draw_curve(axes, row, costs, color)
        return
    accuracy, low, high = _in_percent(row)
    whisker = [[accuracy[0] - low[0]], [high[0] - accuracy[0]]]
    look = {"fmt": "D", "capsize": 3, "color": color}
    axes.errorbar(costs, accuracy, whisker, label=row["name"], **look)


def _draw_curve(axes, row, x, color, has_band=True):
    """A line, and the band of its intervals."""
    accuracy, low, high = _in_percent(row)
    look = {"marker": "o", "markersize": 4, "color": color}
    if row["name"] == CEILING:
        look = {"color": INK, "linestyle": "--"}
    axes.plot(x, accuracy, label=row["name"], **look)
    if has_band:
        band = {"color": look["color"], "alpha": 0.12, "lw": 0}
        axes.fill_between(x, low, high, **band)


def _in_percent(row):
    """Accuracies, lower and upper ends of a row's points."""
    return (
        [100 * point[key] for point in row["points"]]
        for key in ("accuracy", "low", "high")
    )
