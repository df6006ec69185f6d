"""The verifier in threads, in process pools, and over many calls."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from reasoning_from_scratch.evaluation.verifier import answers_equal, deadline

EASY = [("0.5", r"\frac12"), ("(1,2)", "(2,1)"), (r"\sqrt8", r"2\sqrt2")]
HARD = [("x^2 < 4", "-2 < x < 2"), ("x^2 < 4", "-3 < x < 3")]
PAIRS = EASY + HARD
VERDICTS = [True, False, True, True, False]
PATIENCE = 60.0  # seconds of algebra; the machine that tests may be busy
GROWTH = 20 * 2**20  # bytes that many calls may add, caches included


def patient_verdict(pair):
    """The verdict on one pair, with time for a busy machine."""
    deadline.Algebra.SECONDS = deadline.START_SECONDS = PATIENCE
    return answers_equal(*pair)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Time for a busy machine, in this process as well."""
    monkeypatch.setattr(deadline.Algebra, "SECONDS", PATIENCE)
    monkeypatch.setattr(deadline, "START_SECONDS", PATIENCE)


def workers():
    """The worker processes that this one started and that still run."""
    psutil = pytest.importorskip("psutil")
    children = psutil.Process().children(recursive=True)
    module = f"{deadline.__package__}.worker"
    return [child for child in children if module in child.cmdline()]


def memory():
    """Bytes that this process and its worker hold."""
    psutil = pytest.importorskip("psutil")
    processes = [psutil.Process(), *workers()]
    return sum(process.memory_info().rss for process in processes)


def test_threads_get_the_same_verdicts_from_one_worker():
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(patient_verdict, PAIRS * 8))
    assert verdicts == VERDICTS * 8
    assert len(workers()) <= 1


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_process_pool_gets_the_same_verdicts(method):
    assert answers_equal(*HARD[0])  # a worker that forks would inherit
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        verdicts = list(pool.map(patient_verdict, PAIRS * 2, timeout=120))
    assert verdicts == VERDICTS * 2
    assert answers_equal(*HARD[0])


def test_no_process_is_left_when_the_program_ends():
    code = (
        "from reasoning_from_scratch.evaluation.verifier import *\n"
        "from reasoning_from_scratch.evaluation.verifier import deadline\n"
        f"deadline.Algebra.SECONDS = deadline.START_SECONDS = {PATIENCE}\n"
        f"assert answers_equal(*{HARD[0]!r})\n"
        "print(deadline.WORKER.process.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    psutil = pytest.importorskip("psutil")
    assert not psutil.pid_exists(int(done.stdout)), done.stderr


def many_calls(number):
    """Bytes gained over many calls with answers that all differ."""

    def call(n):
        assert answers_equal(rf"\frac{{{n}}}{{2}}+\sqrt{{{n}}}", f"{n}x") is (
            False
        )
        assert answers_equal(f"{n}x+1", f"1 + {n} x")
        assert not answers_equal(f"{n}", rf"{n}\text{{ and }}{n + 1}")
        if n % 500 == 0:
            assert answers_equal(f"x^2 < {n**2}", f"-{n} < x < {n}")

    for n in range(1, 1_000):  # fills the caches
        call(n)
    answers_equal(*HARD[0])  # starts the worker
    before = memory()
    for n in range(1_000, 1_000 + number // 3):
        call(n)
    return memory() - before


def test_memory_stays_flat_over_thousands_of_calls():
    assert many_calls(6_000) < GROWTH
    assert len(workers()) <= 1


@pytest.mark.slow
def test_memory_stays_flat_over_100_000_calls():
    assert many_calls(100_000) < GROWTH
    assert len(workers()) <= 1
