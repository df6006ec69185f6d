"""The measured rows: results/NAME.json, one file a row.

RESULTS.md, the README's table and the notebooks' summary pictures are drawn
from these. A row is an accuracy with its interval, another measured figure,
or, in plain words, what could not be measured and how one would.
"""

import json
import subprocess
from pathlib import Path

from reasoning_from_scratch.files import atomic_write_json

FOLDER = Path(__file__).parents[1] / "results"
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
DRAWN = ("results", "RESULTS.md", "README.md")  # by `rfs results` itself


def load_results(folder=None) -> dict[str, dict]:
    """Read and check every row, by name; no folder means no rows.

    Raises:
        ValueError: a row that lacks a key, or a chapter we do not have.
    """
    folder = FOLDER if folder is None else Path(folder)
    rows = {}
    for path in sorted(folder.glob("*.json")):
        row = json.loads(path.read_text("utf-8"))
        check_row(path.stem, row)
        rows[path.stem] = row
    return rows


def save_result(name: str, row: dict, folder=None) -> None:
    """Check and write one row."""
    check_row(name, row)
    folder = FOLDER if folder is None else Path(folder)
    atomic_write_json(folder / f"{name}.json", row)


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


def current_commit() -> str:
    """The checkout's commit, with + where files differ from it.

    What `rfs results` itself writes does not count.
    """

    def git(*arguments):
        command = ["git", "-C", str(FOLDER.parent), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        drawn = [f":!{name}" for name in DRAWN]
        is_clean = not git("status", "--porcelain", "-uno", "--", *drawn)
        return git("rev-parse", "--short=10", "HEAD") + "+" * (not is_clean)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
