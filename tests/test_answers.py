"""Finding the answer in a response, and writing it in one way."""

import pytest

from reasoning_from_scratch.evaluation.answers import (
    extract_answer,
    normalize_answer,
)

BOXES = [
    (r"So \boxed{5}.", "5"),
    (r"\boxed{4}, no, \boxed{5}", "5"),
    (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"\boxed{ x = 3 }", "x = 3"),
    (r"\boxed {7}", "7"),
    (r"\boxed 7", "7"),
    (r"$\boxed 7$ apples", "7"),
    (r"$\boxed\frac12$", r"\frac12"),
    (r"\fbox{8}", "8"),
    (r"$\boxed{9}$", "9"),
    (r"\boxed{1} and then \boxed{unclosed", "1"),
    (r"\boxed{2} \boxed{\frac{1}{2}", "2"),
    (r"\boxed{5} and a { brace", "5"),
    (r"} \boxed{5}", "5"),
    (r"\boxed{5} or \boxed{}", "5"),
    (r"\boxed{\boxed{6}}", "6"),
    (r"\boxed{\text{(B)}}", r"\text{(B)}"),
    ("\\boxed{\n10\n}", "10"),
    (r"\boxed{4}</think> So it is \boxed{5}", "5"),
    (r"<think>\boxed{4}</think>\boxed{5}", "5"),
]
FALLBACKS = [
    ("The answer is 42.", "42"),
    (
        "The final answer is $\\frac{1}{2}$. I hope it is correct.",
        r"\frac{1}{2}",
    ),
    ("Final Answer: (1, 2)", "(1, 2)"),
    ("**Answer:** 12 apples", "12 apples"),
    ("The answer is: **7**", "7"),
    ("The answer is 3.14 because of pi", "3.14"),
    ("the answer is 1. No, the answer is 2.", "2"),
    ("She sold 48/2 = 24 clips.\n#### 72", "72"),
    ("#### 1,234", "1,234"),
    ("It costs **18 dollars** in all.", "18 dollars"),
    ("We get 3 + 4 = 7", "7"),
    ("There are 1,250 apples left.", "1,250"),
    ("He has $12.50 now", "$12.50"),
    ("that makes -3/4 of it", "-3/4"),
    ("so it grows by 15%.", "15%"),
    (r"and hence $x = \sqrt{2}$.", r"x = \sqrt{2}"),
    (r"Thus \(n = 12\).", "n = 12"),
]


@pytest.mark.parametrize(("response", "answer"), BOXES)
def test_the_last_complete_box_is_found(response, answer):
    assert extract_answer(response) == answer
    assert extract_answer(response, boxed_only=True) == answer


@pytest.mark.parametrize(("response", "answer"), FALLBACKS)
def test_without_a_box_weaker_signs_are_tried_unless_switched_off(
    response, answer
):
    assert extract_answer(response) == answer
    assert extract_answer(response, boxed_only=True) is None


@pytest.mark.parametrize(
    "response", ["", "no idea", "\\boxed{", "\\boxed{}", "}{", None, 5]
)
def test_a_response_without_an_answer_gives_none(response):
    assert extract_answer(response) is None


def test_only_what_follows_the_thinking_counts():
    assert extract_answer(r"\boxed{5}</think>I do not know") is None


def test_a_box_cut_off_by_the_token_limit_is_no_answer():
    # 12 may have been the start of 125.
    assert extract_answer(r"It is \boxed{12") is None


def test_a_box_wins_over_any_later_sign():
    assert extract_answer(r"\boxed{5} The answer is 6. #### 7") == "5"


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        (" 5 ", "5"),
        ("$5$", "5"),
        ("+5", "5"),
        ("−5", "-5"),
        ("5.0", "5"),
        ("0.50", "0.5"),
        (".5", "0.5"),
        ("1,000,000", "1000000"),
        ("1{,}000", "1000"),
        ("11,\\!111", "11111"),
        ("(1,234, 5)", "(1234,5)"),
        (r"\dfrac{1}{2}", "1/2"),
        (r"\frac12", "1/2"),
        (r"-\tfrac{3}{4}", "-3/4"),
        (r"\frac{x}{2}", r"\frac{x}{2}"),
        (r"\sqrt2", r"\sqrt{2}"),
        ("x = 5", "5"),
        ("50\\%", "50"),
        ("90^\\circ", "90"),
        (r"\text{east}", "east"),
        (r"\left( 1, 2 \right)", "(1,2)"),
        ("1 1/2", "1 1/2"),
        (r"\boxed{7}", "7"),
        ("100", "100"),
        ("2 \\cdot 3", "2*3"),
    ],
)
def test_an_answer_is_written_in_one_way(answer, normal):
    assert normalize_answer(answer) == normal


def test_normalizing_twice_changes_nothing():
    for _, answer in BOXES:
        once = normalize_answer(answer)
        assert normalize_answer(once) == once


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("-73/10=-7.3\n-7.3}", "-7.3"),
        ("8/3=200/45\n-7/3", "-7/3"),
        ("10x+15y=21\n-10x", "-10x"),
        ("first 3,\n4", "4"),
        ("66*3=198\n20*4=", "198"),
    ],
)
def test_an_answer_without_a_box_stays_on_its_line(text, answer):
    assert extract_answer(text) == answer
