"""Run a benchmark of the folder beside this file by its name.

    rfs bench
    rfs bench generation --help

Flags behind the name go to the benchmark. Each prints a card for people and
ends in one line of JSON.
"""

import argparse
import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "benchmarks"


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument("name", nargs="?", help="none lists the benchmarks")
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="its flags")


def run(args) -> int:
    """List the benchmarks, or run one in a process of its own."""
    scripts = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
    if args.name is None:
        for name, path in scripts.items():
            print(f"{name:<15} {_first_line(path)}")
        return 0
    if args.name not in scripts:
        raise ValueError(
            f"no benchmark {args.name!r}; there are {', '.join(scripts)}"
        )
    command = [sys.executable, str(scripts[args.name]), *args.flags]
    return subprocess.run(command, check=False).returncode


def _first_line(path: Path) -> str:
    """The first line of a script's docstring, read without running it."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]
