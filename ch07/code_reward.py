r"""A reward for programs: run what a model wrote, compare what it prints.

A completion earns 1 when the program in its last ```python block prints the
reference answer. That is hostile input: nothing runs unless it is allowed,
and then in a jail (`code_jail.py`).

Guaranteed, on Linux where the kernel grants namespaces (otherwise no program
runs at all): a program
- ends after `seconds`, whatever it does with signals, and so does everything
  it began; it is one process with one thread, of at most `memory_mb`;
- sees Python's own folders and the system's libraries, read-only, and an
  empty folder of about a megabyte that is gone afterwards: no home, /etc,
  /proc, /dev, repository, nor our environment, input or open files;
- has no network, not even loopback, sees no other process and can signal
  none; runs as nobody, and cannot gain rights by setuid files;
- is heard for at most `file_kb` of output.

NOT guaranteed: a hole in the kernel is a hole in the jail (for programs of an
adversary use a virtual machine); it burns a core until the deadline and can
time what others do; it can read the kernel's version, the clock, and whatever
lies in Python's folders or /usr/lib; when the trainer itself is killed, a
program that undid its death signal may stay asleep in its jail; and one that
prints the answer without computing it earns the reward.
"""

import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from reasoning_from_scratch.evaluation.verifier import answers_equal

JAIL = Path(__file__).with_name("code_jail.py")
BLOCK = re.compile(  # the last one may be cut off behind its program
    r"```[ \t]*(?:python3?|py3?)\b[^\r\n]*\r?\n(.*?)(?:```|\Z)",
    re.DOTALL | re.IGNORECASE,
)
MAX_PROGRAM_BYTES = 64 * 1024  # one argument of execve has at most 128 KiB
GRACE_SECONDS = 2.0  # for the jail to start and to clear up


@dataclass(frozen=True)
class CodeLimits:
    """What one program may use."""

    seconds: float = 2.0  # of wall-clock time; of the processor's, one more
    memory_mb: int = 256  # address space, Python itself included
    file_kb: int = 64  # of its output, and of every file it writes


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended."""

    status: str  # "ok" | "error" | "timeout" | "refused": not started
    output: str  # standard output and errors, cut at `file_kb`


class CodeReward:
    """1.0 when the last program of a text prints the reference, else 0.0.

    Raises:
        ValueError: execution is not allowed, or the kernel grants no jail.
    """

    def __init__(self, limits=CodeLimits(), *, allow_execution=False):
        if allow_execution is not True:
            raise ValueError(
                "a code reward runs programs that a model wrote; read the "
                "guarantees in ch07/code_reward.py, then allow it with "
                "allow_execution=True or --allow-code-execution"
            )
        trial = run_program("print(6 * 7)", limits)
        if trial.output.strip() != "42":
            raise ValueError(
                "no program can be run safely here: "
                f"{trial.output.strip() or trial.status}; a code reward "
                "needs Linux with namespaces (as root, or with unprivileged "
                "user namespaces allowed)"
            )
        self.limits = limits

    def __call__(self, text, problem):
        programs = BLOCK.findall(text)
        if not programs:
            return 0.0
        result = run_program(programs[-1], self.limits)
        lines = result.output.split("\n")
        printed = [line for line in lines if line.strip()]
        if result.status != "ok" or not printed:
            return 0.0
        return float(answers_equal(printed[-1].strip(), problem.answer))


def run_program(source, limits=CodeLimits()):
    """Run a Python program, hostile text, in the jail."""
    try:
        program = source.encode()
    except UnicodeEncodeError:
        return ProgramResult("refused", "the program is no valid text")
    if b"\0" in program or len(program) > MAX_PROGRAM_BYTES:
        return ProgramResult("refused", "a zero byte, or too long a program")
    if sys.platform != "linux":
        return ProgramResult("refused", f"no jail on {sys.platform}")
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(JAIL), json.dumps(asdict(limits))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(
                program, timeout=limits.seconds + GRACE_SECONDS
            )
        except BaseException as error:  # Ctrl-C too does not reach the jail
            process.kill()  # and with it, by its death signal, the program
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return ProgramResult("timeout", "")
    try:
        report = json.loads(said)
    except ValueError:
        return ProgramResult("error", "the jail broke down")
    return ProgramResult(report["status"], report["output"])
