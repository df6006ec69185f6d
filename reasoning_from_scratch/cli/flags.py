"""What several commands share: flags, what they are checked for, last words.

What a model writes is untrusted. Control characters could recolour, clear or
retitle a terminal, so they are made visible before anything is printed.
"""

import sys
import unicodedata
from argparse import ArgumentTypeError

from reasoning_from_scratch.evaluation.problems import TRAINING_SETS
from reasoning_from_scratch.runs import RunFolder, find_run

MODEL = "a name, runs/NAME, a folder or Hub id (default: RFS_MODEL, pocket)"
# Line ends, tabs, and the joiners that scripts and emoji are written with
KEPT = "\n\t\u200c\u200d"
HIDDEN = ("Cc", "Cf", "Cs")  # controls, bidirectional tricks, surrogates


# ---- Flags ----


def at_least(least: int):
    """A type of flag: a whole number that is not smaller."""

    def number(text):
        value = int(text)
        if value < least:
            raise ArgumentTypeError(f"must be {least} or more, got {value}")
        return value

    number.__name__ = "int"  # as argparse names a type in its complaints
    return number


def add_model_arguments(parser, *, model=MODEL) -> None:
    """Declare which model is used, and where it is computed."""
    parser.add_argument("--model", help=model)
    parser.add_argument("--device", help="cpu, cuda, mps, … (default: best)")
    parser.add_argument("--dtype", help="float32 | bfloat16 | float16")


def add_problem_arguments(parser) -> None:
    """Declare which problems are trained on."""
    parser.add_argument(
        "--problems", help="a set with a train split, or a JSONL file"
    )
    parser.add_argument(
        "--split",
        default="train",
        help="of the problem set (default: train; test is refused)",
    )


def add_run_arguments(parser) -> None:
    """Declare where the run is kept."""
    parser.add_argument("--run", required=True, help="name of its folder")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run of that name"
    )


def choose_problems(args, settings) -> str:
    """The problem set to train on.

    Raises:
        ValueError: a test split was asked for.
    """
    if args.split == "test":
        raise ValueError(
            "training on a test split would make its accuracy worthless; "
            "leave out --split, or name train or validation"
        )
    if args.problems:
        return args.problems
    return TRAINING_SETS.get(settings.problems, settings.problems)


def open_evaluated(name: str):
    """Open the run of an evaluation, by path or by name."""
    folder = RunFolder.open(find_run(name))
    if not (folder.path / "records.jsonl").is_file():
        raise FileNotFoundError(
            f"{folder.path} holds no records.jsonl; expected a run of "
            "rfs evaluate"
        )
    return folder


# ---- What is printed ----


def printable(text: str) -> str:
    """Make control characters visible, and what the screen cannot encode.

    >>> printable("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    text = "".join(
        character
        if character in KEPT or unicodedata.category(character) not in HIDDEN
        else character.encode("unicode_escape").decode()
        for character in text
    )
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def describe_accuracy(row: dict) -> str:
    """Write an accuracy in percent with its interval."""
    low, high = 100 * row["low"], 100 * row["high"]
    interval = f"(95 % interval {low:.1f} to {high:.1f})"
    return f"{100 * row['accuracy']:5.1f} % {interval}"


def describe_training(run_folder) -> str:
    """Two lines: how accuracy moved, and how to use the result."""
    rows = [r for r in run_folder.read("metrics.jsonl") if "accuracy" in r]
    use = f"use it: rfs evaluate --model runs/{run_folder.path.name}"
    if not rows:
        return use
    best = max(rows, key=lambda row: row["accuracy"])
    return (
        f"validation {rows[0]['accuracy']:.1%} at step {rows[0]['step']}, "
        f"best {best['accuracy']:.1%} at step {best['step']}, "
        f"last {rows[-1]['accuracy']:.1%}\n{use}"
    )
