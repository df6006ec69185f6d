"""The frontier: what accuracy costs, for every method on one picture.

A method is a curve, accuracy at growing numbers of samples, or a single
point. Cost is counted twice: in generated tokens, which depends on the method
alone, and in seconds, which depends on this machine too.
"""

from pathlib import Path

from reasoning_from_scratch.plots import COLORS, INK, figure_style

MARKERS = "Ds^v"  # the next one each time the colours begin again
CEILING = "a right sample exists (ceiling)"


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
    costs = {
        "mean_tokens": "generated tokens per problem",
        "seconds": "seconds per problem, in batches",
    }
    with figure_style() as pyplot:
        figure, panels = pyplot.subplots(
            1, 2, figsize=(10, 4.6), sharey=True, width_ratios=(3, 2)
        )
        for axes, (cost, label) in zip(panels, costs.items(), strict=True):
            for number, row in enumerate(rows):
                marker = MARKERS[number // len(COLORS) % len(MARKERS)]
                _draw_row(axes, row, cost, marker)
            axes.set(xscale="log", xlabel=label)
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
            figure.savefig(path)
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


def _in_words(point):
    accuracy, tokens = 100 * point["accuracy"], point["mean_tokens"]
    return f"{accuracy:.1f} % at {tokens:.0f} tokens"


def _draw_row(axes, row, cost, marker):
    """A curve with its band, or a point with its whisker."""
    costs = [point[cost] for point in row["points"]]
    accuracy, low, high = (
        [100 * point[key] for point in row["points"]]
        for key in ("accuracy", "low", "high")
    )
    if len(costs) == 1:
        whisker = [[accuracy[0] - low[0]], [high[0] - accuracy[0]]]
        axes.errorbar(
            costs, accuracy, whisker, fmt=marker, capsize=3, label=row["name"]
        )
        return
    style = {"marker": "o", "markersize": 4}
    if row["name"] == CEILING:
        style = {"color": INK, "linestyle": "--"}
    (line,) = axes.plot(costs, accuracy, label=row["name"], **style)
    axes.fill_between(
        costs, low, high, color=line.get_color(), alpha=0.12, lw=0
    )
