"""Answers as other programs got them wrong: found, written, compared, grouped.

The lines of `data/extraction_cases.jsonl` hold a response with its answer (and
with what a box alone gives), or an answer in its normal form. Those of
`data/answer_cases.jsonl` hold two answers, or a response and a reference, with
the verdict that is right; most come from public reports.
"""

from itertools import permutations

import pytest
from tiny import read_lines

from reasoning_from_scratch.evaluation.answers import (
    extract_answer,
    normalize_answer,
)
from reasoning_from_scratch.evaluation.grouping import (
    group_answers,
    same_answer,
)
from reasoning_from_scratch.evaluation.verifier import answers_equal, verify

EXTRACTIONS = read_lines("extraction_cases")
CASES = read_lines("answer_cases")
KINDS = sorted({case["kind"] for case in CASES})


def test_answers_are_found_and_written_in_one_way():
    cases = [case for case in EXTRACTIONS if "response" in case]
    assert len(cases) > 60
    for case in cases:
        response = case["response"]
        found = extract_answer(response)
        boxed = extract_answer(response, boxed_only=True)
        assert (found, boxed) == (case["answer"], case["boxed"]), response
    cases = [case for case in EXTRACTIONS if "normal" in case]
    assert len(cases) > 20
    for case in cases:
        assert normalize_answer(case["text"]) == case["normal"]
    for case in EXTRACTIONS:
        once = normalize_answer(case.get("normal") or case["answer"] or "")
        assert normalize_answer(once) == once


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


def test_a_vote_joins_what_the_verifier_accepts():
    pairs = ("0.666667", "2/3"), ("3.142857", "22/7"), ("0.1666667", "1/6")
    for first, second in pairs:
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
