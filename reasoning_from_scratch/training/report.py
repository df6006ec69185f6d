"""The report on training runs: one page of HTML that needs nothing else.

Curves of all runs over each other, a final table with intervals, warnings in
words (`diagnosis`) and samples at several steps. The page, made from
`report.html.jinja`, has its own style and pictures, no script, and a policy
that forbids a browser to fetch or to run anything: what a model wrote is
escaped, cut to a length, and could do nothing even so.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from reasoning_from_scratch import __version__
from reasoning_from_scratch.runs import RunFolder, find_run

from . import report_curves as drawing
from .diagnosis import diagnose, points, series
from .report_curves import number

MAX_TEXT = 1200  # characters of one sample
MAX_IN_TITLE = 3  # runs that the title names
SAMPLED_STEPS = 5  # steps a run whose samples are shown
SAMPLES_A_STEP = 2
ENDED = ("greedy_length", "reward", "kl")  # metrics whose last value is told
SHARED = ("command", "model", "variant", "reward", "problems")


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

    @property
    def chosen(self):
        """(step, samples): some of its samples at several steps."""
        steps = spread(sorted({sample["step"] for sample in self.samples}))
        return [
            (s, [x for x in self.samples if x["step"] == s][:SAMPLES_A_STEP])
            for s in steps
        ]

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
        if not rows:
            raise FileNotFoundError(
                f"{path} has no metrics.jsonl yet: let it train for a step"
            )
        if any("step" not in row for row in rows):
            raise ValueError(
                f"{path / 'metrics.jsonl'} has rows without a step: the "
                "report is about rfs grpo, distill and pretrain; see what rfs "
                f"{folder.config.get('command', '…')} wrote in result.json"
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
    title = " · ".join(run.name for run in runs)
    if len(runs) > MAX_IN_TITLE:
        title = f"{len(runs)} training runs"
    first = runs[0].config
    rows = {run.name: run.rows for run in runs}
    curves, no_curves = [], ""
    try:
        for panel in drawing.panels_of(rows):
            curves.append((panel, Markup(drawing.draw_panel(panel, rows).svg)))
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
        runs=list(zip(runs, itertools.cycle(drawing.PAGE_COLORS))),
        settings=differing_settings(runs),
        curves=curves,
        no_curves=no_curves,
    )


def plot_runs(runs, metrics=None):
    """The report's pictures, or those of some metrics, for a notebook.

    Takes `Run`s, or name -> rows of metrics.jsonl; returns a `Picture`.
    """
    if not isinstance(runs, dict):
        runs = {run.name: run.rows for run in runs}
    known = [panel.metric for panel in drawing.PANELS]
    unknown = set(metrics or ()) - set(known)
    if unknown:
        raise ValueError(
            f"no panel shows {', '.join(sorted(unknown))}; "
            f"there are {', '.join(known)}"
        )
    wanted = known if metrics is None else metrics
    panels = [
        panel for panel in drawing.panels_of(runs) if panel.metric in wanted
    ]
    if not panels:
        raise ValueError("none of these metrics was measured in these runs")
    return drawing.draw_sheet(panels, runs)


def spread(items, count=SAMPLED_STEPS):
    """At most `count` of the items, first and last among them."""
    if len(items) <= count:
        return items
    last = len(items) - 1
    return [items[round(i * last / (count - 1))] for i in range(count)]


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
