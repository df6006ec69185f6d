"""What a generated maths problem is, and the lines that solve it.

A family (see `families`) draws a problem from one random generator and solves
it in a `Work`, which chooses among the valid ways to the answer: which terms
to add first, expand or divide, which unknown to eliminate. Several routes to
one answer are what makes voting pay: their mistakes differ, the right answer
is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from random import Random


@dataclass(frozen=True)
class Exercise:
    """One problem with its answer and one worked solution."""

    family: str  # subject, one of `families.FAMILIES`
    level: int  # 1 (easiest) to 5
    key: tuple  # the parameters without the wording: equal keys ask the same
    question: str
    answer: str  # what goes inside the box
    steps: tuple[str, ...]  # the answer not yet boxed


class Work:
    """A solution being written; without `rng` always by the first route.

    Step lines hold whole numbers and one operation each, such as `47*6=282`.
    """

    def __init__(self, rng: Random | None = None, is_detailed=False):
        self.rng = rng
        self.is_detailed = is_detailed
        self.steps = []

    def write(self, line):
        """Append a step line."""
        self.steps.append(line)

    def note(self, *lines):
        """Append lines that a plain solution does in the head."""
        if self.is_detailed:
            self.steps += lines

    def note_product(self, first, second):
        """The product, unless a factor is 1 or -1."""
        if 1 not in (abs(first), abs(second)):
            self.note(f"{first}*{factor(second)}={first * second}")

    def note_sum(self, first, second):
        """The sum, unless there is nothing to add."""
        if first and second:
            both = signed_sum([str(first), str(second)])
            self.note(f"{both}={first + second}")

    def note_quotient(self, number, divisor):
        """The quotient, unless the divisor is 1."""
        if divisor not in (1, number):
            self.note(f"{number}/{divisor}={Fraction(number, divisor)}")

    def pick(self, *options):
        """Choose one of the options."""
        return self.rng.choice(options) if self.rng else options[0]

    def shuffled(self, items):
        """Return the items in some order."""
        items = list(items)
        if self.rng:
            self.rng.shuffle(items)
        return items

    def add_up(self, values):
        """Sum whole numbers pair by pair in any order, a line for each."""
        values = list(values)
        while len(values) > 1:
            if len(values) > 2:
                values = self.shuffled(values)
            first, second = values[:2]
            if first > 0 and second > 0:
                first, second = self.pick((first, second), (second, first))
            values = [self._add(first, second), *values[2:]]
        return values[0]

    def _add(self, first, second):
        if first < 0 < second:  # 12-5 reads better than -5+12
            first, second = second, first
        total = first + second
        self._note_sum_parts(first, second)
        self.write(f"{signed_sum([str(first), str(second)])}={total}")
        return total

    def _note_sum_parts(self, first, second):
        """The tens first, then the ones: 84+30=114, 114+9=123."""
        ones = abs(second) % 10 * (1 if second > 0 else -1)
        if ones and abs(second) > 10 and abs(first) > 10:
            self.note_sum(first, second - ones)
            self.note_sum(first + second - ones, ones)

    def multiply(self, first, second):
        """Multiply; of two factors of two digits one is split into tens."""
        splits = [
            (whole, split)
            for whole, split in ((first, second), (second, first))
            if abs(split) > 10 and split % 10
        ]
        if not splits or _is_round(first) or _is_round(second):
            self._note_parts(first, second)
            self.write(f"{first}*{factor(second)}={first * second}")
            return first * second
        whole, split = self.pick(*splits)
        ones = abs(split) % 10 * (1 if split > 0 else -1)
        for part in (split - ones, ones):
            self.write(f"{whole}*{factor(part)}={whole * part}")
        return self._add(whole * (split - ones), whole * ones)

    def _note_parts(self, first, second):
        """Tens and ones of a factor of two digits, times the other."""
        if _is_round(first) and not _is_round(second):
            first, second = second, first
        number = abs(second)
        if _is_round(first) or not _is_round(second) or number < 2:
            return
        if number >= 10 or abs(first) > 999:
            return
        parts = []
        for place, digit in enumerate(reversed(str(abs(first)))):
            part = int(digit) * 10**place
            if part:
                parts.append(part * number)
                self.note(f"{part}*{number}={part * number}")
        total = parts[0]
        for part in parts[1:]:
            self.note(f"{part}+{total}={part + total}")
            total += part

    def multiply_all(self, pairs):
        """The products of the pairs, worked in any order."""
        return [self.multiply(*pair) for pair in self.shuffled(pairs)]


def _is_round(number):
    """Has one digit, zeros at the end aside: 7, 40, 300."""
    return len(str(abs(number)).rstrip("0")) <= 1


def nonzero(rng, low, high):
    """Draw a whole number other than 0 from low to high, both included."""
    while not (number := rng.randint(low, high)):
        pass
    return number


def signed(rng, low, high):
    """Draw a number from low to high and a sign for it."""
    return rng.choice([1, -1]) * rng.randint(low, high)


def signed_sum(texts):
    """Join term texts with their signs: ["47*6", "-15"] -> "47*6-15"."""
    joined = "".join(t if t.startswith("-") else "+" + t for t in texts)
    return joined.removeprefix("+")


def spaced_sum(terms):
    """Join terms for reading: ["47*6", -15] -> "47*6 - 15"."""
    first, *others = map(str, terms)
    parts = [
        f" - {text[1:]}" if text[0] == "-" else f" + {text}" for text in others
    ]
    return first + "".join(parts)


def factor(number):
    """Write a factor, in brackets when it is negative."""
    return str(number) if number >= 0 else f"({number})"


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


def monomial(coefficient, power):
    """Write a power of x with its factor: (3, 2) -> 3x^2."""
    if not coefficient:
        return "0"
    return term(coefficient, {0: "", 1: "x"}.get(power, f"x^{power}"))


def polynomial(coefficients, *, spaced=False):
    """Write a polynomial in x, highest power first: [2, 0, -1] -> 2x^2-1."""
    powers = range(len(coefficients) - 1, -1, -1)
    texts = [
        monomial(c, power)
        for c, power in zip(coefficients, powers, strict=True)
        if c
    ]
    if not texts:
        return "0"
    return spaced_sum(texts) if spaced else signed_sum(texts)
