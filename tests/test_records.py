"""Records: grading, regrading, and summaries."""

import pytest

from reasoning_from_scratch.evaluation.records import (
    grade_record,
    regrade,
    summarize,
)


def record_of(response, reference, **fields):
    return grade_record(
        {
            "id": "p",
            "subject": "",
            "level": 0,
            "reference": reference,
            "response": response,
            "num_tokens": 10,
            "stop_reason": "stop",
            **fields,
        }
    )


def test_an_answer_is_judged_by_value():
    assert record_of(r"\boxed{0.5}", r"\frac12")["correct"]
    assert not record_of(r"\boxed{0.6}", r"\frac12")["correct"]


def test_a_response_without_an_answer_is_wrong():
    record = record_of("I do not know", "2")
    assert (record["answer"], record["correct"]) == (None, False)


def test_samples_are_judged_one_by_one():
    samples = [{"text": r"\boxed{2}"}, {"text": "?"}, {"text": r"\boxed{3}"}]
    record = record_of(r"\boxed{2}", "2", samples=samples)
    assert [s["correct"] for s in record["samples"]] == [True, False, False]
    assert [s["answer"] for s in record["samples"]] == ["2", None, "3"]


def test_regrading_changes_nothing_but_verdicts_that_were_wrong():
    right = record_of(r"\boxed{2}", "2")
    misjudged = {**right, "id": "q", "correct": False, "verifier": "older"}
    graded, changes = regrade([right, misjudged])
    assert graded == [right, {**right, "id": "q"}]
    assert changes == [{**right, "id": "q"}]


def test_tokens_per_second_count_all_tokens():
    result = summarize([record_of("1", "1"), record_of("2", "1")], 4.0)
    assert (result.mean_tokens, result.tokens_per_second) == (10, 5.0)
    assert summarize([record_of("1", "1")]).tokens_per_second == 0.0


def test_samples_of_different_number_or_role_give_no_curve():
    two = [{"text": r"\boxed{2}"}] * 2
    three = [{"text": r"\boxed{2}"}] * 3
    mixed = [
        record_of("2", "2", samples=two),
        record_of("2", "2", samples=three),
    ]
    assert summarize(mixed).pass_at_k == {}
    roles = [{"text": "2", "role": "draft"}, {"text": "2", "role": "revision"}]
    assert summarize([record_of("2", "2", samples=roles)]).avg_at_n is None


def test_equal_answers_spelled_differently_vote_together():
    texts = [r"\boxed{1/2}", r"\boxed{0.5}", r"\boxed{3}", r"\boxed{3.1}"]
    record = record_of(
        texts[2], r"\frac{1}{2}", samples=[{"text": text} for text in texts]
    )
    assert summarize([record]).majority_at_k["4"] == pytest.approx(1.0)
