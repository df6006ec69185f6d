r"""A calculator for text that a model wrote: exact, limited, never `eval`.

The verifier already reads and computes hostile text within limits on length,
depth, digits and exponents, so the calculator is that reading with all but
plain arithmetic shut out: numbers, `+ - * / ^`, `\times`, `\cdot` and round
brackets. No names, no functions, no lists. What is not arithmetic has no
value here; nothing raises.
"""

import re

from .verifier.answer_parser import parse
from .verifier.exact import exact_value
from .verifier.limits import Undecided, UnreadableAnswer

MAX_CHARACTERS = 100  # of one expression
MAX_DIGITS = 30  # of a result's numerator and of its denominator
ARITHMETIC = re.compile(r"(?:[0-9.+\-*/^() ]|\\times|\\cdot)+")
TWO_NUMBERS = re.compile(r"[0-9.] +[0-9.]")  # 1 1/2 would be read as mixed


def calculate(expression):
    """Compute an arithmetic expression exactly.

    Args:
        expression: any text.

    Returns:
        Fraction, or None: no arithmetic, no value (1/0), or over a limit.

    >>> calculate("47*6 - 1/3")
    Fraction(845, 3)
    """
    if len(expression) > MAX_CHARACTERS:
        return None
    if not ARITHMETIC.fullmatch(expression) or TWO_NUMBERS.search(expression):
        return None
    try:
        value = exact_value(parse(expression))
    except (UnreadableAnswer, Undecided):
        return None
    largest = max(abs(value.numerator), value.denominator)
    return value if largest < 10**MAX_DIGITS else None
