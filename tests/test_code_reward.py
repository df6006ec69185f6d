"""The code reward: what earns it, and programs that attack their jail."""

import os
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import code_reward
import pytest
from code_reward import CodeLimits, CodeReward, run_program
from tiny import DATA, table

from reasoning_from_scratch.evaluation import Problem

# {name: program} of what attacks whoever runs it
HOSTILE_PROGRAMS = dict(
    re.findall(
        r"(?ms)^=== (.*?)\n(.*?\n)(?==== |\Z)",
        (DATA / "hostile_programs.txt").read_text("utf-8"),
    )
)
MARK = f"mark-of-{os.getpid()}"
SECRET = "swordfish-1729"
SECONDS = 5.0  # in which every hostile program must have ended
PATIENT = CodeLimits(seconds=10)  # for those that should end by themselves
# Where the kernel grants no namespaces nothing is run: that is then tested
HAS_JAIL = run_program("print(1)", PATIENT).status == "ok"
SIX = Problem("What is 2*3?", "6")


@pytest.fixture(scope="module")
def attacks(tmp_path_factory):
    """Every hostile program's result and seconds, and what it could harm."""
    canary = tmp_path_factory.mktemp("outside") / "canary"
    canary.write_text(SECRET, "utf-8")
    server = socket.create_server(("127.0.0.1", 0))
    packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    packets.bind(server.getsockname())
    port = server.getsockname()[1]
    names = {"canary": str(canary), "port": port, "mark": MARK}
    limits = CodeLimits(seconds=1.5)

    def attack(source):
        start = time.perf_counter()
        result = run_program(f"# {MARK}\n" + source.format(**names), limits)
        return result, time.perf_counter() - start

    os.environ["SECRET_KEY"] = SECRET
    try:
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(attack, HOSTILE_PROGRAMS.values()))
    finally:
        del os.environ["SECRET_KEY"]
    results = dict(zip(HOSTILE_PROGRAMS, outcomes, strict=True))
    return results, canary, server, packets


def processes_of(mark):
    """The command lines in which a program begins with a mark."""
    psutil = pytest.importorskip("psutil")
    commands = [
        process.info["cmdline"] or []
        for process in psutil.process_iter(["cmdline"])
    ]
    return [c for c in commands if any(w.startswith(mark) for w in c)]


@pytest.mark.parametrize("name", HOSTILE_PROGRAMS)
def test_a_hostile_program_ends_in_time_and_reaches_nothing(attacks, name):
    result, spent = attacks[0][name]
    assert spent < SECONDS
    assert SECRET not in result.output and "REACHED" not in result.output
    assert len(result.output) <= 64 * 1024


def test_hostile_programs_leave_everything_outside_as_it_was(attacks):
    _, canary, server, packets = attacks
    assert len(HOSTILE_PROGRAMS) == 69
    assert canary.read_text("utf-8") == SECRET
    server.setblocking(False)
    packets.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.accept()
    with pytest.raises(BlockingIOError):
        packets.recv(100)
    assert socket.gethostname() != "REACHED"
    assert processes_of(f"# {MARK}") == []


def test_a_program_runs_in_an_allowed_jail_or_not_at_all():
    result = run_program("print(6 * 7)", PATIENT)
    expected = ("ok", "42\n") if HAS_JAIL else ("refused", result.output)
    assert (result.status, result.output) == expected
    with pytest.raises(ValueError, match="--allow-code-execution"):
        CodeReward()


@pytest.mark.parametrize(("text", "reward"), table("code_answers"))
def test_the_last_program_must_print_the_answer(text, reward):
    if HAS_JAIL:
        rewards = CodeReward(PATIENT, allow_execution=True)
        assert rewards(text, SIX) == reward
    else:
        with pytest.raises(ValueError, match="needs Linux"):
            CodeReward(PATIENT, allow_execution=True)


@pytest.mark.parametrize("source", ["print(1)\0", "\ud800", "#" * 10**6])
def test_what_is_no_program_is_refused(source):
    assert run_program(source).status == "refused"


def test_when_the_trainer_is_killed_the_program_dies_too():
    source = f"# {MARK} orphan\nimport time; time.sleep(8)"
    program = (
        f"from code_reward import *; run_program({source!r}, "
        "CodeLimits(seconds=8))"
    )
    command = [sys.executable, "-c", program]
    folder = Path(code_reward.__file__).parent
    trainer = subprocess.Popen(command, cwd=folder)
    time.sleep(3)  # it has started by now, or never will
    trainer.kill()
    trainer.wait()
    deadline = time.monotonic() + 3
    while alive := processes_of(f"# {MARK} orphan"):
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)
