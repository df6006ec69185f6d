"""Answers that other verifiers got wrong, kind by kind.

`data/answer_cases.jsonl` holds two answers, or a response and a reference,
with the verdict that is right; most come from public reports.
"""

import json
from itertools import permutations
from pathlib import Path

import pytest

from reasoning_from_scratch.evaluation.answers import extract_answer
from reasoning_from_scratch.evaluation.grouping import (
    group_answers,
    same_answer,
)
from reasoning_from_scratch.evaluation.verifier import answers_equal, verify

LINES = (Path(__file__).parent / "data/answer_cases.jsonl").read_text("utf-8")
CASES = [json.loads(line) for line in LINES.splitlines()]
KINDS = sorted({case["kind"] for case in CASES})
MENTIONS = [
    r"Put it in \boxed: 5",
    r"I will answer in \boxed format: 5",
    r"I am told to mark my solution with \boxed. So it is $5$.",
    r"as \boxed asks, on $5$ lines",
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_case_of_the_kind_gets_its_verdict(kind):
    wrong = []
    for case in CASES:
        if case["kind"] != kind:
            continue
        if "response" in case:
            verdicts = {verify(case["response"], case["gold"])}
        else:
            pair = case["pred"], case["gold"]
            verdicts = {answers_equal(*pair), answers_equal(*pair[::-1])}
        if verdicts != {case["expected"]}:
            wrong.append(case)
    assert wrong == []


@pytest.mark.parametrize("mention", MENTIONS)
def test_a_bare_mention_of_the_box_is_no_box(mention):
    assert extract_answer(mention, boxed_only=True) is None
    assert extract_answer(rf"\boxed{{7}}. {mention}", boxed_only=True) == "7"


@pytest.mark.parametrize(
    ("first", "second"),
    [("0.666667", "2/3"), ("3.142857", "22/7"), ("0.1666667", "1/6")],
)
def test_a_vote_joins_what_the_verifier_accepts(first, second):
    assert same_answer(first, second) and answers_equal(first, second)


@pytest.mark.parametrize(
    "answers", [["50", "50%", "0.5", "7"], ["120", r"120^\circ", "5", "x=5"]]
)
def test_groups_do_not_depend_on_the_order(answers):
    partitions = set()
    for order in permutations(answers):
        groups = group_answers(list(order))
        assert groups[0] == 0
        numbers = dict(zip(order, groups, strict=True))
        partitions.add(
            frozenset(
                frozenset(a for a in answers if numbers[a] == number)
                for number in groups
            )
        )
    assert len(partitions) == 1
