"""`rfs`: find the command, read its flags, run it, report errors in a line.

Only the chosen command's file is imported, and none of them imports torch
before it runs. `--debug` shows the traceback of an error.
"""

import argparse
import difflib
import errno
import os
import re
import sys
from importlib import import_module
from pathlib import Path

from .. import __version__
from ..memory import OutOfMemory, is_out_of_memory
from ..options import add_flags, add_options
from ..runs import RunFolder
from ..settings import default_model, get_settings

CHECKOUT = Path(__file__).parents[2]
# Commands that work on the repository live there, outside the package.
OUTSIDE = {"ablate": "ch07"} | dict.fromkeys(
    ("check", "pretrain", "results", "bench", "speedrun"), "tools"
)
# Commands in the file of another, as run_NAME with NAME_FLAGS
BESIDE = {"chat": "ask", "regrade": "compare"}
HELP = Path(__file__).with_name("help.txt").read_text("utf-8")
# Each command of the page: what it does, an example
COMMANDS = {
    name: said
    for name, *said in re.findall(r"(?m)^  (\w+) +(.+)\n +\$ (.+)$", HELP)
}
# What our own code raises when the input is at fault.
EXPECTED_ERRORS = (ValueError, OSError, ImportError, MemoryError)


def main(arguments=None) -> int:
    """Run one command; the return value is the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an old console lacks a "…"
            stream.reconfigure(errors="replace")
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *rest = arguments or ["help"]
    if name in COMMANDS:
        return _run_command(name, rest)
    if name in ("-h", "--help", "help"):
        print(HELP.format(__version__), end="")
    elif name == "--version":
        print(f"rfs {__version__}")
    else:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean `rfs {close[0]}`? " if close else ""
        complaint = f"no command {name!r}; {hint}`rfs --help` lists them"
        print(f"rfs: {complaint}", file=sys.stderr)
        return 2
    return 0


def _run_command(name: str, arguments: list[str]) -> int:
    is_debugged = "--debug" in arguments
    try:
        args, run = read_arguments(name, arguments)
        if getattr(args, "run", None) is not None:
            RunFolder.check_name(args.run, resume=args.resume)
        return run(args) or 0
    except KeyboardInterrupt as interrupt:
        # A trainer says what is saved and how to go on
        print(f"\n{str(interrupt) or 'interrupted'}", file=sys.stderr)
        return 130
    except (*EXPECTED_ERRORS, RuntimeError) as error:
        if _is_closed_pipe(error):  # `rfs … | head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        is_memory = is_out_of_memory(error)
        if is_debugged or not (
            is_memory or isinstance(error, EXPECTED_ERRORS)
        ):
            raise
        complaint = str(error) or "out of memory"
        if is_memory and not isinstance(error, OutOfMemory):
            complaint += "; try a smaller model or batch, or --device cpu"
        print(f"rfs {name}: {complaint}{find_help(error)}", file=sys.stderr)
        return 1


def _is_closed_pipe(error) -> bool:
    """Whether nobody reads our output; Windows calls that EINVAL."""
    is_windows = sys.platform == "win32" and isinstance(error, OSError)
    return isinstance(error, BrokenPipeError) or (
        is_windows and error.errno == errno.EINVAL and not error.filename
    )


def find_help(error) -> str:
    """Where to read on about an error: TROUBLESHOOTING.md, if it knows it."""
    page = CHECKOUT / "TROUBLESHOOTING.md"
    text = page.read_text("utf-8") if page.is_file() else ""
    for key in re.findall(r"^### `(.+)`$", text, re.MULTILINE):
        pattern = ".*?".join(map(re.escape, key.split("…")))
        if re.match(pattern, str(error)[:500]):
            return f" (more in {page.name})"
    return ""


class Parser(argparse.ArgumentParser):
    """One that says in one line what is wrong."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; --help tells the flags\n")


def read_arguments(name: str, arguments: list[str]):
    """What a command's flags say, and the function that runs it."""
    module, purpose, example = _import_command(name), *COMMANDS[name]
    flags, run = "FLAGS", "run"
    if name in BESIDE:
        flags, run = f"{name.upper()}_FLAGS", f"run_{name}"
    parser = Parser(
        prog=f"rfs {name}",
        description=purpose,
        epilog=f"example: {example}",
    )
    add_flags(parser, getattr(module, flags, ""))
    getattr(module, "add_arguments", lambda parser: None)(parser)
    group, row = parser, ()
    if hasattr(module, "ROW"):  # the model's row of settings gives defaults
        settings = get_settings()
        group = parser.add_argument_group(f"training, as for {settings.name}")
        row = getattr(settings, module.ROW)
    add_options(group, *getattr(module, "CONFIGS", ()), row=row)
    add_flags(parser, "--debug  show the traceback of an error")
    args = parser.parse_args(arguments)
    args.command = name
    if getattr(args, "model", "") is None:
        args.model = default_model()
    return args, getattr(module, run)


def _import_command(name: str):
    """The module of a command, from the checkout where it lives there."""
    if name in OUTSIDE:
        return import_from_checkout(OUTSIDE[name], name)
    file = BESIDE.get(name, name)
    return import_module(f"reasoning_from_scratch.cli.{file}")


def import_from_checkout(folder: str, name: str):
    """A module that stands beside the package, in a folder of the checkout."""
    path = CHECKOUT / folder
    if not (path / f"{name}.py").is_file():
        raise FileNotFoundError(
            f"{name} belongs to the repository, not to the installed "
            "package; run it from a checkout (pip install -e .)"
        )
    sys.path.insert(0, str(path))
    return import_module(name)
