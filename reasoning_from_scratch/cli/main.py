"""`rfs`: find the command, read its flags, run it, report errors in a line.

Only the chosen command's file is imported, and none of them imports torch
before it runs. `--debug` (or RFS_DEBUG=1) shows the traceback of an error.
"""

import argparse
import difflib
import os
import sys
from importlib import import_module
from importlib.util import find_spec

from reasoning_from_scratch import __version__

FOLDER = "reasoning_from_scratch.cli"
# Stage by stage, as the book goes: a command and a line that shows it at work.
STAGES = {
    "Start here": {
        "tour": "rfs tour",
        "ask": 'rfs ask "What is 3/4 + 1/6?"',
        "chat": "rfs chat --model qwen3-0.6b",
    },
    "Stage 1: the language model (ch02, appendix C)": {
        "pretrain": "rfs pretrain --run my-pocket",
        "export": "rfs export pocket exported/",
    },
    "Stage 2: measuring reasoning (ch03), with stage 3's methods (ch04)": {
        "evaluate": "rfs evaluate --prompt step-by-step --run steps",
        "compare": "rfs compare runs/direct runs/steps",
        "regrade": "rfs regrade runs/steps",
    },
    "Stage 4: learning to reason (ch05, ch06)": {
        "grpo": "rfs grpo --run reasoner",
        "ablate": "rfs ablate --run ablation",
        "teach": "rfs teach --model pocket-teacher --run traces",
        "distill": "rfs distill --traces runs/traces/traces.jsonl --run pupil",
        "verifier": "rfs verifier --traces runs/a --validation runs/b --run v",
        "report": "rfs report runs/reasoner",
    },
    "Keeping the house": {
        "results": "rfs results --check",
        "bench": "rfs bench generation",
        "doctor": "rfs doctor",
    },
}

# What our own code raises when the input is at fault.
EXPECTED_ERRORS = (ValueError, OSError, ImportError)


def main(arguments=None) -> int:
    """Run one command; the return value is the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help_text())
        return 0
    if arguments[0] == "--version":
        print(f"rfs {__version__}")
        return 0
    name, *rest = arguments
    if find_command(name) is None:
        print(_unknown_command(name), file=sys.stderr)
        return 2
    return _run_command(name, rest)


def find_command(name: str) -> str | None:
    """The example of a command, or None where there is no such command."""
    for commands in STAGES.values():
        if name in commands and find_spec(f"{FOLDER}.{name}"):
            return commands[name]
    return None


def _run_command(name: str, arguments: list[str]) -> int:
    module = _import_command(name)
    args = _build_parser(name, module).parse_args(arguments)
    try:
        return module.run(args) or 0
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `rfs … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EXPECTED_ERRORS as error:
        if args.debug:
            raise
        print(f"rfs {name}: {error}", file=sys.stderr)
        return 1


def _build_parser(name: str, module) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"rfs {name}",
        description=module.HELP,
        epilog=f"example: {find_command(name)}",
    )
    module.add_arguments(parser)
    parser.add_argument(
        "--debug",
        action="store_true",
        default=os.environ.get("RFS_DEBUG") == "1",
        help="show the traceback of an error",
    )
    return parser


def _import_command(name: str):
    return import_module(f"{FOLDER}.{name}")


def _unknown_command(name: str) -> str:
    names = [name for commands in STAGES.values() for name in commands]
    close = difflib.get_close_matches(name, filter(find_command, names), n=1)
    hint = f"did you mean `rfs {close[0]}`? " if close else ""
    return f"rfs: no command {name!r}; {hint}`rfs --help` lists them"


def _help_text() -> str:
    lines = [
        f"rfs {__version__}: build a reasoning model from scratch, and watch "
        "it learn.",
        "",
        "usage: rfs COMMAND [flags]      rfs COMMAND --help tells the flags",
    ]
    for stage, commands in STAGES.items():
        lines += ["", stage]
        for name in filter(find_command, commands):
            lines.append(f"  {name:<9} {_import_command(name).HELP}")
            lines.append(f"            $ {commands[name]}")
    lines += [
        "",
        "Models: pocket (built in, the default), pocket-coarse, "
        "pocket-teacher, runs/NAME,",
        "a folder, or Qwen3: qwen3-0.6b-base … qwen3-32b, any Hub id. "
        "RFS_MODEL sets the default.",
    ]
    return "\n".join(lines)
