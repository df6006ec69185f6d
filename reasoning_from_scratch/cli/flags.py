"""What several commands share: run folders and how things are shown.

What a model writes is untrusted. Control characters could recolour, clear or
retitle a terminal, so they are made visible before anything is printed.
"""

import sys
import unicodedata

from reasoning_from_scratch.runs import RunFolder, find_run

# Line ends, tabs, and the joiners that scripts and emoji are written with
KEPT = "\n\t\u200c\u200d"
HIDDEN = ("Cc", "Cf", "Cs")  # controls, bidirectional tricks, surrogates


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


def print_stream(pieces) -> str:
    """Print pieces of text as they come; returns the whole, as written."""
    written = []
    for piece in pieces:
        written.append(piece)
        print(printable(piece), end="", flush=True)
    print()
    return "".join(written)


def open_evaluated(name: str):
    """Open the run of an evaluation, by path or by name."""
    folder = RunFolder.open(find_run(name))
    if not (folder.path / "records.jsonl").is_file():
        raise FileNotFoundError(
            f"{folder.path} holds no records.jsonl; expected a run of "
            "rfs evaluate"
        )
    return folder


def describe_accuracy(row: dict) -> str:
    """Write an accuracy in percent with its interval."""
    low, high = 100 * row["low"], 100 * row["high"]
    interval = f"(95 % interval {low:.1f} to {high:.1f})"
    return f"{100 * row['accuracy']:5.1f} % {interval}"
