"""The report's curves as SVG, drawn here so that a page needs nothing else.

One panel a metric, all runs over each other, a run in one colour throughout.
Colours come from CSS variables, so that a page can follow the reader's light
or dark; alone, as in a notebook, a picture falls back on its own. What stands
in a picture is numbers and our own words: no text of a model.
"""

import math
from dataclasses import dataclass, field
from html import escape

from reasoning_from_scratch.plots import COLORS

from .diagnosis import points, smoothed, thinned

WIDTH, HEIGHT = 460, 250  # user units; the page scales them
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 30
TITLE = 30  # of a panel's title on a sheet
MAX_POINTS = 300  # of a line
SMOOTH_SHARE = 0.1  # of the steps: window of the bold line
DASHES = ("", "6 3", "2 3")  # beyond the colours there are


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


def panels_of(runs):
    """The panels that have something to show for these runs.

    Args:
        runs: name -> rows of metrics.jsonl.
    """
    return [
        panel
        for panel in PANELS
        if any(
            abs(v) > 1e-4 for line in lines_of(panel, runs) for _, v in line
        )
    ]


def lines_of(panel, runs):
    """The points of every run, in the panel's unit."""
    lines = [
        [(step, value * panel.scale) for step, value in points(rows, name)]
        for rows in runs.values()
        for name in (panel.metric,)
    ]
    if panel.is_log:
        lines = [[(s, v) for s, v in line if v > 0] for line in lines]
    return lines


def draw_panel(panel, runs):
    """One panel as SVG text, with its words for those who cannot see it.

    Args:
        panel: a `Panel`.
        runs: name -> rows of metrics.jsonl.
    """
    lines = lines_of(panel, runs)
    bands = [interval_of(panel, rows) for rows in runs.values()]
    axes = Axes.around(panel, lines, bands)
    words = escape(describe_panel(panel, runs))
    parts = [
        f'<svg class="panel" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg" aria-label="{words}" '
        f'font-family="inherit" font-size="11">',
        f"<title>{words}</title>",
        axes.draw(),
    ]
    for place, (line, band) in enumerate(zip(lines, bands, strict=True)):
        if line:
            parts.append(draw_line(panel, axes, line, band, place))
    return "\n".join([*parts, "</svg>"])


@dataclass(frozen=True)
class Picture:
    """An SVG that a notebook shows by itself."""

    svg: str = field(repr=False)
    alt_text: str

    def _repr_svg_(self):
        return self.svg


def draw_sheet(panels, runs, columns=3):
    """Several panels on one white sheet, with a legend.

    Args:
        panels: list of `Panel`.
        runs: name -> rows of metrics.jsonl.
        columns: panels side by side.

    Returns:
        a `Picture`.
    """
    columns = min(columns, len(panels))
    cell = HEIGHT + TITLE
    width = columns * WIDTH
    height = 34 + cell * math.ceil(len(panels) / columns)
    words = " ".join(describe_panel(panel, runs) for panel in panels)
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width * 2 // 3}" '
        'xmlns="http://www.w3.org/2000/svg" role="img" color="#1c1d21" '
        f'aria-label="{escape(words)}" font-size="14" '
        'font-family="system-ui, DejaVu Sans, sans-serif">',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
    ]
    x = LEFT
    for place, name in enumerate(runs):
        parts.append(
            f'<g style="color:{color_of(place)}"><rect x="{x}" y="12" '
            'width="12" height="12" rx="3" fill="currentColor"/></g>'
            f'<text x="{x + 18}" y="23">{escape(name)}</text>'
        )
        x += 50 + 8 * len(name)
    for place, panel in enumerate(panels):
        x, y = place % columns * WIDTH, 34 + place // columns * cell
        svg = draw_panel(panel, runs).replace(
            "<svg ", f'<svg y="{TITLE}" width="{WIDTH}" height="{HEIGHT}" ', 1
        )
        parts.append(
            f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{cell}">'
            f'<text x="14" y="22" font-weight="600">{panel.title}'
            f'<tspan font-weight="400" fill-opacity="0.65">, {panel.unit}'
            f"</tspan></text>{svg}</svg>"
        )
    return Picture("\n".join([*parts, "</svg>"]), words)


def describe_panel(panel, runs):
    """Tell in words what a panel shows: its alt text."""
    told = []
    for name, line in zip(runs, lines_of(panel, runs), strict=True):
        if line:
            first, last = (number(value) for _, value in (line[0], line[-1]))
            told.append(f"{name} from {first} to {last} at step {line[-1][0]}")
    return f"{panel.title} ({panel.unit}): {'; '.join(told)}."


def interval_of(panel, rows):
    """(step, low, high) where the metric was measured with an interval."""
    low, high = (
        dict(points(rows, f"{panel.metric}_{end}")) for end in ("low", "high")
    )
    return [
        (step, low[step] * panel.scale, high[step] * panel.scale)
        for step in low
        if step in high
    ]


