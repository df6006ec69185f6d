"""The problems, documents and tokenizer that the pocket models are made of."""

import gzip
import json
import re
from collections import Counter
from fractions import Fraction
from random import Random

import pocket_data
import pytest
from pocket import corpus
from pocket.exercises import fraction_answer
from pocket.families import (
    FAMILIES,
    LEVELS,
    draw_exercise,
)
from pocket_teacher import careful_steps, draw_thoughtful
from tokenizers import Tokenizer

from reasoning_from_scratch.llm.weights import ASSETS

CELLS = [(family, level) for family in FAMILIES for level in LEVELS]
# One operation on whole numbers, as step lines hold it
LINE = re.compile(r"(-?\d+[-+*/]\(?-?\d+\)?)=(-?\d+)")


def exercises(family, level, count=60):
    rng = Random(f"0-{family}-{level}")
    return [
        draw_exercise(rng, family, level, route_rng=rng) for _ in range(count)
    ]


def documents(seed, count, mix=None, held_out=(), draw=corpus.draw_document):
    rng, mix = Random(seed), mix or corpus.CorpusMix()
    return [draw(rng, mix, held_out) for _ in range(count)]


def value_at(text, x=0):
    """What an expression such as 2(x - 3) + x^2 is at x, by Python."""
    text = re.sub(r"(?<=[\dx)])(?=[x(])", "*", text).replace("^", "**")
    return eval(text, {"x": x})  # our own text


