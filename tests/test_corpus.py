"""The problems, documents and tokenizer that the pocket models are made of."""

import gzip
import json
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

import reasoning_from_scratch.pocket as pocket
from reasoning_from_scratch.pocket.corpus import (
    OPENING,
    CorpusMix,
    careful_steps,
    coarse_steps,
    draw_document,
    draw_exercise,
)
from reasoning_from_scratch.pocket.exercises import (
    Work,
    decimal_text,
    fraction_answer,
    polynomial,
)
from reasoning_from_scratch.pocket.families import FAMILIES, LEVELS
from reasoning_from_scratch.pocket.problem_sets import (
    SPLIT_SIZES,
    draw_split,
    held_out_keys,
    problem_row,
    split_bytes,
)
from reasoning_from_scratch.pocket.tokenizer_training import train_tokenizer

ASSETS = Path(pocket.__file__).parent / "assets"
CELLS = [(family, level) for family in FAMILIES for level in LEVELS]
# One operation on whole numbers, as step lines hold it
LINE = re.compile(r"(-?\d+)([-+*/])\(?(-?\d+)\)?=(-?\d+)")


def exercises(family, level, count=60, seed=0):
    rng = Random(f"{seed}-{family}-{level}")
    return [
        draw_exercise(rng, family=family, level=level) for _ in range(count)
    ]


def problem_sets():
    """All rows shipped, by split."""
    return {
        split: [
            json.loads(line)
            for line in gzip.open(
                ASSETS / "pocketmath" / f"{split}.jsonl.gz",
                "rt",
                encoding="utf-8",
            )
        ]
        for split in SPLIT_SIZES
    }


# ---- Exercises and their routes ----


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_every_calculation_in_a_solution_is_right(family, level):
    for exercise in exercises(family, level):
        for step in exercise.steps:
            match = LINE.fullmatch(step)
            if not match:
                continue
            first, second = int(match[1]), int(match[3])
            value = {
                "+": lambda a, b: a + b,
                "-": lambda a, b: a - b,
                "*": lambda a, b: a * b,
                "/": Fraction,
            }[match[2]](first, second)
            assert value == int(match[4]), step


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_all_routes_of_a_problem_end_in_the_same_answer(family, level):
    for number in range(20):
        answers, questions = set(), set()
        for route in range(4):
            rng = Random(f"{family}-{level}-{number}")
            exercise = FAMILIES[family](rng, level, Random(route))
            answers.add(exercise.answer)
            questions.add(exercise.key)
        assert len(questions) == 1
        assert len(answers) == 1


def count_routes(family, level):
    """Most solutions that one of five problems has, each by own choices."""
    solve = FAMILIES[family]
    return max(
        len(
            {
                solve(Random(problem), level, Random(route)).steps
                for route in range(30)
            }
        )
        for problem in range(5)
    )


def test_every_family_has_several_routes_to_an_answer():
    for family in FAMILIES:
        routes = [count_routes(family, level) for level in LEVELS]
        assert max(routes) >= 4, family
        assert sum(count > 1 for count in routes) >= 3, family


def test_without_a_generator_the_route_is_always_the_first():
    first, again = (FAMILIES["arithmetic"](Random(5), 5) for _ in range(2))
    assert first.steps == again.steps


def value_at(text, x):
    """What an expression such as 2(x - 3) + x^2 is at x, by Python."""
    text = re.sub(r"(?<=[\dx)])(?=[x(])", "*", text).replace("^", "**")
    return eval(text, {"x": x})  # our own text


@pytest.mark.parametrize("level", LEVELS)
def test_systems_solve_both_of_their_equations(level):
    for exercise in exercises("systems", level):
        x, y = map(int, exercise.answer.strip("()").split(","))
        for a, b, c in exercise.key[1:]:
            assert a * x + b * y == c


@pytest.mark.parametrize("level", LEVELS)
def test_equations_balance_at_their_solution(level):
    for exercise in exercises("equations", level):
        x = Fraction(exercise.steps[-1].removeprefix("x="))
        shown = re.search(
            r"(?:Solve|if) ([^=]*) = (.*?)( for x)?\.$", exercise.question
        )
        left, right = (value_at(shown[i], x) for i in (1, 2))
        assert left == right, exercise.question


@pytest.mark.parametrize("level", LEVELS)
def test_polynomial_answers_agree_with_the_question_at_a_point(level):
    for exercise in exercises("polynomials", level):
        question, x = exercise.question, 3
        if exercise.key[1] == "expand":
            shown = re.fullmatch("Expand (?:and simplify )?(.*).", question)
        else:  # the point is the last number
            shown = re.search(
                r"(?:= |Evaluate )(.*?)(?:\. Find| at)", question
            )
            x = exercise.key[3]
        value = value_at(shown[1], x)
        assert value_at(exercise.answer, x) == value, question