def draw_line(panel, axes, line, band, place):
    """One run's curve: bold and smooth over thin and true."""
    style = f'class="r{place}" style="color:{color_of(place)}"'
    parts = [f'<g {style} fill="none" stroke="currentColor">']
    if band:
        edge = [(s, low) for s, low, _ in band]
        edge += [(s, high) for s, _, high in reversed(band)]
        parts.append(
            f'<path d="{axes.path(edge)}Z" fill="currentColor" '
            'fill-opacity="0.12" stroke="none"/>'
        )
    dash = DASHES[place // len(COLORS) % len(DASHES)]
    bold = f'stroke-width="2" stroke-dasharray="{dash}"'
    width = round(SMOOTH_SHARE * len(line))
    if panel.is_measured or width < 2:
        parts.append(f'<path d="{axes.path(line)}" {bold}/>')
        parts += [axes.dot(*point) for point in line if panel.is_measured]
    else:
        thin = thinned(line, MAX_POINTS)
        steps, values = zip(*line, strict=True)
        smooth = list(zip(steps, smoothed(values, width), strict=True))
        parts.append(
            f'<path d="{axes.path(thin)}" stroke-width="1" '
            'stroke-opacity="0.28"/>'
        )
        path = axes.path(thinned(smooth, MAX_POINTS))
        parts.append(f'<path d="{path}" {bold}/>')
    return "\n".join([*parts, "</g>"])


def color_of(place):
    """A run's colour: the page's, else the house's."""
    index = place % len(COLORS)
    return f"var(--run{index}, {COLORS[index]})"


@dataclass(frozen=True)
class Axes:
    """From steps and values to places in the picture."""

    last_step: float
    low: float
    high: float
    is_log: bool

    @classmethod
    def around(cls, panel, lines, bands):
        """Axes that hold all lines and intervals."""
        steps = [step for line in lines for step, _ in line]
        values = [value for line in lines for _, value in line]
        values += [v for band in bands for _, *ends in band for v in ends]
        low, high = min(values), max(values)
        if panel.is_log:
            low = 10 ** math.floor(math.log10(max(low, high * 1e-6)))
            high = 10 ** math.ceil(math.log10(high * 1.001))
            return cls(max(max(steps), 1), low, high, True)
        low = min(low, 0.0)  # a curve that starts at zero tells the truth
        if panel.unit == "%" and high > 60:
            high = 100.0
        high = high if high > low else low + 1.0
        return cls(max(max(steps), 1), low, low + (high - low) * 1.04, False)

    def x(self, step):
        """The column of a step."""
        return LEFT + (WIDTH - LEFT - RIGHT) * step / self.last_step

    def y(self, value):
        """The row of a value; downwards, and held inside the frame."""
        share = (value - self.low) / (self.high - self.low)
        if self.is_log:
            span = math.log10(self.high / self.low)
            share = math.log10(max(value, self.low) / self.low) / span
        share = min(max(share, 0.0), 1.0)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def path(self, pairs):
        """The pairs as the data of an SVG path."""
        return "M" + "L".join(
            f"{self.x(step):.1f} {self.y(value):.1f}" for step, value in pairs
        )

    def dot(self, step, value):
        """A point that tells its figures when it is pointed at."""
        place = f'cx="{self.x(step):.1f}" cy="{self.y(value):.1f}"'
        return (
            f'<circle {place} r="3" fill="currentColor" stroke="none">'
            f"<title>step {step}: {number(value)}</title></circle>"
        )

    def draw(self):
        """Grid lines with their figures."""
        ink = 'fill="currentColor" fill-opacity="0.65"'
        parts = ['<g class="axes" stroke="currentColor">']
        for value in self.ticks():
            y = self.y(value)
            parts.append(
                f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" '
                'stroke-opacity="0.14"/>'
                f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end" '
                f'stroke="none" {ink}>{number(value)}</text>'
            )
        for step in round_ticks(0, max(self.last_step, 5), 5):
            if step > self.last_step:
                break  # a short run's steps are whole, too
            parts.append(
                f'<text x="{self.x(step):.1f}" y="{HEIGHT - 10}" '
                f'text-anchor="middle" stroke="none" {ink}>'
                f"{number(step)}</text>"
            )
        return "\n".join([*parts, "</g>"])

    def ticks(self):
        """Round values on the axis."""
        if not self.is_log:
            return round_ticks(self.low, self.high, 4)
        first, last = (round(math.log10(end)) for end in (self.low, self.high))
        return [
            10.0**k for k in range(first, last + 1, (last - first) // 6 + 1)
        ]


def round_ticks(low, high, count):
    """About `count` round numbers from low to high."""
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


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
