"""Options, declared once: a field of a configuration is also its flag.

    steps: int = option(100, "training steps")

gives the field its default, `check_options` its range, and `add_options` the
flag --steps with its type and its help. Standard library only.
"""

from argparse import BooleanOptionalAction
from dataclasses import field, fields
from math import isfinite
from typing import get_args, get_type_hints


def option(default, help=None, *, choices=None, least=None):
    """A field of a configuration; with a help text it is a flag as well.

    Args:
        default: its value where none is given.
        help: what the command line says of it.
        choices: all values there are.
        least: the smallest number allowed; None: any above zero.
    """
    said = {"help": help, "choices": choices, "least": least}
    return field(
        default=default,
        metadata={name: x for name, x in said.items() if x is not None},
    )


def check_options(config) -> None:
    """Raise ValueError for the first field that is not what it may be.

    Every number is finite, and above zero where its field names no least.
    """
    for each in fields(config):
        name, value = each.name, getattr(config, each.name)
        choices = each.metadata.get("choices", (value,))
        if value not in choices:
            raise ValueError(
                f"{name} must be one of {', '.join(choices)}; got {value!r}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value}")
        least = each.metadata.get("least")
        if value <= 0 if least is None else value < least:
            expected = "> 0" if least is None else f">= {least}"
            raise ValueError(f"{name} must be {expected}, got {value}")


def add_options(parser, *kinds, prefix="", row=()) -> None:
    """Declare the flags of configurations; one that is left out is None.

    Args:
        parser: receives them.
        kinds: dataclasses. What several have in common is one flag, and the
            first of them describes it.
        prefix: before each flag's name.
        row: field -> the model's own default.
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
    names = [each.name for each in fields(kind)]
    values = {n: getattr(args, f"{prefix}{n}", None) for n in names}
    return {name: x for name, x in values.items() if x is not None}


def _options(kinds) -> dict[str, dict]:
    """Name -> what is said of it; a default that differs is None."""
    options = {}
    for kind in kinds:
        types = get_type_hints(kind)
        for each in fields(kind):
            known, said = options.get(each.name), each.metadata
            if known is None and "help" in said:
                type_ = types[each.name]
                options[each.name] = {
                    "type": (*get_args(type_), type_)[0],  # of X | None: X
                    "help": said["help"],
                    "default": each.default,
                    "choices": said.get("choices"),
                }
            elif known and known["default"] != each.default:
                known["default"] = None
            if known and known["choices"]:
                both = (*known["choices"], *said["choices"])
                known["choices"] = tuple(dict.fromkeys(both))
    return options
