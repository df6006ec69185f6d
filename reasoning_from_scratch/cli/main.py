"""`rfs`: find the command, read its flags, run it, report errors in a line.

Only the chosen command's file is imported, and none of them imports torch
before it runs. `--debug` (or RFS_DEBUG=1) shows the traceback of an error.
"""

import argparse
import difflib
import errno
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from reasoning_from_scratch import __version__
from reasoning_from_scratch.memory import OutOfMemory, is_out_of_memory
from reasoning_from_scratch.options import add_flags, add_options
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import default_model, get_settings

FOLDER = "reasoning_from_scratch.cli"
CHECKOUT = Path(__file__).parents[2]
# Commands that work on the repository live there, outside the package.
OUTSIDE = {"ablate": "ch07"} | dict.fromkeys(
    ("check", "results", "bench", "speedrun"), "tools"
)
# Commands in the file of another, as run_NAME with NAME_FLAGS
BESIDE = {"chat": "ask", "regrade": "compare"}
# Stage by stage, as the book goes: each command, what it does, an example.
PAGE = """\
Start here
  tour      the whole book in five minutes: watch one model get better
            $ rfs tour
  ask       ask one question; the answer shows as it is written
            $ rfs ask "What is 1/2 + 1/3?"
  chat      talk over several turns; what was said stays cached
            $ rfs chat --model qwen3-0.6b
  doctor    what this machine has, what fits it, and what to mend
            $ rfs doctor

Stage 1: the language model (ch02, appendix C)
  pretrain  pre-train a pocket model from its generated corpus
            $ rfs pretrain --run my-pocket
  export    write a folder that transformers and vLLM open, with a model card
            $ rfs export pocket exported/

Stage 2: measuring reasoning (ch03), with stage 3's methods (ch04)
  evaluate  measure accuracy on a problem set, with an error bar
            $ rfs evaluate --prompt step-by-step --run steps
  compare   say which of two evaluations is better, if either is
            $ rfs compare runs/direct runs/steps
  regrade   judge an evaluation's stored answers again, without a model
            $ rfs regrade runs/steps

Stage 4: learning to reason (ch05, ch06)
  grpo      train by reinforcement learning with verifiable rewards (GRPO)
            $ rfs grpo --run reasoner
  teach     collect a teacher's worked answers, for rfs distill
            $ rfs teach --model pocket-teacher --run traces
  distill   train a student on a teacher's answers, or on its own right ones
            $ rfs distill --traces runs/traces/traces.jsonl --run pupil
  verifier  train a head that tells the model's right samples from wrong ones
            $ rfs verifier --traces runs/a --validation runs/b --run v
  report    write one page about training runs: curves, warnings, samples
            $ rfs report runs/reasoner

In a checkout of the repository
  check     check your answers to the exercises, and show your progress
            $ rfs check --list
  ablate    train every GRPO variant with several seeds and compare them
            $ rfs ablate --run ablation
  results   draw RESULTS.md from the measured rows, or measure them again
            $ rfs results --check
  bench     measure speed and memory on this machine, by name
            $ rfs bench generation
  speedrun  time a recipe from the base to 60 % on fresh problems
            $ rfs speedrun grpo
"""
HELP = f"""\
rfs {__version__}: build a reasoning model from scratch, and watch it learn.

usage: rfs COMMAND [flags]      rfs COMMAND --help tells the flags

{PAGE}
Models: pocket (built in, the default), pocket-coarse, pocket-teacher, \
runs/NAME,
a folder, any Hub id, or for short: qwen3-0.6b-base … qwen3-32b,
qwen2.5-0.5b … qwen2.5-72b-instruct (also -math- and -coder-),
deepseek-r1-distill-qwen-1.5b … -32b. RFS_MODEL sets the default."""


class Command(NamedTuple):
    """What the page says of a command."""

    help: str
    example: str


PAIRS = re.findall(r"(?m)^  (\w+) +(.+)\n +\$ (.+)$", PAGE)
COMMANDS = {name: Command(*said) for name, *said in PAIRS}

# What our own code raises when the input is at fault.
EXPECTED_ERRORS = (ValueError, OSError, ImportError, MemoryError)


def main(arguments=None) -> int:
    """Run one command; the return value is the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an old console lacks a "…"
            stream.reconfigure(errors="replace")
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [
        "help"
    ]
    if name in ("-h", "--help", "help"):
        print(HELP)
    elif name == "--version":
        print(f"rfs {__version__}")
    elif name in COMMANDS:
        return _run_command(name, rest)
    else:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean `rfs {close[0]}`? " if close else ""
        complaint = f"no command {name!r}; {hint}`rfs --help` lists them"
        print(f"rfs: {complaint}", file=sys.stderr)
        return 2
    return 0


def _run_command(name: str, arguments: list[str]) -> int:
    is_debugged = "--debug" in arguments or os.environ.get("RFS_DEBUG") == "1"
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
        is_expected = is_memory or isinstance(error, EXPECTED_ERRORS)
        if is_debugged or not is_expected:
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
    module = _import_command(name)
    is_beside = name in BESIDE
    flags = f"{name.upper()}_FLAGS" if is_beside else "FLAGS"
    parser = Parser(
        prog=f"rfs {name}",
        description=COMMANDS[name].help,
        epilog=f"example: {COMMANDS[name].example}",
    )
    add_flags(parser, getattr(module, flags, ""))
    getattr(module, "add_arguments", lambda parser: None)(parser)
    group, row = parser, getattr(module, "ROW", None)
    if row:  # the model's row of settings gives the defaults
        settings = get_settings()
        group = parser.add_argument_group(f"training, as for {settings.name}")
        row = getattr(settings, row)
    add_options(group, *getattr(module, "CONFIGS", ()), row=row or ())
    add_flags(parser, "--debug  show the traceback of an error")
    args = parser.parse_args(arguments)
    args.command = name
    if getattr(args, "model", "") is None:
        args.model = default_model()
    return args, getattr(module, f"run_{name}" if is_beside else "run")


def _import_command(name: str):
    """The module of a command, from the checkout where it lives there."""
    if name not in OUTSIDE:
        return import_module(f"{FOLDER}.{BESIDE.get(name, name)}")
    folder = CHECKOUT / OUTSIDE[name]
    if not (folder / f"{name}.py").is_file():
        raise FileNotFoundError(
            "this command belongs to the repository, not to the installed "
            "package; run it from a checkout (pip install -e .)"
        )
    sys.path.insert(0, str(folder))
    return import_module(name)
