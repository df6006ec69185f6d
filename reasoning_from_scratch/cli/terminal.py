"""Showing a model's words: safely, and as they come.

What a model writes is untrusted. Control characters could recolour, clear or
retitle a terminal, so they are made visible before anything is printed.
"""

import sys
import unicodedata

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
