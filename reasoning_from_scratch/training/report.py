"""The report on training runs: one page of HTML that needs nothing else.

The page, made from `report.html.jinja`, has its own style and pictures, no
script, and a policy that forbids a browser to fetch or to run anything: what a
model wrote is escaped, cut to a length, and could do nothing even so.

matplotlib draws the curves; the SVG then takes its colours from the page, so
that it follows the reader's light or dark, and a run's lines carry its class,
so that they can be hidden.
"""

import io
import itertools
import math
import re
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from reasoning_from_scratch import __version__
from reasoning_from_scratch.plots import COLORS, INK, figure_style
from reasoning_from_scratch.runs import RunFolder, find_run

from .diagnosis import diagnose, points, series, smoothed

MAX_TEXT = 1200  # characters of one sample
MAX_IN_TITLE = 3  # runs that the title names
MAX_STOPS = 21  # of the time slider
RARE = 20  # per cent: a less likely token is underlined
AT_A_STOP = ("reward", "solve_rate", "entropy", "length")  # metrics told
ENDED = ("greedy_length", "reward", "kl")  # metrics whose last value is told
SHARED = ("command", "model", "variant", "reward", "problems")

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
class Run:
    """What the report reads of a run folder."""

    path: Path
    config: dict
    rows: list  # of metrics.jsonl
    samples: list  # of samples.jsonl

    @property
    def name(self):
        return self.path.name

    @property
    def findings(self):
        return diagnose(self.rows)

    def samples_at(self, step):
        """What the run sampled at a step, and its metrics there in words."""
        row = next((row for row in self.rows if row["step"] == step), {})
        told = [f"{n} {number(row[n])}" for n in AT_A_STOP if n in row]
        samples = [each for each in self.samples if each["step"] == step]
        return ", ".join(told).replace("_", " "), samples

    @cached_property
    def strong_push(self):
        """A change of log-prob that one token in fifty exceeds."""
        pushes = [p for s in self.samples for p in s.get("pushes", ())]
        sizes = sorted(map(abs, pushes)) or [0.0]
        return sizes[int(0.98 * len(sizes))] or 1.0

    def pushed_tokens(self, sample):
        """(text, push from -1 to 1, is rare, in words) of each token."""
        names = ("tokens", "logprobs", "pushes")
        columns = [sample.get(name, ()) for name in names]
        length = 0
        for text, before, push in zip(*columns, strict=False):
            length += len(text)
            if length > MAX_TEXT:
                return
            old, new = (100 * math.exp(x) for x in (before, before + push))
            told = f"{number(old)} % before the update, {number(new)} % after"
            share = min(1.0, math.sqrt(abs(push) / self.strong_push))
            yield text, math.copysign(share, push), old < RARE, told

    @property
    def ending(self):
        """Cells of a table: where it began, where it stands, what it cost."""
        ended = [series(self.rows, name, training=False) for name in ENDED]
        names = {n for row in self.rows for n in row if n.endswith("seconds")}
        seconds = [sum(series(self.rows, n, training=False)) for n in names]
        return [
            self.state.split(", "),
            *accuracies(self.rows),
            *([number(values[-1]) if values else "–"] for values in ended),
            [f"{sum(seconds) / 60:.1f}" if any(seconds) else "–"],
        ]

    @property
    def state(self):
        """How far it is, in words."""
        done = self.rows[-1]["step"] if self.rows else 0
        planned = self.config.get("steps")
        if isinstance(planned, int) and done < planned:
            return f"{done:,} of {planned:,} steps, unfinished"
        return f"{done:,} steps"


def read_runs(names):
    """Open the runs of these names or paths, refusing what is no training."""
    runs = []
    for path in map(find_run, names):
        folder = RunFolder.open(path)
        rows = folder.read("metrics.jsonl")
        if not rows or any("step" not in row for row in rows):
            raise ValueError(
                f"{path / 'metrics.jsonl'} has no steps, or rows without: the "
                "report is about runs of rfs grpo, distill and pretrain that "
                "have trained for a step, and this is one of rfs "
                f"{folder.config.get('command', '…')}"
            )
        samples = folder.read("samples.jsonl")
        runs.append(Run(path, folder.config, rows, samples))
    return runs


def render_report(runs):
    """The whole page as text; each `Run` keeps its colour throughout."""
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters["shown"] = shown
    stops = stops_of(runs)
    title = " · ".join(run.name for run in runs)
    if len(runs) > MAX_IN_TITLE:
        title = f"{len(runs)} training runs"
    first = runs[0].config
    rows = {run.name: run.rows for run in runs}
    curves, no_curves = [], ""
    try:
        for panel in panels_of(rows):
            curves.append((panel, Markup(draw_panel(panel, rows, stops))))
    except ImportError as error:  # of matplotlib; the rest is worth a page
        no_curves = str(error)
    return page.get_template("report.html.jinja").render(
        title=title,
        version=__version__,
        shared=[
            f"{key} {first[key]}"
            for key in SHARED
            if first.get(key)
            and all(run.config.get(key) == first[key] for run in runs)
        ],
        runs=list(zip(runs, itertools.cycle(PAGE_COLORS))),
        settings=differing_settings(runs),
        curves=curves,
        no_curves=no_curves,
        stops=stops,
        rare=RARE,
    )


