"""Texts made to do harm bounce off: no effect, no exception, no delay.

`data/hostile_answers.json` holds them: to run code, to fill the memory, to
take for ever. No name in them exists, and MARKER would be created if one of
them were run. So do threads, process pools and many calls.
"""

import multiprocessing
import os
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny import table, within

from reasoning_from_scratch.evaluation import answers
from reasoning_from_scratch.evaluation.verifier import answers_equal, verify

HERE = Path(__file__).parent
MARKER = "verifier_was_here"
SECONDS = 1.0  # of processor time of this process, for one text
GROWTH = 200 * 2**20  # bytes of memory, over all texts
PAIRS = [
    ("0.5", r"\frac12"),
    ("(1,2)", "(2,1)"),
    (r"\sqrt8", r"2\sqrt2"),
    ("x^2 < 4", "-2 < x < 2"),
    ("x^2 < 4", "-3 < x < 3"),
]
VERDICTS = [True, False, True, True, False]


def hostile_answers():
    """All the texts: those of the file, wrapped, repeated and nested."""
    kinds = table("hostile_answers")
    calls = [call.replace("{marker}", MARKER) for call in kinds["calls"]]
    for call in calls:
        yield from (call, f"\\boxed{{{call}}}", f"$f({call})$")
    yield from kinds["texts"]
    yield from (piece * count for piece, count in kinds["repeated"])
    for left, core, right in kinds["nested"]:
        for depth in (30, 300, 10_000):
            yield left * depth + core + right * depth


HOSTILE = list(hostile_answers())


def memory():
    psutil = pytest.importorskip("psutil")
    return psutil.Process().memory_info().rss


def test_hostile_answers_have_no_effect(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)  # where a side effect would show
    verify("\\boxed{x^2<4}", "|x|<2")  # imports mpmath, not counted
    before = memory()
    assert len(set(HOSTILE)) >= 150

    def judge(text):
        assert answers_equal(text, "5") is False
        assert answers_equal("x+1", text) is False
        assert answers_equal(text, text) in (True, False)
        assert answers_equal(text, "-2 < x < 2") is False
        verify(text, "5")
        answers.normalize_answer(text)

    for text in HOSTILE:
        within(SECONDS, judge, text)
    assert caplog.records == []  # a mistake of ours would be logged
    assert memory() - before < GROWTH
    assert os.listdir(tmp_path) == []


def damaged_answers(number):
    """Answers of the tables, cut and joined at random."""
    generator = random.Random(5)
    lines = (HERE / "verifier_pairs.tsv").read_text("utf-8").split("\n")
    texts = [text for line in lines for text in line.split("\t")[1:]]
    for _ in range(number):
        left, right, other = generator.choices(texts, k=3)
        place = generator.randrange(len(left) + 1)
        yield left[:place] + right[place:], other


def test_damaged_and_hostile_texts_are_read_in_linear_time(caplog):
    for left, right in damaged_answers(10_000):
        assert answers_equal(left, right) == answers_equal(right, left)
    assert caplog.records == []
    for text in HOSTILE:
        text = f"The answer is {text}\nso \\boxed{{{text}"
        answer = within(SECONDS, answers.extract_answer, text)
        assert answer is None or isinstance(answer, str)


@pytest.mark.parametrize(
    "method", ["threads", *multiprocessing.get_all_start_methods()]
)
def test_threads_and_processes_get_the_same_verdicts(method):
    assert answers_equal(*PAIRS[-2])
    lefts, rights = zip(*PAIRS * 4, strict=True)
    pool = ThreadPoolExecutor(8)
    if method != "threads":
        context = multiprocessing.get_context(method)
        pool = ProcessPoolExecutor(2, mp_context=context)
    with pool:
        verdicts = list(pool.map(answers_equal, lefts, rights, timeout=120))
    assert verdicts == VERDICTS * 4


@pytest.mark.parametrize(
    "number", [6_000, pytest.param(100_000, marks=pytest.mark.slow)]
)
def test_memory_stays_flat_over_many_calls_with_new_answers(number):
    def call(n):
        value = rf"\frac{{{n}}}{{2}}+\sqrt{{{n}}}"
        assert answers_equal(value, f"{n}x") is False
        assert answers_equal(f"{n}x+1", f"1 + {n} x")
        assert not answers_equal(f"{n}", rf"{n}\text{{ and }}{n + 1}")
        if n % 50 == 0:
            assert answers_equal(f"x^2 < {n**2}", f"-{n} < x < {n}")

    for n in range(1, 1_500):  # fills the caches
        call(n)
    before = memory()
    for n in range(1_500, 1_500 + number // 3):
        call(n)
    assert memory() - before < GROWTH / 10
