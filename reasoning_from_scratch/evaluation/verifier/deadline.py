"""Asking the worker process, and killing it when its time is over.

A timer kills the process; the pipe then ends and the waiting read returns.
This needs no signals, so it holds in threads, in process pools and on
Windows, whatever SymPy is doing. The next question starts a new process.
"""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from .limits import ALGEBRA_SECONDS, START_SECONDS
from .tree import encode

ROOT = Path(__file__).resolve().parents[len(__package__.split("."))]


class Worker:
    """One worker process at most, shared by the threads of this process."""

    def __init__(self):
        self.lock = threading.Lock()
        self.process = None
        self.is_warm = False  # it has said that it is ready

    def ask(self, question, left, right, *, seconds):
        """The verdict on two trees; False if none comes in time.

        Args:
            question: "values", "equations" or "sets".
            left, right: trees.
            seconds: how long SymPy may think, its start not counted.
        """
        line = json.dumps([question, encode(left), encode(right)])
        with self.lock:
            if not self.is_ready():
                return False
            return self.exchange(line, seconds) == "true"

    def is_ready(self):
        """Whether a process runs; starts one and waits for its import."""
        if self.process is None or self.process.poll() is not None:
            self.restart()
        if self.process is None:
            return False
        self.is_warm = self.is_warm or self.exchange(None, START_SECONDS) != ""
        return self.is_warm

    def restart(self):
        """End the process and start the next; it imports meanwhile."""
        self.stop()
        self.is_warm = False
        with contextlib.suppress(OSError):
            self.process = start()

    def exchange(self, line, seconds):
        """Send a line and read one; "" if the process died or was killed."""
        timer = threading.Timer(seconds, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            if line is not None:
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
            reply = self.process.stdout.readline().strip()
        except (OSError, ValueError):
            reply = ""
        timer.cancel()
        if not reply:
            self.restart()
        return reply

    def stop(self):
        """End the process, if there is one, and wait until it is gone."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # text for a dead process
                pipe.close()
        process.wait()

    def forget(self):
        """In a forked child: the process is the parent's, leave it alone."""
        process, self.process = self.process, None
        self.lock = threading.Lock()
        if process is not None:
            process.returncode = 0  # not ours to wait for
            for pipe in (process.stdin, process.stdout):
                pipe.buffer.raw.close()


def start():
    """Start the worker process, with nothing of ours but this package."""
    path = os.pathsep.join(
        filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    )
    return subprocess.Popen(
        [sys.executable, "-P", "-m", f"{__package__}.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
        text=True,
        encoding="utf-8",
    )


WORKER = Worker()
atexit.register(WORKER.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WORKER.forget)


class Algebra:
    """`decide` for one comparison: all its questions share one deadline."""

    SECONDS = ALGEBRA_SECONDS

    def __init__(self):
        self.seconds = self.SECONDS

    def __call__(self, question, left, right):
        if self.seconds <= 0:
            return False
        start_time = time.monotonic()
        verdict = WORKER.ask(question, left, right, seconds=self.seconds)
        self.seconds -= time.monotonic() - start_time
        return verdict
