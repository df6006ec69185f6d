"""What a generated maths problem is, and the lines that solve it.

A family (see `families`) draws a problem from one random generator and solves
it in a `Work`, which chooses among the valid ways to the answer: which terms
to add first, expand or divide, which unknown to eliminate. Several routes to
one answer are what makes voting pay: their mistakes differ, the right answer
is the same.
"""

import re
from dataclasses import dataclass


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

    def __init__(self, rng=None):
        self.rng = rng
        self.steps = []
        self.write = self.steps.append

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
        self.write(f"{first}{second:+}={first + second}")
        return first + second

    def multiply(self, first, second):
        """Multiply; of two factors of two digits one is split into tens."""
        pairs = (first, second), (second, first)
        splits = [pair for pair in pairs if pair[1] % 10]
        # 7, 40 and 300 have one digit, zeros at the end aside
        is_short = any(len(f"{abs(n)}".rstrip("0")) < 2 for n in pairs[0])
        if is_short or not splits:
            self.write(f"{first}*{factor(second)}={first * second}")
            return first * second
        whole, split = self.pick(*splits)
        ones = abs(split) % 10 * (1 if split > 0 else -1)
        for part in (split - ones, ones):
            self.write(f"{whole}*{factor(part)}={whole * part}")
        return self._add(whole * (split - ones), whole * ones)

    def multiply_all(self, pairs):
        """The products of the pairs, worked in any order."""
        return [self.multiply(*pair) for pair in self.shuffled(pairs)]


def nonzero(rng, low, high):
    """Draw a whole number other than 0 from low to high, both included."""
    while not (number := rng.randint(low, high)):
        pass
    return number


def signed(rng, low, high):
    """Draw a number from low to high and a sign for it."""
    return rng.choice([1, -1]) * rng.randint(low, high)


# ---- Texts ----


def signed_sum(texts):
    """Join term texts with their signs: ["47*6", "-15"] -> "47*6-15"."""
    return "+".join(texts).replace("+-", "-")


def spaced_sum(terms):
    """Join terms for reading: ["47*6", -15] -> "47*6 - 15"."""
    return " + ".join(map(str, terms)).replace("+ -", "- ")


def factor(number):
    """Write a factor, in brackets when it is negative."""
    return str(number) if number >= 0 else f"({number})"


def fraction_answer(value):
    r"""Write a fraction for the box: Fraction(-3, 4) -> -\frac{3}{4}."""
    return re.sub(r"(\d+)/(\d+)", r"\\frac{\1}{\2}", str(value))


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
    highest_last = enumerate(reversed(coefficients))
    texts = [monomial(c, power) for power, c in highest_last if c] or ["0"]
    return (spaced_sum if spaced else signed_sum)(texts[::-1])
