"""The report's curves: one panel a metric, all runs over each other.

matplotlib draws them; the SVG then takes its colours from the page, so that
it follows the reader's light or dark, and a run's lines carry its class, so
that they can be hidden. No text of a model stands in a picture.
"""

import io
import math
import re
from dataclasses import dataclass, field
from html import escape

from reasoning_from_scratch.plots import COLORS, INK, figure_style

from .diagnosis import points, smoothed, thinned

WIDTH, HEIGHT = 460, 250  # of a panel, points; the page scales it
MAX_POINTS = 300  # of a line
SMOOTH_SHARE = 0.1  # of the steps: window of the bold line
PAGE_COLORS = [f"var(--run{i}, {color})" for i, color in enumerate(COLORS)]
DASHES = ("-", (0, (6, 3)), (0, (2, 3)))  # beyond the colours there are
STYLE = {
    "font.size": 11,
    "axes.facecolor": "none",
    "axes.spines.bottom": False,
    "axes.spines.left": False,
    "grid.alpha": 0.16,
    "grid.color": INK,
    "svg.fonttype": "none",  # letters, in the page's own font
    "svg.hashsalt": "report",
}


@dataclass(frozen=True)
class Panel:
    """One picture of the report."""

    title: str
    unit: str
    metric: str
    scale: float = 1.0  # shares are shown in per cent
    is_log: bool = False
    is_measured: bool = False  # now and then, with an interval


PANELS = (
    Panel("Right answers, greedy", "%", "accuracy", 100, is_measured=True),
    Panel("Step by step", "%", "step_by_step_accuracy", 100, is_measured=True),
    Panel("Direct", "%", "direct_accuracy", 100, is_measured=True),
    Panel("Right answers among samples", "%", "solve_rate", 100),
    Panel("Reward", "mean", "reward"),
    Panel("Length of samples", "tokens", "length"),
    Panel("Length, greedy", "tokens", "greedy_length", is_measured=True),
    Panel("Entropy", "nats a token", "entropy"),
    Panel("KL to the start", "nats a token, log", "kl", is_log=True),
    Panel("Groups without signal", "%", "no_signal", 100),
    Panel("Samples cut short", "%", "truncated", 100),
    Panel("Tokens clipped", "%", "clip_share", 100),
    Panel("Gradient norm", "log", "grad_norm", is_log=True),
    Panel("Loss", "nats a token", "loss"),
    Panel("Validation loss", "nats a token", "validation_loss"),
)


@dataclass(frozen=True)
class Picture:
    """An SVG that a notebook shows by itself."""

    svg: str = field(repr=False)
    alt_text: str

    def _repr_svg_(self):
        return self.svg


def panels_of(runs):
    """The panels that have something to show for runs: name -> rows."""
    return [
        panel
        for panel in PANELS
        if any(abs(y) > 1e-4 for xy in lines_of(panel, runs) for _, y in xy)
    ]


def lines_of(panel, runs, end=""):
    """The (step, value) pairs of every run, or of an end of its interval."""
    return [
        [
            (step, value * panel.scale)
            for step, value in points(rows, panel.metric + end)
            if value > 0 or not panel.is_log
        ]
        for rows in runs.values()
    ]


def describe_panel(panel, runs):
    """Tell in words what a panel shows: its alt text."""
    told = []
    for name, line in zip(runs, lines_of(panel, runs), strict=True):
        if line:
            first, last = (number(value) for _, value in (line[0], line[-1]))
            told.append(f"{name} from {first} to {last} at step {line[-1][0]}")
    return f"{panel.title} ({panel.unit}): {'; '.join(told)}."


def draw_panel(panel, runs):
    """One panel as a `Picture`, for the page."""
    with figure_style() as pyplot, pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(WIDTH / 72, HEIGHT / 72))
        notes = fill_axes(axes, panel, runs)
        return take_picture(figure, describe_panel(panel, runs), notes)


def draw_sheet(panels, runs):
    """Several panels on one white sheet, with a legend, as a `Picture`."""
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    size = (columns * WIDTH / 72, (rows * (HEIGHT + 30) + 30) / 72)
    with figure_style() as pyplot, pyplot.rc_context(STYLE):
        figure, grid = pyplot.subplots(
            rows, columns, figsize=size, squeeze=False
        )
        notes = []
        for axes, panel in zip(grid.flat, panels, strict=False):
            axes.set_title(f"{panel.title}, {panel.unit}")
            notes += fill_axes(axes, panel, runs)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        marks = [
            pyplot.Line2D([], [], color=color, linewidth=4, linestyle=dash)
            for color, dash in map(look_of, range(len(runs)))
        ]
        legend = figure.legend(
            marks, list(runs), loc="outside upper left", ncols=len(runs)
        )
        figure.get_layout_engine().set(hspace=0.05, wspace=0.05)
        for text in legend.get_texts():
            text.set_parse_math(False)
        words = " ".join(describe_panel(panel, runs) for panel in panels)
        return take_picture(figure, words, notes, paper="#ffffff")