def stops_of(runs):
    """Steps with samples: at most `MAX_STOPS`, the first and the last too."""
    done = {row["step"] for run in runs for row in run.rows}
    steps = sorted({s["step"] for run in runs for s in run.samples} & done)
    gap = max(1, (len(steps) - 1) / (MAX_STOPS - 1))
    return [steps[round(i * gap)] for i in range(min(len(steps), MAX_STOPS))]


def shown(text):
    """Text that nobody should trust: capped, controls made seen."""
    text = str(text)
    rest = len(text) - MAX_TEXT
    safe = "".join(
        c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for c in text[:MAX_TEXT]
    )
    return f"{safe} … and {rest:,} characters more" if rest > 0 else safe


def accuracies(rows):
    """First, last and best accuracy, in per cent with intervals."""
    name = "accuracy"
    if not points(rows, name):  # pre-training measures two prompts
        name = "step_by_step_accuracy"
    measured = [row for row in rows if row.get(name) is not None]
    if not measured:
        return [["–"]] * 3
    best = max(measured, key=lambda row: row[name])
    cells = []
    for row in (measured[0], measured[-1]):
        cells.append([f"{100 * row[name]:.1f} %"])
        if f"{name}_low" in row:
            low, high = (100 * row[f"{name}_{end}"] for end in ("low", "high"))
            cells[-1].append(f"{low:.1f} to {high:.1f}")
    return [*cells, (f"{100 * best[name]:.1f} %", f"{best['step']:,}")]


def differing_settings(runs):
    """(name, each run's value) where the runs are not alike."""
    flat = [dict(flattened(run.config)) for run in runs]
    return [
        (key, [str(f.get(key, "–"))[:60] for f in flat])
        for key in sorted(set().union(*flat))
        if len({str(f.get(key)) for f in flat}) > 1
    ]


def flattened(config, prefix=""):
    """(dotted key, value) of nested settings."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


# ---- Curves ----


@dataclass(frozen=True)
class Panel:
    """One picture of the report."""

    title: str
    unit: str  # shares are shown in per cent
    metric: str
    is_measured: bool = False  # now and then, with an interval

    @property
    def is_log(self):
        return self.unit.endswith("log")


PANELS = (
    Panel("Right answers, greedy", "%", "accuracy", is_measured=True),
    Panel("Step by step", "%", "step_by_step_accuracy", is_measured=True),
    Panel("Direct", "%", "direct_accuracy", is_measured=True),
    Panel("Right answers among samples", "%", "solve_rate"),
    Panel("Reward", "mean", "reward"),
    Panel("Length of samples", "tokens", "length"),
    Panel("Length, greedy", "tokens", "greedy_length", is_measured=True),
    Panel("Entropy", "nats per token", "entropy"),
    Panel("KL to the start", "nats per token, log", "kl"),
    Panel("Groups without signal", "%", "no_signal"),
    Panel("Samples cut short", "%", "truncated"),
    Panel("Tokens clipped", "%", "clip_share"),
    Panel("Gradient norm", "log", "grad_norm"),
    Panel("Loss", "nats per token", "loss"),
    Panel("Validation loss", "nats per token", "validation_loss"),
)


def panels_of(runs):
    """The panels that have something to show for runs: name -> rows."""
    return [
        panel
        for panel in PANELS
        if any(abs(y) > 1e-4 for xy in lines_of(panel, runs) for _, y in xy)
    ]


def lines_of(panel, runs, end=""):
    """The (step, value) pairs of every run, or of an end of its interval."""
    scale = 100 if panel.unit == "%" else 1
    return [
        [
            (step, value * scale)
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


def draw_panel(panel, runs, stops=()):
    """One panel as SVG, with a line for each stop of the time slider."""
    with figure_style() as pyplot, pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(WIDTH / 72, HEIGHT / 72))
        notes = fill_axes(axes, panel, runs)
        for place, step in enumerate(stops):
            axes.axvline(step, color=INK, lw=1, alpha=0.5, gid=f"at{place}")
        return take_picture(figure, describe_panel(panel, runs), notes)


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
        gap = math.ceil(len(line) / MAX_POINTS)
        kept = slice((len(line) - 1) % gap, None, gap)  # the last one too
        if width >= 2:  # bold and smooth over thin and true
            axes.plot(steps[kept], values[kept], lw=1, alpha=0.28, **look)
            values = smoothed(values, width)
        axes.plot(steps[kept], values[kept], lw=2, ls=dash, **look)
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

    mark = r'<use xlink:href="#\w+" x="(.*?)" y="(.*?)" style="(.*?)"/>'
    for pattern, new in (
        (r"<defs>.*?</defs>", ""),
        (mark, circle),
        (r' id="((?:r|at)\d+)"', r' class="\1"'),
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
    return svg.replace("<svg ", head, 1)


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
