"""Exact values: expressions of rational numbers, as fractions.

Most answers are decided here, in microseconds. An irrational value, or a
number of more than MAX_BITS bits, raises Undecided.
"""

import math
from fractions import Fraction

from .evaluation import Evaluator
from .limits import MAX_BITS, MAX_FACTORIAL, Undecided
from .tree import CONSTANTS


def checked(value):
    """The value, unless it has too many digits."""
    size = value.numerator.bit_length() + value.denominator.bit_length()
    if size > MAX_BITS:
        raise Undecided("a number of too many digits")
    return value


def whole(value):
    """A fraction as an integer."""
    if value.denominator != 1:
        raise Undecided("not a whole number")
    return value.numerator


def add(*terms):
    """The sum of all terms."""
    return checked(sum(terms, Fraction(0)))


def multiply(*factors):
    """The product of all factors, checked after every one."""
    product = Fraction(1)
    for factor in factors:
        product = checked(product * factor)
    return product


def divide(above, below):
    """A quotient; nothing is divided by zero."""
    if below == 0:
        raise Undecided("division by zero")
    return checked(above / below)


def power(base, exponent):
    """A power with a whole exponent, refused before it grows too large."""
    exponent = whole(exponent)
    size = base.numerator.bit_length() + base.denominator.bit_length()
    if base == 0 and exponent <= 0 or size * abs(exponent) > 2 * MAX_BITS:
        raise Undecided("a power without value, or of too many digits")
    return checked(base**exponent)


def root(value, degree=Fraction(2)):
    """A root, where numerator and denominator both have one."""
    degree = whole(degree)
    if not 2 <= degree <= 20 or value < 0 and degree % 2 == 0:
        raise Undecided("no exact root")
    sides = abs(value.numerator), value.denominator
    over, under = (exact_root(side, degree) for side in sides)
    return Fraction(over if value >= 0 else -over, under)


def exact_root(value, degree):
    """The whole root of a whole number."""
    if value.bit_length() > 900:
        raise Undecided("no exact root")
    guess = round(value ** (1 / degree)) if degree > 2 else math.isqrt(value)
    for candidate in (guess, guess - 1, guess + 1):
        if candidate**degree == value:
            return candidate
    raise Undecided("no exact root")


def factorial(value):
    """n! of a small whole number."""
    if not 0 <= whole(value) <= MAX_FACTORIAL:
        raise Undecided("a factorial out of range")
    return Fraction(math.factorial(whole(value)))


def binomial(n, k):
    """n choose k of small whole numbers."""
    if not 0 <= whole(n) <= MAX_FACTORIAL or whole(k) < 0:
        raise Undecided("a binomial out of range")
    return Fraction(math.comb(whole(n), whole(k)))


def modulo(value, divisor):
    """The remainder, with the sign of the divisor."""
    if divisor == 0:
        raise Undecided("division by zero")
    return value % divisor


class ExactEvaluator(Evaluator):
    """Evaluates with fractions."""

    functions = {
        "add": add,
        "multiply": multiply,
        "divide": divide,
        "power": power,
        "negate": lambda value: -value,
        "percent": lambda value: value / 100,
        "sqrt": root,
        "root": root,
        "factorial": factorial,
        "binomial": binomial,
        "modulo": modulo,
        "abs": abs,
        "floor": lambda value: Fraction(math.floor(value)),
        "ceiling": lambda value: Fraction(math.ceil(value)),
        "sign": lambda value: Fraction((value > 0) - (value < 0)),
        "max": lambda *values: max(values),
        "min": lambda *values: min(values),
        "gcd": lambda *values: Fraction(math.gcd(*map(whole, values))),
        "lcm": lambda *values: Fraction(math.lcm(*map(whole, values))),
    }

    def number(self, value):
        return Fraction(value)

    def constant(self, name):
        kind = "irrational" if name in CONSTANTS else "not given a value"
        raise Undecided(f"{name} is {kind}")


def exact_value(tree, values=()):
    """The value of a tree as a Fraction; Undecided if it has none."""
    return ExactEvaluator(values).evaluate(tree)
