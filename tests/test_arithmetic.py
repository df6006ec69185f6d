"""The calculator's arithmetic: exact, and calm about any text."""

import random
import time
from fractions import Fraction

import pytest

from reasoning_from_scratch.scaling.calculator import (
    MAX_DIGITS,
    calculate,
)

ALPHABETS = (
    "0123456789.+-*/^() ",  # mostly well-formed pieces
    "0123456789+-*/",
    "9^()-. ",  # towers, nesting
    "".join(map(chr, range(32, 127))),
    "0147+-*/=xπ÷×²½٣\\{}timescdot\n\x00\ud800",
)
FORMS = ("{}", "({})", "-({})", "({})*9^99", "{}/0", "(((((({}))))))")
SECONDS = 1.0  # for one text, on a busy machine


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("47*6", 282),
        ("2+3*4", 14),
        ("(2+3)*4", 20),
        ("10-2-3", 5),
        ("100/10/5", 2),
        ("8/2*4", 16),
        ("-2^2", -4),
        ("3*(-2)", -6),
        ("2--3", 5),
        ("2^-1", Fraction(1, 2)),
        ("1.5*4", 6),
        ("0.1+0.2", Fraction(3, 10)),
        (r"47 \times 6", 282),
        (" 7 + 5 ", 12),
    ],
)
def test_arithmetic_is_exact_and_keeps_its_order(expression, value):
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "2x+1",
        "sqrt(4)",
        "__import__('os')",
        "1/0",
        "0^0",
        "9^9^9",  # no two exponents on one base
        "9^999999999",
        "9^99",  # a result of 95 digits
        "(" * 60 + "1" + ")" * 39,
        "1+" * 60 + "1",
        "3 4",
        "1 1/2",  # a mixed number in an answer, but no arithmetic
        "(3",
        "2=2",
        "1,000",
        "٣+٣",
    ],
)
def test_what_is_no_arithmetic_or_too_large_has_no_value(expression):
    assert calculate(expression) is None


def random_expression(rng, depth):
    """An expression of whole numbers and the value it should have."""
    if depth == 0 or rng.random() < 0.2:
        number = rng.randrange(100)
        return str(number), Fraction(number)
    left, first = random_expression(rng, depth - 1)
    right, second = random_expression(rng, depth - 1)
    sign = rng.choice("+-*/")
    if sign == "/" and second == 0:
        sign = "+"
    value = {
        "+": lambda: first + second,
        "-": lambda: first - second,
        "*": lambda: first * second,
        "/": lambda: first / second,
    }[sign]()
    return f"({left}{sign}{right})", value


def test_random_expressions_have_the_value_of_their_tree():
    rng = random.Random(0)
    for _ in range(300):
        expression, value = random_expression(rng, 3)
        assert calculate(expression) == value, expression


def fuzz(count, seed=0):
    """Throw strings at the calculator; any exception is the caller's.

    Returns:
        (values, slowest): how many had a value, and seconds of the slowest.
    """
    rng, num_values, slowest = random.Random(seed), 0, 0.0
    for _ in range(count):
        size = rng.randrange(1, rng.choice((8, 30, 120)))
        text = "".join(rng.choices(rng.choice(ALPHABETS), k=size))
        text = rng.choice(FORMS).format(text)
        start = time.perf_counter()
        value = calculate(text)
        slowest = max(slowest, time.perf_counter() - start)
        if value is not None:
            num_values += 1
            assert abs(value.numerator) < 10**MAX_DIGITS
    return num_values, slowest


def test_random_strings_raise_nothing_and_take_no_time():
    num_values, slowest = fuzz(3_000)
    assert num_values > 100  # not all of it is refused at the door
    assert slowest < SECONDS


@pytest.mark.slow
def test_a_hundred_thousand_strings_raise_nothing_and_take_no_time():
    num_values, slowest = fuzz(120_000, seed=1)
    print(f"{num_values:,} had a value, slowest {1000 * slowest:.0f} ms")
    assert num_values > 4_000
    assert slowest < SECONDS
