"""Wrong values at the command line: one clear line, and nothing happened.

An entry of `data/wrong_values.txt` is what the one line of complaint says and
commands that must end in it. All work in one folder and leave it as it was.
"""

import gzip
import hashlib
import os
import re
import shlex
import shutil

import pytest
from commands import record_of, trace_of, write_rows
from tiny import DATA

from reasoning_from_scratch.cli.main import COMMANDS, OUTSIDE, main
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.runs import RunFolder

# "!": the command as it is, without the flags of DEFAULTS
WRONG = (DATA / "wrong_values.txt").read_text("utf-8")
ROWS = [
    (command.strip(), complaint)
    for complaint, commands in re.findall(
        r"(?m)^(\S.*) \|((?:.*;\n)*.*)", WRONG
    )
    for command in commands.split(";")
]
# What a row leaves out: small things, so that it ends soon if it goes on
DEFAULTS = {
    "--model model": "ask chat evaluate grpo teach distill verifier",
    "--problems sums.jsonl": "evaluate grpo teach distill",
    "--run r": "grpo teach distill verifier",
    "--traces traces.jsonl": "distill",
}
SOURCES = {"--from-self", "--on-policy", "--traces"}


@pytest.fixture(scope="module")
def made(model_folder, tmp_path_factory):
    """A folder with a model, problems, traces and runs."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("model", "broken"):
        shutil.copytree(model_folder, folder / name)
    (folder / "broken" / "model.safetensors").write_bytes(b"not weights")
    problems = [Problem(f"What is {n}?", str(n), id=f"p{n}") for n in range(8)]
    right, wrong = (
        [trace_of(p, text.format(p.answer), prompt="direct") for p in problems]
        for text in (r"\boxed{{{}}}", "no")
    )
    write_rows(folder / "sums.jsonl", problems)
    write_rows(folder / "traces.jsonl", right)
    write_rows(folder / "mixed.jsonl", [*wrong[:4], *right[4:]])
    write_rows(folder / "records.jsonl", [{"id": "p0", "correct": True}])
    (folder / "empty.jsonl").write_text("", "utf-8")
    (folder / "corrupt.jsonl").write_text('{"problem": "1 + 1", "ans', "utf-8")
    whole = gzip.compress((folder / "sums.jsonl").read_bytes())
    (folder / "broken.jsonl.gz").write_bytes(whole[:-20])
    runs = {  # evaluations, whole and faulty, and a training
        "direct": map(record_of, ["p0", "p1", "p2"]),
        "other": map(record_of, ["q0", "q1", "q2"]),
        "twice": map(record_of, ["p0", "p1", "p1"]),
        "strange": [{"id": "p0"}, {"id": "p1"}],
        "begun": [],
        "trained": None,
    }
    for name, records in runs.items():
        about = {"command": "grpo" if records is None else "evaluate"}
        run = RunFolder.create(name, about, root=folder / "runs")
        if records is not None:
            run.rewrite("records.jsonl", records)
    (folder / "runs" / "begun" / "checkpoints").mkdir()
    run.append("metrics.jsonl", {"step": 1, "reward": 0.5})
    shutil.copytree(model_folder, run.checkpoint_path(1))
    return folder


@pytest.fixture
def folder(made, monkeypatch):
    """The working folder, which a test must leave as it is."""
    monkeypatch.chdir(made)
    monkeypatch.delenv("RFS_RUNS", raising=False)
    before = contents(made)
    yield made
    assert contents(made) == before


def contents(folder):
    """Every file with its hash, locks apart, and every folder."""
    return {
        str(path): path.is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if not path.name.startswith(".")
    }


@pytest.mark.parametrize(("command", "complaint"), ROWS)
def test_a_wrong_value_is_one_line(folder, capsys, command, complaint):
    words = shlex.split(command.removeprefix("! "))
    for default, commands in DEFAULTS.items():
        flag, value = default.split()
        others = SOURCES if flag in SOURCES else {flag}
        if words[0] in commands.split() and not others & set(words):
            words += [flag, value] if command[0] != "!" else []
    try:
        status = main(words)
    except SystemExit as stop:
        status = stop.code
    (line,) = capsys.readouterr().err.strip().splitlines()

    assert status not in (0, None)
    assert line.startswith("rfs") and complaint in line


@pytest.mark.parametrize("root", [os.devnull, "sums.jsonl"])
@pytest.mark.parametrize("command", ["tour", "evaluate", "grpo --run g"])
def test_runs_with_no_place_are_one_line(
    folder, monkeypatch, capsys, root, command
):
    monkeypatch.setenv("RFS_RUNS", root)
    monkeypatch.setenv("RFS_FAST", "1")

    assert main(command.split()) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert root in line and "set RFS_RUNS" in line


def test_the_table_is_long_enough_and_walks_every_command():
    tried = {command.removeprefix("! ").split()[0] for command, _ in ROWS}
    assert len(ROWS) >= 150
    assert tried >= COMMANDS.keys() - OUTSIDE.keys()
