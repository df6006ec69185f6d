"""The measured rows: results/NAME.json, one file a row.

A row is an accuracy with its interval, another measured figure, or, in plain
words, what could not be measured and how one would. Notebooks ask
`results_of`, `ladder` or `load_curve`, which keep other models' rows out.
"""

import json
from pathlib import Path

from reasoning_from_scratch.settings import default_model

CHECKOUT = Path(__file__).parents[1]
FOLDER = CHECKOUT / "results"
# The accuracies alone, drawn from the rows, for those without a checkout
SUMMARY = Path(__file__).parent / "pocket" / "assets" / "results.json"


def load_results() -> dict[str, dict]:
    """Read every row, by name; outside a checkout, the summary."""
    if not FOLDER.is_dir():
        return json.loads(SUMMARY.read_text("utf-8"))
    return {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted(FOLDER.glob("*.json"))
    }


def is_measured(row: dict) -> bool:
    """Tell a measured row from one that says why it could not be."""
    return row.get("measured", True)


def results_of(model: str | None = None) -> dict[str, dict]:
    """Every row by name; another model's says that it was not measured here.

    None is the model that RFS_MODEL names. The rows of pocket's sisters stand
    beside its own; those with a `group` are shown under their model's name.
    """
    model, rows = model or default_model(), load_results()
    for name, row in rows.items():
        if not is_measured(row) or _is_shown(row, model):
            continue
        told = ("chapter", "method", "problems", "command", "name", "ladder")
        reason = f"this row was measured on {row['model']}, not on {model}"
        rows[name] = {key: row[key] for key in told if key in row}
        rows[name] |= {"model": model, "measured": False, "reason": reason}
    return rows


def ladder(
    rows: dict[str, dict], up_to: str = "ch07", model: str | None = None
) -> list[dict]:
    """The rows of one model's picture that closes each chapter, in order."""
    model = model or default_model()
    steps = [row for row in rows.values() if row["model"] == model]
    steps = [r for r in steps if is_measured(r) and r["chapter"] <= up_to]
    steps = [row for row in steps if "ladder" in row]
    return sorted(steps, key=lambda row: row["ladder"])


def load_curve(name: str, model: str | None = None) -> list[dict]:
    """The saved steps of a row's training.

    None where it is another model's, or outside a checkout.
    """
    path = FOLDER / "curves" / f"{name}.jsonl"
    row = load_results().get(name)
    is_there = row is not None and path.is_file()
    if not is_there or not _is_shown(row, model or default_model()):
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _is_shown(row: dict, model: str) -> bool:
    """Whether a row belongs to what a model's notebooks tell."""
    is_sister = model == "pocket" and row["model"].startswith("pocket-")
    return "group" in row or row["model"] == model or is_sister


def markdown_table(columns, rows) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = [
        [str(cell).replace("|", "\\|") for cell in line] for line in lines
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
