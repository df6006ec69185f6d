"""What a measured row must hold, and how one is written."""

import subprocess

from reasoning_from_scratch import results
from reasoning_from_scratch.files import atomic_write_json
from reasoning_from_scratch.results import is_measured

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
# What `rfs results` itself writes does not make a checkout unclean
DRAWN = ("results", "RESULTS.md", "README.md", "*/assets/results.json")


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


def save_result(name: str, row: dict) -> None:
    """Check and write one row."""
    check_row(name, row)
    atomic_write_json(results.FOLDER / f"{name}.json", row)


def current_commit() -> str:
    """The checkout's commit, with + where files differ from it."""

    def git(*arguments):
        command = ["git", "-C", str(results.FOLDER.parent), *arguments]
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()

    try:
        drawn = [f":!{name}" for name in DRAWN]
        is_clean = not git("status", "--porcelain", "-uno", "--", *drawn)
        return git("rev-parse", "--short=10", "HEAD") + "+" * (not is_clean)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
