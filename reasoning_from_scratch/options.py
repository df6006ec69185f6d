"""Options, declared once: a field of a configuration is also its flag.

    steps: int = option(100, "training steps")

gives the field its default, `check_options` its range, and `add_options` the
flag --steps with its type and its help. What is no field stands in a table
that reads like its help, for `add_flags`:

    --samples N=1    answers to draw
    --run NAME!      name of its folder

Standard library only.
"""

import re
from argparse import ArgumentTypeError, BooleanOptionalAction
from dataclasses import field, fields
from math import isfinite
from typing import get_args, get_type_hints


def option(default, help=None, choices=None, **limits):
    """A field of a configuration; with a help text it is a flag as well.

    limits: `least`, the smallest number allowed (without it, any above zero),
    `most`, the largest, and `below`, which is too large.
    """
    said = {"help": help, "choices": choices, **limits}
    return field(default=default, metadata=said)


def check_options(config) -> None:
    """Raise ValueError for the first field that is not what it may be."""
    for each in fields(config):
        name, value = each.name, getattr(config, each.name)
        choices = each.metadata.get("choices")
        if choices and value not in choices:
            raise ValueError(
                f"{name} must be one of {', '.join(choices)}; got {value!r}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        least, most, below = map(each.metadata.get, ("least", "most", "below"))
        is_refused = {
            "a finite number": not isfinite(value),
            "> 0": least is None and value <= 0,
            f">= {least}": least is not None and value < least,
            f"<= {most}": most is not None and value > most,
            f"< {below}": below is not None and value >= below,
        }
        for expected, is_wrong in is_refused.items():
            if is_wrong:
                raise ValueError(f"{name} must be {expected}, got {value}")


def add_options(parser, *kinds, prefix="", row=()) -> None:
    """Declare the flags of dataclasses; one that is left out is None.

    What several have in common is one flag, which the first of them
    describes; `row` maps fields to the model's own defaults.
    """
    for name, said in _options(kinds).items():
        default = said["default"]
        if default is not None:
            default = dict(row).get(name, default)
        shown = "" if default is None else f" (default: {default})"
        flag = f"--{prefix}{name}".replace("_", "-")
        how = {"action": BooleanOptionalAction}
        if said["type"] is not bool:
            how = {"type": said["type"], "choices": said["choices"]}
            how["metavar"] = {int: "N", float: "X"}.get(said["type"])
        parser.add_argument(flag, help=said["help"] + shown, **how)


def given_options(args, kind, *, prefix="") -> dict:
    """The flags that were given, by the fields of `kind` that they set."""
    values = (
        (f.name, getattr(args, prefix + f.name, None)) for f in fields(kind)
    )
    return {name: value for name, value in values if value is not None}


def _options(kinds) -> dict[str, dict]:
    """Name -> what is said of it; a default that differs is None."""
    options = {}
    for kind in kinds:
        types = get_type_hints(kind)
        for each in fields(kind):
            said, type_ = dict(each.metadata), types[each.name]
            known = options.get(each.name)
            if known is None and said.get("help"):
                said["type"] = (*get_args(type_), type_)[0]  # of X | None: X
                options[each.name] = {**said, "default": each.default}
            if known and known["default"] != each.default:
                known["default"] = None
            if known and known["choices"]:
                both = (*known["choices"], *(said.get("choices") or ()))
                known["choices"] = tuple(dict.fromkeys(both))
    return options


def whole_number(least: int):
    """A type of flag: a whole number that is not smaller."""

    def number(text):
        if int(text) < least:
            raise ArgumentTypeError(f"must be {least} or more, got {text}")
        return int(text)

    number.__name__ = "whole number"  # as argparse's complaints name it
    return number


# By the name of a flag's value; any other is a text
TYPES = {"N": whole_number(1), "K": whole_number(0), "X": float}


def add_flags(parser, table: str) -> None:
    """Declare the flags of a table, `--name VALUE  help` each.

    N is a whole number from 1 on, K one from 0 on, X any number and {a,b} a
    choice; no value makes a switch. Behind a value stands =DEFAULT, "!" where
    it is required, "+" or "*" for several, or "?" where it can be left out.
    """
    for entry in filter(None, re.split(r"\n+(?=\S)", table.strip())):
        words, text = re.split(r"\s{2,}", entry, maxsplit=1)
        words, text = words.split(), " ".join(text.split()).replace("%", "%%")
        names = [word for word in words if word.startswith("-")] or words[:1]
        how = {"help": text}
        if value := " ".join(words[len(names) :]):
            parts = re.fullmatch(r"([^=!+*?]+)([=!+*?]?)(.*)", value)
            metavar, mark, default = parts.groups()
            how |= {"metavar": metavar, "type": TYPES.get(metavar)}
            if mark == "=":
                how["help"] = f"{text} (default: {default})"
                how["default"] = (how["type"] or str)(default)
            elif mark:
                how |= {"required": True} if mark == "!" else {"nargs": mark}
            if metavar.startswith("{"):
                how["choices"] = metavar.strip("{}").split(",")
        elif names[0].startswith("-"):
            how["action"] = "store_true"
        parser.add_argument(*names, **how)