def test_fraction_sums_are_right():
    for exercise in exercises("fractions", 5):
        total = sum(exercise.key[2:])
        assert exercise.answer == fraction_answer(total)


def test_divisor_sets_hold_exactly_the_divisors():
    for exercise in exercises("divisors", 5):
        number = exercise.key[2]
        listed = exercise.answer.strip("\\{}").split(", ")
        divisors = [d for d in range(1, number + 1) if number % d == 0]
        assert list(map(int, listed)) == divisors


def test_add_up_writes_a_line_for_each_addition():
    work = Work()
    assert work.add_up([5, -8, 4]) == 1
    assert work.steps == ["5-8=-3", "4-3=1"]


def test_multiply_splits_one_of_two_long_factors():
    work = Work()
    assert work.multiply(24, 17) == 408
    assert work.steps == ["24*10=240", "24*7=168", "240+168=408"]


def test_numbers_are_written_as_answers():
    assert decimal_text(-250, 2) == "-2.5"
    assert decimal_text(7, 1) == "0.7"
    assert decimal_text(300, 2) == "3"
    assert fraction_answer(Fraction(-3, 4)) == "-\\frac{3}{4}"
    assert fraction_answer(Fraction(6, 3)) == "2"
    assert polynomial([2, 0, -1]) == "2x^2-1"
    assert polynomial([-1, 5], spaced=True) == "-x + 5"


# ---- Documents ----


def test_the_corpus_is_a_function_of_its_seed():
    first, second = Random(11), Random(11)
    for _ in range(50):
        document = draw_document(first, CorpusMix())
        assert document == draw_document(second, CorpusMix())


def test_documents_hold_the_mixture_that_was_asked_for():
    rng = Random(1)
    kinds = Counter()
    for _ in range(4000):
        document = draw_document(rng, CorpusMix())
        if not document.prompt:
            kinds["drill"] += 1
        elif document.completion.startswith(" \\boxed"):
            kinds["direct"] += 1
        elif document.prompt.endswith(f"\nAnswer: {OPENING}"):
            kinds["opened"] += 1
        elif document.prompt.endswith("\nAnswer:"):
            kinds["bare"] += 1
    # 10 %, 44 %, 46 % * 75 % * 75 % = 26 % and 46 % * 25 % = 11.5 %;
    # two points are about three deviations
    assert abs(kinds["drill"] / 4000 - 0.10) < 0.02
    assert abs(kinds["direct"] / 4000 - 0.44) < 0.025
    assert abs(kinds["opened"] / 4000 - 0.26) < 0.025
    assert abs(kinds["bare"] / 4000 - 0.115) < 0.02


def test_every_document_ends_with_the_end_token_and_problems_with_a_box():
    rng = Random(2)
    for _ in range(500):
        document = draw_document(rng, CorpusMix())
        assert document.completion.endswith("<|endoftext|>")
        assert not document.completion.startswith("\n")
        if document.prompt:
            assert "\nAnswer:" in document.prompt
            assert document.completion.endswith("}<|endoftext|>")
            assert document.completion.count("\\boxed") == 1


def test_no_held_out_problem_occurs_in_a_large_sample_of_the_corpus():
    rng, held_out, seen = Random(3), held_out_keys(), []
    questions = {
        exercise.question
        for split in ("test", "validation")
        for exercise in draw_split(split)
    }
    for _ in range(20_000):
        document = draw_document(rng, CorpusMix(), held_out)
        question = document.prompt.partition("\nAnswer:")[0]
        seen.append(question.removeprefix("Problem: "))
    assert not questions.intersection(seen)


def test_a_held_out_problem_is_drawn_again():
    mix = CorpusMix(drills=0.0)
    drawn = draw_document(Random(4), mix)
    rng = Random(4)
    rng.random()  # the kind of document is drawn first
    key = draw_exercise(rng).key
    assert draw_document(Random(4), mix, {key}).prompt != drawn.prompt


def test_coarse_solutions_keep_every_second_line_and_the_last():
    assert coarse_steps(("a", "b", "c", "d", "e")) == ("a", "c", "e")
    assert coarse_steps(("a", "b", "c", "d")) == ("b", "d")
    assert coarse_steps(("a",)) == ("a",)


def test_thinking_documents_think_before_a_boxed_answer():
    rng = Random(5)
    mix = CorpusMix(drills=0.0, direct=0.0, thinking=True)
    for _ in range(100):
        text = draw_document(rng, mix).text
        thinking = text.split("<think>\n")[1].split("\n</think>\n\n\\boxed{")
        assert len(thinking) == 2
        assert thinking[0]


