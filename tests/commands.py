"""What commands are given and leave behind: traces, files of JSON lines."""

import json
import shlex
import subprocess
import sys

from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.evaluation.records import grade_record
from reasoning_from_scratch.runs import RunFolder, runs_root
from reasoning_from_scratch.training.traces import make_trace


def trace_of(problem, text, sample=0, **fields):
    """A whole answer of a model m to a problem."""
    fields = {"finish_reason": "stop", "model": "m", **fields}
    return make_trace(problem, sample, text, **fields)


def write_rows(path, rows):
    """Write dicts or traces as JSON lines; the path."""
    rows = (row if isinstance(row, dict) else vars(row) for row in rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def record_of(name, response=r"\boxed{1}", reference="1", **fields):
    """The graded record of a problem's answer."""
    record = {"id": name, "reference": reference, "response": response}
    record |= {"subject": "", "level": 0, "stop_reason": "stop"}
    return grade_record({**record, "num_tokens": 10, **fields})


def open_run(name):
    return RunFolder.open(runs_root() / name)


def rfs(command):
    """Run a command in this process; its status."""
    return main(shlex.split(command)) or 0


def start_rfs(words, launcher=(sys.executable, "-m")):
    """Start `rfs WORDS` in a process of its own, unheard."""
    return subprocess.Popen(
        [*launcher, "reasoning_from_scratch", *words.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
