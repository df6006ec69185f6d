"""The report on training runs: one page of HTML that needs nothing else.

Curves of all runs over each other, a final table with intervals, warnings in
words (`diagnosis`) and samples at several steps. The page holds its own style
and pictures, no script, and a policy that forbids a browser to fetch or to
run anything: what a model wrote is escaped, cut to a length, and could do
nothing even so.

`plot_runs` gives the same pictures to a notebook.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

from reasoning_from_scratch import __version__
from reasoning_from_scratch.runs import RunFolder, find_run

from .diagnosis import diagnose, points, series
from .report_curves import (
    color_of,
    draw_panel,
    draw_sheet,
    number,
    panels_of,
)

MAX_TEXT = 1200  # characters of one sample
MAX_IN_TITLE = 3  # runs that the title names
SAMPLED_STEPS = 5  # steps a run whose samples are shown
SAMPLES_A_STEP = 2
STYLE = Path(__file__).with_suffix(".css").read_text("utf-8")
SECONDS = (  # whichever a run's rows have
    "generation_seconds",
    "scoring_seconds",
    "update_seconds",
    "evaluation_seconds",
    "seconds",
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Run:
    """What the report reads of a run folder."""

    path: Path
    config: dict
    rows: list  # of metrics.jsonl
    samples: list  # of samples.jsonl

    @property
    def name(self):
        """The folder's."""
        return self.path.name

    @property
    def steps_done(self):
        return self.rows[-1]["step"] if self.rows else 0

    @property
    def state(self):
        """How far it is, in words."""
        planned = self.config.get("steps")
        if isinstance(planned, int) and self.steps_done < planned:
            return f"{self.steps_done:,} of {planned:,} steps, unfinished"
        return f"{self.steps_done:,} steps"


def read_runs(names):
    """Open the runs of these names or paths.

    Raises:
        FileNotFoundError: no such run, or one without metrics yet.
    """
    runs = []
    for name in names:
        path = find_run(name)
        folder = RunFolder.open(path)
        rows = folder.read("metrics.jsonl")
        if not rows:
            raise FileNotFoundError(
                f"{path} has no metrics.jsonl yet: the report is about "
                "training runs that have done a step"
            )
        samples = folder.read("samples.jsonl")
        runs.append(Run(path, folder.config, rows, samples))
    return runs


def render_report(runs):
    """The whole page as text.

    Args:
        runs: `Run`s, at least one; each keeps its colour throughout.
    """
    names = " · ".join(run.name for run in runs)
    if len(runs) > MAX_IN_TITLE:
        names = f"{len(runs)} training runs"
    sections = [
        header(runs, names),
        section("Warnings", warnings(runs)),
        section("How it ended", final_table(runs)),
        section("Curves", curves(runs)),
        section("Settings that differ", settings_table(runs)),
        section("Samples", samples(runs)),
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(names)}: training report</title>
<style>{STYLE}{hiding_rules(len(runs))}</style>
</head>
<body>
<main>
{"".join(sections)}
<footer class="soft small">Written by rfs {__version__} from metrics.jsonl
and samples.jsonl. Bold lines are running means over a tenth of the steps,
thin ones the steps themselves; bands are 95 % intervals.</footer>
</main>
</body>
</html>
"""


def plot_runs(runs, metrics=None):
    """The report's pictures for a notebook, in one.

    Args:
        runs: name -> rows of metrics.jsonl, or `Run`s.
        metrics: names of the panels wanted; None takes all there are.

    Returns:
        a `Picture`, which a notebook shows.
    """
    if not isinstance(runs, dict):
        runs = {run.name: run.rows for run in runs}
    panels = [
        panel
        for panel in panels_of(runs)
        if metrics is None or panel.metric in metrics
    ]
    return draw_sheet(panels, runs)


def section(title, body):
    """A part of the page; nothing where there is nothing to show."""
    return f"<section><h2>{title}</h2>{body}</section>" if body else ""


def header(runs, names):
    """What is reported on, and the switches that hide a run's curves."""
    config = runs[0].config
    shared = [
        f"{key} {escape(str(config[key]))}"
        for key in ("command", "model", "variant", "reward", "problems")
        if config.get(key)
        and all(run.config.get(key) == config[key] for run in runs)
    ]
    switches = "".join(
        f'<label style="color:{color_of(place)}">'
        f'<input type="checkbox" id="show{place}" checked>'
        f'<span style="color:var(--ink)">{escape(run.name)} '
        f'<span class="soft small">{run.state}</span></span></label>'
        for place, run in enumerate(runs)
    )
    return (
        f'<p class="soft small">Training report</p><h1>{escape(names)}</h1>'
        f'<p class="soft">{" · ".join(shared)}</p>'
        f'<nav aria-label="Runs shown">{switches}</nav>'
    )


def hiding_rules(count):
    """A style that hides a run's curves when its box is not ticked."""
    return "".join(
        f"main:has(#show{place}:not(:checked)) .r{place}{{display:none}}\n"
        for place in range(count)
    )


