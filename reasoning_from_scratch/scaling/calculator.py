r"""Tool use without training: a calculator writes what follows an `=`.

Behind `47*6=` the digits that our evaluator computes take the place of the
model's next tokens. When to calculate, and what, stays the model's choice.
Only whole results are written, or decimals where the expression has some, and
none behind what may be the end of something longer, as in 12:30+1.

Source: Cobbe et al. 2021 (arXiv 2110.14168), appendix C; there the model was
trained to mark its calculations.
"""

import re
from dataclasses import replace
from functools import partial

from reasoning_from_scratch.evaluation.verifier.parser import parse
from reasoning_from_scratch.evaluation.verifier.tree import (
    Undecided,
    UnreadableAnswer,
)
from reasoning_from_scratch.evaluation.verifier.values import exact_value

from .choosing import sample_and_choose
from .samples import draw_samples

OPERATOR = re.compile(r"[0-9)] *(?:[+\-*/^]|\\times|\\cdot)")
NUMBER = re.compile(r"\s*-?[0-9.,]+\s*")
THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
MAX_DECIMALS = 6
MAX_CHARACTERS = 100  # of one expression
MAX_DIGITS = 30  # of a result's numerator and of its denominator
ARITHMETIC = re.compile(r"(?:[0-9.+\-*/^() ]|\\times|\\cdot)+")
AMBIGUOUS = re.compile(
    r"[0-9.] +[0-9.]"  # 1 1/2, 12 500
    r"|\. *\("  # 0.(3)
    r"|[-/]0[0-9]"  # 2024-01-05
    r"|/.*[0-9)] *\("  # 6/2(1+2)
)
# Behind these something new begins; in 1,000 and 12:30, in x : 3 and 5\,000 it
# does not, and 1, 000 is not sure
SEPARATOR = re.compile(r"(?<![\\\s])(?!(?<=\d),\s*\d{3}(?!\d))[,;:](?=\s)")
UNFINISHED = re.compile(r"(?:[+\-*/^(]|\\times|\\cdot)$")


def calculate(expression):
    """Compute arithmetic exactly, as a Fraction; of any other text, None.

    >>> calculate("47*6 - 1/3")
    Fraction(845, 3)
    """
    if (
        len(expression) > MAX_CHARACTERS
        or not ARITHMETIC.fullmatch(expression)
        or AMBIGUOUS.search(expression)
    ):
        return None
    try:
        value = exact_value(parse(expression))
    except (UnreadableAnswer, Undecided):
        return None
    largest = max(abs(value.numerator), value.denominator)
    return value if largest < 10**MAX_DIGITS else None


def draw_with_calculator(model, tokenizer, *question, **drawing):
    """`draw_samples` with results written in; they count as tokens."""
    edit = CalculatorEdit(tokenizer)
    pools = draw_samples(model, tokenizer, *question, edit=edit, **drawing)
    return [
        [replace(s, notes={"num_calls": count_calls(s.text)}) for s in pool]
        for pool in pools
    ]


# Answers each problem with a calculator at hand; several samples vote
calculator = partial(sample_and_choose, draw=draw_with_calculator)


class CalculatorEdit:
    """An `edit` for `generate` that writes results behind equals signs."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        texts = (tokenizer.decode([i]) for i in range(tokenizer.vocab_size))
        self.equals = {i: text for i, text in enumerate(texts) if "=" in text}
        self.pending = {}  # row -> tokens still to be written, last first

    def __call__(self, rows, token_ids):
        """What the model's next tokens, (batch,), become."""
        edited = token_ids.tolist()
        for place, row in enumerate(rows):
            if not self.pending.get(row) and edited[place] in self.equals:
                text = self.tokenizer.decode(row.token_ids)
                self.pending[row] = self.tokens_of(text, edited[place])
            if self.pending.get(row):
                edited[place] = self.pending[row].pop()
        return token_ids.new_tensor(edited)

    def tokens_of(self, text, chosen):
        """The equals sign and the result, last token first; or nothing."""
        before = self.equals[chosen].partition("=")[0]
        result = result_behind(text + before)
        if result is None:
            return []
        return self.tokenizer.encode(f"{before}={result}")[::-1]


def result_behind(text):
    r"""Compute what should follow an equals sign behind this text.

    Its last line, or what stands there behind a comma, a colon or another
    `=`, must be arithmetic. None without a whole result, and where a number
    is being written in other ways, as in 14=1*14=2*7.

    >>> result_behind("So:\n47*6")
    '282'
    """
    above, _, line = text.rpartition("\n")
    *sides, last = line.split("=")
    if any(map(NUMBER.fullmatch, sides)) or goes_on(above, line):
        return None
    expression = THOUSANDS.sub(
        lambda number: number[0].replace(",", ""), SEPARATOR.split(last)[-1]
    )
    value = calculate(expression) if OPERATOR.search(expression) else None
    if value is None:
        return None
    is_short = (value * 10**MAX_DECIMALS).denominator == 1
    if value.denominator == 1 or "." in expression and is_short:
        gap = " " if expression.endswith(" ") else ""
        return gap + decimal_text(value)
    return None


def goes_on(above, line):
    """Tell whether the line may go on with a calculation of the one above."""
    is_unfinished = UNFINISHED.search(above.rstrip(" ")) is not None
    return is_unfinished or line.lstrip(" ").startswith(tuple("+*/^"))


def decimal_text(value):
    """Write a fraction of at most MAX_DECIMALS decimals without rounding."""
    digits = f"{abs(int(value * 10**MAX_DECIMALS)):0{MAX_DECIMALS + 1}d}"
    whole, decimals = digits[:-MAX_DECIMALS], digits[-MAX_DECIMALS:]
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{decimals}".rstrip("0").rstrip(".")


def count_calls(text):
    """Count the equals signs behind which the calculator wrote."""
    places = (match.start() for match in re.finditer("=", text))
    return sum(result_behind(text[:place]) is not None for place in places)
