"""The verifier's verdicts: labelled pairs, laws, limits, and MATH-500."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import table

from reasoning_from_scratch.evaluation.verifier import (
    answers_equal,
    clean,
    parse,
    tree,
    verify,
)
from reasoning_from_scratch.evaluation.verifier.equivalence import same
from reasoning_from_scratch.evaluation.verifier.values import exact_value

HERE = Path(__file__).parent
DATA = Path(os.environ.get("RFS_TEST_DATA", HERE.parents[1] / "shared/data"))
LINES = (HERE / "verifier_pairs.tsv").read_text("utf-8").split("\n")
# (label, one answer, another answer) of every line of the table
PAIRS = [row for row in (line.split("\t") for line in LINES) if len(row) == 3]


@pytest.fixture(scope="module")
def math500():
    """The problems of MATH-500; skips where the file is not at hand."""
    path = DATA / "math500_test.json"
    if not path.exists():
        pytest.skip(f"{path} is not at hand; set RFS_TEST_DATA")
    return json.loads(path.read_text("utf-8"))


def test_every_labelled_pair_gets_its_verdict_however_written():
    labels = [label for label, _, _ in PAIRS]
    assert labels.count("same") + labels.count("different") == len(PAIRS)
    assert len(PAIRS) >= 400 and labels.count("different") >= 100
    wrong = [
        (label, one, other)
        for label, one, other in PAIRS
        if {answers_equal(one, other), answers_equal(other, one)}
        != {label == "same"}
    ]
    assert wrong == []
    texts = {text for _, *pair in PAIRS for text in pair if text.strip()}
    differing = [
        text
        for text in sorted(texts)
        if "$" not in text and not answers_equal(f"$ {text} $", text)
    ]
    assert differing == []


def test_answers_are_compared_without_importing_sympy_or_torch():
    code = (
        "import sys\n"
        "from reasoning_from_scratch.evaluation.verifier import *\n"
        "assert answers_equal(r'\\frac{\\sqrt 8}{2}', r'\\sqrt2')\n"
        "print(sorted({'sympy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_references_of_math500_equal_themselves_alone(math500):
    assert len(math500) == 500
    for problem in math500:
        answer, name = problem["answer"], problem["unique_id"]
        trees = [parse(clean(text)) for text in (answer, f"$\\,{answer}$.")]
        assert same(*trees), name
        assert verify(problem["solution"], answer, boxed_only=True), name
    # Equal in value though not in writing, each read by a person
    known = set(map(tuple, table("math500_equals")))
    answers = sorted({problem["answer"] for problem in math500})
    pairs = itertools.combinations(answers, 2)
    assert {pair for pair in pairs if answers_equal(*pair)} == known


def test_boxes_and_references_are_taken_and_nothing_is_none():
    response = "First \\boxed{4}. No: \\boxed{\\frac{10}{2}}"
    assert verify(response, "5") and verify(response, "5", boxed_only=True)
    assert not verify(response, "4")
    assert verify("The answer is 5.", "5")
    assert not verify("The answer is 5.", "5", boxed_only=True)
    for nothing in ("", " ", "$$", "\\boxed{}", None, 5, b"5"):
        assert not answers_equal(nothing, "5")
        assert not answers_equal("5", nothing)
        assert not answers_equal(nothing, nothing)
    assert answers_equal("0.5", ["2", "1/2"])
    assert not answers_equal("0.5", ["2", "3"])
    assert not answers_equal("0.5", [])


TOO_MUCH = [
    "1+" * tree.MAX_CHARACTERS + "1",
    "x+" * tree.MAX_TOKENS + "1",
    "(" * (tree.MAX_DEPTH + 1) + "x" + ")" * (tree.MAX_DEPTH + 1),
    "9" * (tree.MAX_DIGITS + 1),
    "1," * tree.MAX_ITEMS + "1",
    "5!!!!!!",
]
UNKNOWN = ["", "5 5", "((1)", "1)", r"\unknown{5}", "x^^2", "@", r"\frac{1}"]


@pytest.mark.parametrize("text", TOO_MUCH + UNKNOWN)
def test_what_is_over_a_limit_or_unknown_is_refused(text):
    with pytest.raises(tree.UnreadableAnswer):
        parse(clean(text))


@pytest.mark.parametrize(
    "text", ["10^{10^{10}}", "100000!", r"\frac{1}{0}", "0^0", r"\sqrt2"]
)
def test_what_has_no_small_exact_value_is_left_undecided(text):
    with pytest.raises(tree.Undecided):
        exact_value(parse(clean(text)))