# ---- Exercises and their routes ----


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_every_calculation_in_a_solution_is_right(family, level):
    for exercise in exercises(family, level):
        for match in filter(None, map(LINE.fullmatch, exercise.steps)):
            assert value_at(match[1]) == int(match[2]), match[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_routes_of_a_problem_differ_and_end_in_the_same_answer(family):
    counts = []
    for level in LEVELS:
        for number in range(20):
            routes = [
                draw_exercise(Random(number), family, level, route_rng=route)
                for route in (None, None, *map(Random, range(30)))
            ]
            assert len({(each.key, each.answer) for each in routes}) == 1
            assert routes[0].steps == routes[1].steps  # without a generator
            counts.append((len({each.steps for each in routes}), level))
    assert max(counts)[0] >= 4
    assert len({level for count, level in counts if count > 1}) >= 3


@pytest.mark.parametrize("level", LEVELS)
def test_answers_fulfil_what_their_question_asks(level):
    for exercise in exercises("systems", level):
        x, y = map(int, exercise.answer.strip("()").split(","))
        assert all(a * x + b * y == c for a, b, c in exercise.key[1:])
    for exercise in exercises("equations", level):
        x = Fraction(exercise.steps[-1].removeprefix("x="))
        shown = re.search(
            r"(?:Solve|if) ([^=]*) = (.*?)( for x)?\.$", exercise.question
        )
        assert value_at(shown[1], x) == value_at(shown[2], x)
    for exercise in exercises("polynomials", level):
        question, x = exercise.question, 3
        if exercise.key[1] == "expand":
            shown = re.fullmatch("Expand (?:and simplify )?(.*).", question)
        else:  # the point is the last number
            x = exercise.key[3]
            shown = re.search(r"(?:= |Evaluate )(.*?)(?:\. F| at)", question)
        assert value_at(exercise.answer, x) == value_at(shown[1], x), question


def test_fraction_sums_and_divisor_sets_are_right():
    for exercise in exercises("fractions", 5):
        assert exercise.answer == fraction_answer(sum(exercise.key[2:]))
    for exercise in exercises("divisors", 5):
        number = exercise.key[2]
        divisors = [d for d in range(1, number + 1) if number % d == 0]
        assert exercise.answer == f"\\{{{str(divisors)[1:-1]}\\}}"


# ---- Documents ----


def test_no_held_out_problem_is_drawn():
    held_out = corpus.draw_split("test") + corpus.draw_split("validation")
    questions = {exercise.question for exercise in held_out}
    drawn = documents(3, 20_000, held_out=corpus.held_out_keys())
    prompts = [prompt.partition("\nAnswer:")[0] for prompt, _ in drawn]
    seen = {prompt.removeprefix("Problem: ") for prompt in prompts}
    assert not questions & seen
    rng, mix = Random(4), corpus.CorpusMix(drills=0.0)
    rng.random()  # the kind of document is drawn first
    key = draw_exercise(rng, route_rng=rng).key
    assert documents(4, 1, mix, {key}) != documents(4, 1, mix)


def test_coarse_and_careful_steps_by_hand():
    for lines, kept in (("abcde", "ace"), ("abcd", "bd"), ("a", "a")):
        assert corpus.coarse_steps(tuple(lines)) == tuple(kept)
    worked = {
        # 7*6=42, carry 4: 4*6+4=28
        "6*47=282": "7*6=42 4*6+4=28",
        # 7+5=12, carry 1: 4+8+1=13, carry 1: 3+2+1=6
        "347+285=632": "7+5=12 4+8+1=13 3+2+1=6",
        # 2-7 borrows: 12-7=5, then 5-1-1=3
        "52-17=35": "12-7=5 5-1-1=3",
        # 34 holds 6 five times, 4 are left: 42 holds it seven times
        "342/6=57": "34/6=5r4 42/6=7",
    }
    for step, pieces in worked.items():
        assert careful_steps([step]) == (pieces, step)
    assert careful_steps(["-5x=65"]) == ("-5x=65", "6/5=1r1 15/5=3")
    assert careful_steps(["4+3=7", "x=3/4"]) == ("4+3=7", "x=3/4")


# ---- Problem sets ----


def test_the_splits_are_disjoint_and_each_cell_has_its_share():
    keys = []
    for split, size in corpus.SPLIT_SIZES.items():
        cells = Counter((e.family, e.level) for e in corpus.draw_split(split))
        assert cells == dict.fromkeys(CELLS, size // 50)
        keys += [exercise.key for exercise in corpus.draw_split(split)]
    assert len(set(keys)) == sum(corpus.SPLIT_SIZES.values())


@pytest.mark.parametrize("split", corpus.SPLIT_SIZES)
def test_the_shipped_problem_sets_come_out_of_the_generator(split):
    made = pocket_data.split_bytes(split)
    shipped = (ASSETS / "pocketmath" / f"{split}.jsonl.gz").read_bytes()
    assert gzip.decompress(made) == gzip.decompress(shipped)
    assert made[4:8] == bytes(4)  # where gzip keeps the time it was made


# ---- Tokenizer ----


def test_the_shipped_tokenizers_come_out_of_their_training():
    trained = pocket_data.train_tokenizer(pocket_data.training_texts())
    for name, is_chat in (("pocket", False), ("pocket-teacher", True)):
        made = pocket_data.tokenizer_files(trained, is_chat=is_chat)
        config = made.pop("tokenizer_config.json")  # a model adds to it
        for file, text in made.items():
            assert (ASSETS / name / file).read_text("utf-8") == text
        shipped = (ASSETS / name / "tokenizer_config.json").read_text("utf-8")
        assert json.loads(config).items() <= json.loads(shipped).items()


def test_a_prompt_and_its_completion_are_encoded_apart_as_together():
    tokenizer = Tokenizer.from_file(str(ASSETS / "pocket" / "tokenizer.json"))
    for draw in (corpus.draw_document, draw_thoughtful):
        for parts in documents(6, 200, draw=draw):
            apart = [i for part in parts for i in tokenizer.encode(part).ids]
            assert apart == tokenizer.encode("".join(parts)).ids
    for text in ("2", "<|endoftext|>", "<|im_start|>", "<think>", "</think>"):
        assert len(tokenizer.encode(text).ids) == 1
    assert len(tokenizer.encode("2048").ids) == 4
    for text in ("x = -3.5", "Überraschung 数学 🙂", "a\n\nb  c\t"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
