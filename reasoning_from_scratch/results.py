"""The measured rows: results/NAME.json, one file a row.

A row is an accuracy with its interval, another measured figure, or, in plain
words, what could not be measured and how one would.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "results"
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


def ladder(rows: dict[str, dict], up_to: str = "ch07") -> list[dict]:
    """The rows of the picture that closes each chapter, by their `ladder`."""
    steps = [
        row
        for row in rows.values()
        if "ladder" in row and is_measured(row) and row["chapter"] <= up_to
    ]
    return sorted(steps, key=lambda row: row["ladder"])


def markdown_table(columns, rows) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = [
        [str(cell).replace("|", "\\|") for cell in line] for line in lines
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
