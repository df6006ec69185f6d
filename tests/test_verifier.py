"""The verifier's verdicts: labelled pairs, laws, and MATH-500."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reasoning_from_scratch.evaluation.verifier import (
    answers_equal,
    deadline,
    verify,
)
from reasoning_from_scratch.evaluation.verifier.answer_parser import parse
from reasoning_from_scratch.evaluation.verifier.equivalence import Judge

HERE = Path(__file__).parent
DATA = Path(os.environ.get("RFS_TEST_DATA", HERE.parents[1] / "shared/data"))


def labelled_pairs():
    """(label, one answer, another answer) of every line of the table."""
    lines = (HERE / "verifier_pairs.tsv").read_text("utf-8").split("\n")
    rows = (line.split("\t") for line in lines)
    return [row for row in rows if len(row) == 3]


PAIRS = labelled_pairs()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A busy test machine may take longer over the algebra than a user's."""
    monkeypatch.setattr(deadline.Algebra, "SECONDS", 60.0)
    monkeypatch.setattr(deadline, "START_SECONDS", 60.0)


def math500():
    """The problems of MATH-500; skips where the file is not at hand."""
    path = DATA / "math500_test.json"
    if not path.exists():
        pytest.skip(f"{path} is not at hand; set RFS_TEST_DATA")
    return json.loads(path.read_text("utf-8"))


def refuse(question, left, right):
    """A judge's algebra that must not be needed."""
    raise AssertionError(f"algebra was asked {question}")


def test_there_are_at_least_400_labelled_pairs_of_both_kinds():
    labels = [label for label, _, _ in PAIRS]
    assert len(PAIRS) >= 400
    assert labels.count("same") + labels.count("different") == len(PAIRS)
    assert labels.count("different") >= 100


def test_every_labelled_pair_gets_its_verdict():
    wrong = [
        pair
        for pair in PAIRS
        if answers_equal(*pair[1:]) != (pair[0] == "same")
    ]
    assert wrong == []


def test_the_verdict_does_not_depend_on_the_order():
    wrong = [
        (one, other)
        for label, one, other in PAIRS
        if answers_equal(other, one) != (label == "same")
    ]
    assert wrong == []


def test_every_answer_of_the_table_equals_itself_in_other_layout():
    texts = {text for _, *pair in PAIRS for text in pair if text.strip()}
    differing = [
        text
        for text in sorted(texts)
        if "$" not in text and not answers_equal(f"$ {text} $", text)
    ]
    assert differing == []


@pytest.mark.parametrize(
    "nothing", ["", " ", "$$", "\\boxed{}", None, 5, b"5"]
)
def test_nothing_is_no_answer_and_equals_nothing(nothing):
    assert not answers_equal(nothing, "5")
    assert not answers_equal("5", nothing)
    assert not answers_equal(nothing, nothing)


def test_any_of_several_references_will_do():
    assert answers_equal("0.5", ["2", "1/2"])
    assert not answers_equal("0.5", ["2", "3"])
    assert not answers_equal("0.5", [])


def test_numbers_are_compared_without_importing_sympy_or_torch():
    code = (
        "import sys\n"
        "from reasoning_from_scratch.evaluation.verifier import *\n"
        "assert answers_equal(r'\\frac{\\sqrt 8}{2}', r'\\sqrt2')\n"
        "print(sorted({'sympy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_parsed_references_of_math500_equal_themselves_by_value():
    problems = math500()
    judge = Judge(refuse)
    answers = [problem["answer"] for problem in problems]
    trees = [parse(answer) for answer in answers]
    again = [parse(f"$\\,{answer}$.") for answer in answers]
    same = [judge.same(*pair) for pair in zip(trees, again, strict=True)]
    assert len(trees) >= 495
    assert all(same)


def test_the_box_of_each_math500_solution_equals_its_reference():
    wrong = [
        problem["unique_id"]
        for problem in math500()
        if not verify(problem["solution"], problem["answer"], boxed_only=True)
    ]
    assert wrong == []


def test_no_two_different_references_of_math500_are_taken_for_one():
    # Equal in value though not in writing, each read by a person:
    known = {
        ("10,\\!080", "10080"),
        ("120", "120^\\circ"),
        ("15", "15\\mbox{ cm}^2"),
        ("2 \\sqrt{5}", "2\\sqrt{5}"),
        ("30", "30^\\circ"),
        ("36", "36^\\circ"),
        ("36", "\\$36"),
        ("5", "x=5"),
        ("90", "90^\\circ"),
        ("-2,1", "1,-2"),
        ("\\frac14", "\\frac{1}{4}"),
    }
    answers = sorted({problem["answer"] for problem in math500()})
    found = {
        pair
        for pair in itertools.combinations(answers, 2)
        if answers_equal(*pair)
    }
    assert found == known


def test_a_response_is_verified_by_its_last_box():
    response = "First \\boxed{4}. No: \\boxed{\\frac{10}{2}}"
    assert verify(response, "5")
    assert not verify(response, "4")


def test_a_reward_accepts_a_box_alone():
    assert verify("The answer is 5.", "5")
    assert not verify("The answer is 5.", "5", boxed_only=True)
