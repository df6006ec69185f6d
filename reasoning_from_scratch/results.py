"""The measured rows: results/NAME.json, one file a row.

RESULTS.md, the README's table and the notebooks' summary pictures are drawn
from these. A row is an accuracy with its interval, another measured figure,
or, in plain words, what could not be measured and how one would.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "results"
# The accuracies alone, drawn from the rows, for those without a checkout
SUMMARY = Path(__file__).parent / "pocket" / "assets" / "results.json"
CHAPTERS = {
    "ch02": "The language model",
    "ch03": "Measuring reasoning",
    "ch04": "Thinking longer",
    "ch05": "Reinforcement learning",
    "ch06": "Distillation",
    "ch07": "The pipeline, improved",
}
ALWAYS = ("chapter", "method", "model", "command")
MEASURED = ("hardware", "commit", "minutes")
ACCURACY = ("problems", "accuracy", "low", "high", "mean_tokens", "seed")
FIGURE = ("value", "unit")
UNMEASURED = ("reason",)


def load_results() -> dict[str, dict]:
    """Read and check every row, by name; outside a checkout, the summary.

    Raises:
        ValueError: a row that lacks a key, or a chapter we do not have.
    """
    if not FOLDER.is_dir():
        return json.loads(SUMMARY.read_text("utf-8"))
    rows = {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted(FOLDER.glob("*.json"))
    }
    for name, row in rows.items():
        check_row(name, row)
    return rows


def is_measured(row: dict) -> bool:
    """Tell a measured row from one that says why it could not be."""
    return row.get("measured", True)


def ladder(rows: dict[str, dict], up_to: str = "ch07") -> list[dict]:
    """The rows of the picture that closes each chapter, first step first.

    Args:
        rows: as `load_results` returns them; a row on the ladder has
            `ladder`, its place, and `name`, the label of its bar.
        up_to: the chapter that the reader has reached.
    """
    steps = [
        row
        for row in rows.values()
        if "ladder" in row and is_measured(row) and row["chapter"] <= up_to
    ]
    return sorted(steps, key=lambda row: row["ladder"])


def check_row(name: str, row: dict) -> None:
    """Raise a ValueError that names what a row lacks."""
    required = [*ALWAYS]
    if not is_measured(row):
        required += UNMEASURED
    else:
        required += MEASURED
        required += ACCURACY if "accuracy" in row else FIGURE
    if "ladder" in row:
        required.append("name")
    missing = [key for key in required if key not in row]
    if missing:
        raise ValueError(f"results/{name}.json lacks {', '.join(missing)}")
    if row["chapter"] not in CHAPTERS:
        raise ValueError(
            f"results/{name}.json: no chapter {row['chapter']!r}; expected "
            f"one of {', '.join(CHAPTERS)}"
        )
    if "accuracy" in row:
        low, accuracy, high = row["low"], row["accuracy"], row["high"]
        if not 0 <= low <= accuracy <= high <= 1:
            raise ValueError(
                f"results/{name}.json: expected 0 <= low <= accuracy <= high "
                f"<= 1, got {low}, {accuracy}, {high}"
            )


def markdown_table(columns, rows) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = [
        [str(cell).replace("|", "\\|") for cell in line] for line in lines
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