def test_careful_steps_work_long_calculations_in_pieces():
    # 7*6=42, carry 4: 4*6+4=28
    assert careful_steps(["6*47=282"]) == ("7*6=42 4*6+4=28", "6*47=282")
    # 7+5=12, carry 1: 4+8+1=13, carry 1: 3+2+1=6
    expected = ("7+5=12 4+8+1=13 3+2+1=6", "347+285=632")
    assert careful_steps(["347+285=632"]) == expected
    # 2-7 borrows: 12-7=5, then 5-1-1=3
    assert careful_steps(["52-17=35"]) == ("12-7=5 5-1-1=3", "52-17=35")
    # 34 holds 6 five times, 4 are left: 42 holds it seven times
    assert careful_steps(["342/6=57"]) == ("34/6=5r4 42/6=7", "342/6=57")
    assert careful_steps(["-5x=65"]) == ("-5x=65", "6/5=1r1 15/5=3")
    assert careful_steps(["4+3=7", "x=3/4"]) == ("4+3=7", "x=3/4")


# ---- Problem sets ----


def test_the_splits_have_their_sizes_and_are_stratified():
    for split, size in SPLIT_SIZES.items():
        cells = Counter((e.family, e.level) for e in draw_split(split))
        assert sum(cells.values()) == size
        assert set(cells.values()) == {size // 50}


def test_no_problem_occurs_in_two_splits_compared_by_canonical_key():
    keys = {
        split: {exercise.key for exercise in draw_split(split)}
        for split in SPLIT_SIZES
    }
    for split, size in SPLIT_SIZES.items():
        assert len(keys[split]) == size  # none twice
    assert not keys["test"] & keys["validation"]
    assert not keys["train"] & (keys["test"] | keys["validation"])


def test_the_shipped_problem_sets_come_out_of_the_generator():
    for split, rows in problem_sets().items():
        made = draw_split(split)
        assert len(rows) == len(made)
        for index in range(0, len(rows), 37):
            row = problem_row(split, index, made[index])
            assert rows[index] == row


def test_the_files_of_the_problem_sets_carry_no_time_stamp():
    # Bytes 4 to 7 of a gzip file hold the time it was made
    assert split_bytes("validation")[4:8] == bytes(4)
    assert split_bytes("validation") == split_bytes("validation")


def test_rows_have_the_fields_of_a_problem():
    row = problem_sets()["test"][12]
    assert row["id"] == "pocketmath-test-00012"
    assert row["solution"].endswith(f"\\boxed{{{row['answer']}}}")
    assert row["subject"] in FAMILIES
    assert row["level"] in LEVELS


def test_answers_are_of_many_kinds():
    answers = [row["answer"] for row in problem_sets()["test"]]
    kinds = {
        "fraction": r"-?\\frac\{\d+\}\{\d+\}",
        "negative": r"-\d+",
        "decimal": r"-?\d+\.\d+",
        "percentage": r"\d+\\%",
        "pair": r"\(-?\d+, -?\d+\)",
        "expression": r".*x.*",
        "set": r"\\\{.*\\\}",
    }
    for pattern in kinds.values():
        matching = [a for a in answers if re.fullmatch(pattern, a)]
        assert len(matching) >= 20


# ---- Tokenizer ----


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer()


def test_the_shipped_tokenizer_comes_out_of_its_training(tokenizer):
    shipped = json.loads(
        (ASSETS / "pocket" / "tokenizer.json").read_text("utf-8")
    )
    assert json.loads(tokenizer.to_str()) == shipped


def test_digits_are_single_tokens_and_any_text_comes_back(tokenizer):
    assert len(tokenizer.encode("2048").ids) == 4
    for text in ("x = -3.5", "Überraschung 数学 🙂", "a\n\nb  c\t"):
        ids = tokenizer.encode(text).ids
        assert tokenizer.decode(ids) == text


def test_control_and_think_tokens_are_one_id_each(tokenizer):
    for token in ("<|endoftext|>", "<|im_start|>", "<think>", "</think>"):
        assert len(tokenizer.encode(token).ids) == 1


def test_a_prompt_and_its_completion_are_encoded_apart_as_together(tokenizer):
    rng = Random(6)
    for mix in (CorpusMix(), CorpusMix(thinking=True)):
        for _ in range(200):
            document = draw_document(rng, mix)
            parts = [document.prompt, document.completion]
            apart = [i for p in parts for i in tokenizer.encode(p).ids]
            assert apart == tokenizer.encode(document.text).ids