def fill_axes(axes, panel, runs):
    """Draw every run's curve; returns a note for each point marked."""
    lines, lows, highs = (
        lines_of(panel, runs, end) for end in ("", "_low", "_high")
    )
    low = frame_axes(axes, panel, [*lines, *lows, *highs])
    notes = []
    for place, line in enumerate(lines):
        if not line:
            continue
        color, dash = look_of(place)
        look = {"color": color, "gid": f"r{place}"}
        if band := lows[place] + highs[place][::-1]:
            axes.fill(*zip(*band, strict=True), alpha=0.12, lw=0, **look)
        steps, values = zip(*line, strict=True)
        values = [max(value, low) for value in values]
        width = round(SMOOTH_SHARE * len(line))
        if panel.is_measured:
            axes.plot(steps, values, lw=2, ls=dash, marker="o", **look)
            notes += [f"step {s:,}: {number(v)}" for s, v in line]
            continue
        if width >= 2:  # bold and smooth over thin and true
            thin = thinned(list(zip(steps, values, strict=True)), MAX_POINTS)
            axes.plot(*zip(*thin, strict=True), lw=1, alpha=0.28, **look)
            values = smoothed(values, width)
        bold = thinned(list(zip(steps, values, strict=True)), MAX_POINTS)
        axes.plot(*zip(*bold, strict=True), lw=2, ls=dash, **look)
    return notes


def frame_axes(axes, panel, lines):
    """Set limits that hold all lines and intervals; returns the lowest."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    values = [value for line in lines for _, value in line]
    low, high = min(values), max(values)
    if panel.is_log:
        low = 10 ** math.floor(math.log10(max(low, high * 1e-6)))
        high = 10 ** math.ceil(math.log10(high * 1.001))
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        low = min(low, 0.0)  # a curve that starts at zero tells the truth
        if panel.unit == "%" and high > 60:
            high = 100.0
        high = low + (high - low or 1.0) * 1.04
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    last_step = max(step for line in lines for step, _ in line)
    axes.set(xlim=(0, max(last_step, 1)), ylim=(low, high))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: number(value))
    axes.grid(axis="x", visible=False)
    axes.tick_params(left=False, bottom=False)
    return low


def look_of(place):
    """The colour and the dashes of a run."""
    return COLORS[place % len(COLORS)], DASHES[place // len(COLORS) % 3]


def take_picture(figure, words, notes, paper="none"):
    """The figure as SVG without links, fonts or colours of its own."""
    from matplotlib import pyplot

    file = io.StringIO()
    about = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", facecolor=paper, metadata=about)
    pyplot.close(figure)
    svg = file.getvalue()
    svg = svg[svg.index("<svg ") :]
    notes = iter(notes)

    def circle(match):  # a mark that tells its figures when pointed at
        x, y, style = match.groups()
        return (
            f'<circle cx="{x}" cy="{y}" r="3" style="{style}">'
            f"<title>{next(notes)}</title></circle>"
        )

    for pattern, new in (
        (r"<defs>.*?</defs>", ""),
        (
            r'<use xlink:href="#\w+" x="(.*?)" y="(.*?)" style="(.*?)"/>',
            circle,
        ),
        (r' id="(r\d+)"', r' class="\1"'),
        (r' (id|xmlns:xlink|clip-path)="[^"]*"', ""),
        (r"font: ([\d.]+px) [^;\"]*", r"font-size: \1"),  # before 3.11
        (r" font-family: [^;\"]*;", ""),
        (r"\s*\n\s*", "\n"),
    ):
        svg = re.sub(pattern, new, svg, flags=re.DOTALL)
    for ours, of_page in zip(COLORS, PAGE_COLORS, strict=True):
        svg = svg.replace(ours.lower(), of_page)
    svg = svg.replace(INK, "currentColor")
    head = (
        f'<svg class="panel" role="img" aria-label="{escape(words)}" '
        'font-family="system-ui, DejaVu Sans, sans-serif" '
    )
    if paper != "none":  # the page's ink is not for our own paper
        head += f'color="{INK}" '
    return Picture(svg.replace("<svg ", head, 1), words)


def number(value):
    """A figure of three digits, as short as it can be.

    >>> number(0.12345), number(1234.5), number(30.0)
    ('0.123', '1,234', '30')
    """
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"
