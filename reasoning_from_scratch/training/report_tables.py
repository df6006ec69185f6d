"""The tables of the report on training runs.

How each run ended, and the settings in which the runs are not alike, as
HTML; names and settings are escaped here.
"""

from html import escape

from .report_curves import color_of, number
from .series import points, series

SECONDS = (  # whichever a run's rows have
    "generation_seconds",
    "scoring_seconds",
    "update_seconds",
    "evaluation_seconds",
    "seconds",
)


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
