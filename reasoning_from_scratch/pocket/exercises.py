"""What a generated maths problem is, and the lines that solve it.

A family (see `families`) draws a problem from one random generator and writes
a worked solution with the help of `Routes`, which chooses among the valid ways
to the answer: which terms to add first, expand or divide, which unknown to
eliminate. Several routes to one answer are what makes voting pay: their
mistakes differ, the right answer is the same.

Step lines hold whole numbers and one operation each, such as `47*6=282`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from random import Random


@dataclass(frozen=True)
class Exercise:
    """One problem with its answer and one worked solution.

    Attributes:
        family: subject, one of `families.FAMILIES`.
        level: 1 (easiest) to 5.
        key: the canonical problem, its parameters without the wording; two
            exercises with equal keys ask the same question.
        question: the text of the problem.
        answer: what goes inside the box.
        steps: the lines of the solution, the answer not yet boxed.
    """

    family: str
    level: int
    key: tuple
    question: str
    answer: str
    steps: tuple[str, ...]


class Routes:
    """Chooses among valid ways to solve; without `rng` always the first."""

    def __init__(self, rng: Random | None = None):
        self.rng = rng

    def pick(self, *options):
        """Return one of the options."""
        return self.rng.choice(options) if self.rng else options[0]

    def shuffled(self, items):
        """Return the items in some order."""
        items = list(items)
        if self.rng:
            self.rng.shuffle(items)
        return items


def between(rng, low, high, *, nonzero=False):
    """Draw a whole number from low to high, both included."""
    number = rng.randint(low, high)
    while nonzero and number == 0:
        number = rng.randint(low, high)
    return number


def signed_sum(texts):
    """Join term texts with their signs: ["47*6", "-15"] -> "47*6-15"."""
    joined = "".join(t if t.startswith("-") else "+" + t for t in texts)
    return joined.removeprefix("+")


def spaced_sum(texts):
    """Join term texts for reading: ["47*6", "-15"] -> "47*6 - 15"."""
    parts = [texts[0]]
    for text in texts[1:]:
        sign, rest = ("-", text[1:]) if text[0] == "-" else ("+", text)
        parts.append(f"{sign} {rest}")
    return " ".join(parts)


def factor(number):
    """Write a factor, in brackets when it is negative."""
    return str(number) if number >= 0 else f"({number})"


def add_up(routes, values, steps):
    """Sum the values pair by pair in any order, a step line for each pair.

    Args:
        routes: chooses the order.
        values: at least one whole number, of either sign.
        steps: list that the lines are appended to.

    Returns:
        The sum.
    """
    values = list(values)
    while len(values) > 1:
        if len(values) > 2:
            values = routes.shuffled(values)
        first, second = values[:2]
        if first < 0 < second:  # 12-5 reads better than -5+12
            first, second = second, first
        elif first > 0 and second > 0:
            first, second = routes.pick((first, second), (second, first))
        total = first + second
        steps.append(f"{signed_sum([str(first), str(second)])}={total}")
        values = [total, *values[2:]]
    return values[0]


def multiply(routes, first, second, steps):
    """Multiply two whole numbers; of two long factors one is split first.

    Returns:
        The product. Appends one line, or three when both factors have two
        or more digits: one of them is split into tens and ones.
    """
    product = first * second
    splits = [
        (whole, split)
        for whole, split in ((first, second), (second, first))
        if abs(split) > 10 and split % 10
    ]
    if not splits or _is_round(first) or _is_round(second):
        steps.append(f"{first}*{factor(second)}={product}")
        return product
    whole, split = routes.pick(*splits)
    ones = abs(split) % 10 * (1 if split > 0 else -1)
    parts = [whole * (split - ones), whole * ones]
    steps.append(f"{whole}*{factor(split - ones)}={parts[0]}")
    steps.append(f"{whole}*{factor(ones)}={parts[1]}")
    return add_up(Routes(), parts, steps)


def _is_round(number):
    """Has one digit, zeros at the end aside: 7, 40, 300."""
    return len(str(abs(number)).rstrip("0")) <= 1


def decimal_text(number, places):
    """Write number / 10**places without trailing zeros: (-250, 2) -> -2.5."""
    sign = "-" if number < 0 else ""
    whole, rest = divmod(abs(number), 10**places)
    digits = f"{rest:0{places}d}".rstrip("0") if places else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def fraction_answer(value: Fraction):
    r"""Write a fraction for the box: Fraction(-3, 4) -> -\frac{3}{4}."""
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def term(coefficient, symbol):
    """Write a term such as 3x, -x or 7 (symbol empty for a constant)."""
    if symbol and abs(coefficient) == 1:
        return symbol if coefficient > 0 else f"-{symbol}"
    return f"{coefficient}{symbol}"


def polynomial(coefficients, *, spaced=False):
    """Write a polynomial in x, highest power first: [2, 0, -1] -> 2x^2-1."""
    degree = len(coefficients) - 1
    symbols = [_power(degree - i) for i in range(degree + 1)]
    texts = [
        term(c, s) for c, s in zip(coefficients, symbols, strict=True) if c
    ]
    if not texts:
        return "0"
    return spaced_sum(texts) if spaced else signed_sum(texts)


def _power(degree):
    return {0: "", 1: "x"}.get(degree, f"x^{degree}")