def warnings(runs):
    """What is wrong with each run, in words; and which have nothing."""
    notes = []
    for place, run in enumerate(runs):
        found = diagnose(run.rows)
        chip = f'<span class="chip" style="color:{color_of(place)}"></span>'
        name = f"{chip} {escape(run.name)}"
        for finding in found:
            notes.append(
                f'<div class="note r{place}"><h3>{finding.title}</h3>'
                f"<p>{escape(finding.text)}</p>"
                f'<p class="small soft">{name}</p></div>'
            )
        if not found:
            notes.append(
                f'<div class="note calm r{place}"><h3>Nothing to warn of'
                f'</h3><p class="small soft">{name}</p></div>'
            )
    return f'<div class="notes">{"".join(notes)}</div>'


def curves(runs):
    """All panels that have something to show."""
    rows = {run.name: run.rows for run in runs}
    figures = "".join(
        f"<figure><figcaption><h3>{panel.title}</h3>"
        f'<span class="soft small">{panel.unit}</span></figcaption>'
        f"{draw_panel(panel, rows)}</figure>"
        for panel in panels_of(rows)
    )
    return f'<div class="grid">{figures}</div>'


def samples(runs):
    """Some completions of each run at several steps, to be unfolded."""
    parts = []
    for place, run in enumerate(runs):
        steps = spread(sorted({s["step"] for s in run.samples}))
        for step in steps:
            chosen = [s for s in run.samples if s["step"] == step]
            body = "".join(map(sample, chosen[:SAMPLES_A_STEP]))
            is_open = " open" if step == steps[-1] and place == 0 else ""
            parts.append(
                f'<details class="r{place}"{is_open}><summary>'
                f'<span class="chip" style="color:{color_of(place)}"></span> '
                f"{escape(run.name)}, step {step}</summary>{body}</details>"
            )
    return "".join(parts)


def spread(items, count=SAMPLED_STEPS):
    """At most `count` of the items, first and last among them."""
    if len(items) <= count:
        return items
    last = len(items) - 1
    return [items[round(i * last / (count - 1))] for i in range(count)]


def sample(row):
    """One completion with its problem and what it earned."""
    is_paid = row["reward"] > 0
    verdict = "good" if is_paid else "bad"
    cut = ", cut short" if row.get("truncated") else ""
    return (
        f'<div class="sample"><p>{shown(row["problem"])} '
        f'<span class="soft">Answer: {shown(row["answer"])}</span>'
        f'<span class="verdict {verdict}">reward {row["reward"]:.2g}{cut}'
        f"</span></p><pre>{shown(row['completion'])}</pre></div>"
    )


def shown(text):
    """Text that nobody should trust: capped, escaped, controls made seen."""
    text = str(text)
    rest = len(text) - MAX_TEXT
    text = "".join(
        c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for c in text[:MAX_TEXT]
    )
    more = f" … and {rest:,} characters more" if rest > 0 else ""
    return escape(text) + more


def final_table(runs):
    """One row a run: where it began, where it stands, what it cost."""
    head = (
        "Run",
        "Steps",
        "Accuracy before",
        "Accuracy at the end",
        "Best, at step",
        "Greedy tokens",
        "Reward",
        "KL",
        "Minutes",
    )
    body = [
        [
            f'<span class="chip" style="color:{color_of(place)}"></span> '
            + escape(run.name),
            run.state.replace(", unfinished", "<small>unfinished</small>"),
            *accuracies(run.rows),
            last_of(run.rows, "greedy_length"),
            last_of(run.rows, "reward"),
            last_of(run.rows, "kl"),
            minutes(run.rows),
        ]
        for place, run in enumerate(runs)
    ]
    return table(head, body)


def accuracies(rows):
    """First, last and best accuracy, in per cent with intervals."""
    name = "accuracy"
    if not points(rows, name):  # pre-training measures two prompts
        name = "step_by_step_accuracy"
    measured = [row for row in rows if row.get(name) is not None]
    if not measured:
        return ["–"] * 3
    best = max(measured, key=lambda row: row[name])
    cells = [in_per_cent(row, name) for row in (measured[0], measured[-1])]
    return [*cells, f"{100 * best[name]:.1f} %<small>{best['step']}</small>"]


def in_per_cent(row, name):
    """An accuracy with its interval, where there is one."""
    text = f"{100 * row[name]:.1f} %"
    if f"{name}_low" in row:
        low, high = (100 * row[f"{name}_{end}"] for end in ("low", "high"))
        text += f"<small>{low:.1f} to {high:.1f}</small>"
    return text


def last_of(rows, name):
    """The metric's last value; a dash where it was never measured."""
    values = series(rows, name, training=False)
    return number(values[-1]) if values else "–"


def minutes(rows):
    """Time that the rows account for."""
    total = sum(sum(series(rows, name, training=False)) for name in SECONDS)
    return f"{total / 60:.1f}" if total else "–"


def settings_table(runs):
    """The settings in which the runs are not alike."""
    flat = [dict(flattened(run.config)) for run in runs]
    keys = sorted(set().union(*flat))
    differing = [
        key for key in keys if len({str(f.get(key)) for f in flat}) > 1
    ]
    if len(runs) < 2 or not differing:
        return ""
    head = ("Setting", *(escape(run.name) for run in runs))
    body = [
        [escape(key), *(escape(str(f.get(key, "–")))[:60] for f in flat)]
        for key in differing
    ]
    return table(head, body)


def flattened(config, prefix=""):
    """(dotted key, value) of nested settings."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def table(head, body):
    """An HTML table of cells that are HTML already."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for row in body
    )
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
