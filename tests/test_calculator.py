"""The calculator: exact, calm about any text, and silent when unsure."""

import random
import re
from fractions import Fraction

import pytest
import torch
from tiny import ByteTokenizer, table, tiny_model, within

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig, generate
from reasoning_from_scratch.scaling.calculator import (
    MAX_DIGITS,
    CalculatorEdit,
    calculate,
    calculator,
    count_calls,
    decimal_text,
    result_behind,
)

CASES = table("calculations")
VALUES, RESULTS = CASES["values"], CASES["results"]
# Without a value, each for its reason (9^9^9 is no tower of ours, 9^99 has 95
# digits)
REASONS = "no arithmetic, no value, too large, malformed, read in two ways"
UNREADABLE = [text for each in REASONS.split(", ") for text in CASES[each]]


@pytest.mark.parametrize("expression", [*VALUES, *UNREADABLE])
def test_arithmetic_alone_has_a_value_which_is_exact(expression):
    value = VALUES.get(expression)
    assert calculate(expression) == (value and Fraction(value))


def in_fractions(text):
    """What Python makes of our own text; None where it divides by zero."""
    exact = re.sub(r"[\d.]+", r"Fraction('\g<0>')", text)
    try:
        return eval(exact, {"Fraction": Fraction})
    except ZeroDivisionError:
        return None


def random_expression(rng, depth):
    if depth == 0 or rng.random() < 0.2:
        return str(rng.randrange(100))
    left, right = (random_expression(rng, depth - 1) for _ in "lr")
    return f"({left}{rng.choice('+-*/')}{right})"


def test_random_texts_have_the_value_of_python_or_none():
    rng = random.Random(0)
    for _ in range(300):
        text = random_expression(rng, 3)
        assert calculate(text) == in_fractions(text), text
    rng, num_values = random.Random(0), 0
    for _ in range(3_000):
        size = rng.randrange(1, rng.choice((8, 30, 120)))
        text = "".join(rng.choices(rng.choice(CASES["alphabets"]), k=size))
        text = rng.choice(CASES["forms"]).format(text)
        value = within(1.0, calculate, text)
        if value is not None:
            num_values += 1
            assert abs(value.numerator) < 10**MAX_DIGITS
    assert num_values > 100  # not all of it is refused at the door


# What could mean several things is left to the model: words stand before it;
# a sign makes no calculation; 16=2*2*2*2 and 14=1*14=2*7; 6/8 or 0.75?; no
# end of decimals; other ways to write a number; 47+6*2, over two lines
@pytest.mark.parametrize("text", [*RESULTS, *CASES["unsure"]])
def test_the_result_stands_behind_arithmetic_that_is_sure(text):
    assert result_behind(text) == RESULTS.get(text)


def random_sum(rng):
    numbers = [str(rng.choice((rng.randrange(1, 9999), 1.5, 0.25)))]
    for _ in range(rng.randrange(1, 4)):
        numbers += [rng.choice(("+", "-", "*", " + ", " - ", " * "))]
        numbers += [str(rng.randrange(1, 999))]
    return "".join(numbers)


def test_a_result_is_exact_whatever_stands_before_it():
    rng = random.Random(0)
    for _ in range(2_000):
        before, text = rng.choice(CASES["before"]), random_sum(rng)
        result = Fraction(result_behind(before + text))
        assert result == in_fractions(text), before + text
    for _ in range(300):  # thousands are read as one number
        first, second = rng.randrange(1_000, 10**9), rng.randrange(2, 5_000)
        text = f"{first:,} + ({second:,} - 1)*2"
        assert result_behind(text) == str(first + 2 * second - 2), text
    for before in CASES["part of"]:  # of something longer: no result
        for _ in range(100):
            text = before + random_sum(rng)
            assert result_behind(text) is None, text
    # Decimals are not rounded, and calls are counted
    values = [Fraction(-7, 4), Fraction(1200), Fraction(1, 1000), Fraction(0)]
    assert list(map(decimal_text, values)) == ["-1.75", "1200", "0.001", "0"]
    assert count_calls(" 3*18=54\n54+4x=9\n14=1*14=2*7\n54-4=50") == 2


class Writer:
    """A model that always writes the same bytes, position by position."""

    def __init__(self, text):
        self.model = tiny_model()
        self.text = text.encode() + b"\0" * 64
        self.config = self.model.config
        self.device, self.dtype = self.model.device, self.model.dtype

    def __call__(self, token_ids, cache, key_mask=None, last_only=False):
        self.model(token_ids, cache, key_mask, last_only)
        wanted = self.text[cache.length - len("?")]
        logits = torch.zeros(len(token_ids), 1, 256)
        logits[..., wanted] = 5.0  # likely, not certain
        return logits


def write(model, max_new_tokens=20, prompts=("?",), is_helped=True, **options):
    tokenizer = ByteTokenizer()
    options |= {"edit": CalculatorEdit(tokenizer)} if is_helped else {}
    options["max_new_tokens"] = max_new_tokens
    return generate(model, tokenizer, list(prompts), **options)


def test_a_wrong_result_is_replaced_by_the_right_one_which_nobody_drew():
    # As many digits as it would have written: it goes on at "\n"
    (output,) = write(Writer("47*6=272\n7+1=9\n"))
    assert output.text == "47*6=282\n7+1=8\n"
    assert len(output.token_ids) == len(output.text) + 1  # and the end
    changed = output.text.index("8")
    assert output.logprobs[changed] == 0.0 != output.logprobs[0]
    (cut,) = write(Writer("47*6=272\n"), max_new_tokens=6)
    assert (cut.text, cut.stop_reason) == ("47*6=2", "length")


def test_every_answer_of_a_batch_is_helped_alike():
    problems = [Problem("?", "8", id=name) for name in "ab"]
    question = (Writer("3+4=9\n7+1=9\n"), ByteTokenizer(), problems, ["?"] * 2)
    options = {"max_new_tokens": 16, "batch_size": 2, "num_samples": 2}
    options["sampling"] = SamplingConfig(temperature=0.1)
    for output in calculator(*question, seed=0, **options):
        assert output.response == "3+4=7\n7+1=8\n"
        assert [sample["num_calls"] for sample in output.samples] == [2, 2]


def test_a_model_that_writes_no_arithmetic_is_not_disturbed():
    text = "x=3\n14=1*14=2*7\n"  # no call
    assert write(Writer(text))[0].text == text
    options = {"prompts": ("a", "bcd"), "num_samples": 3, "seed": 4}
    helped, plain = (
        write(tiny_model(), 30, is_helped=is_helped, **options)
        for is_helped in (True, False)
    )
    assert helped == plain
