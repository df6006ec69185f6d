"""What the verifier refuses before any algebra starts.

Text that a model wrote is hostile input: a tower of powers in twenty
characters can fill the memory of any machine. Each limit is far above what an
answer needs (the longest reference of MATH has 159 characters) and low enough
that reading and comparing two answers takes milliseconds.
"""

MAX_CHARACTERS = 2_000  # of one answer, before tokenizing
MAX_TOKENS = 600
MAX_DEPTH = 40  # nested brackets, fractions, roots, exponents
MAX_DIGITS = 400  # of one number as it is written
MAX_ITEMS = 60  # of one list, set or matrix; matching is quadratic
MAX_BITS = 60_000  # of an exact integer, numerator or denominator
MAX_FACTORIAL = 3_000  # largest n whose n! is multiplied out
MAX_MAGNITUDE = 10**6  # largest |argument| of exp, sin, gamma, ...
MAX_COMPARED = 5_000  # pairs of parts in one comparison
MAX_STEPS = 5_000  # operations in one evaluation, sums unrolled

ALGEBRA_SECONDS = 1.0  # for all the symbolic algebra of one comparison
START_SECONDS = 20.0  # for the worker process to import SymPy


class UnreadableAnswer(ValueError):
    """The text is no answer that our grammar knows, or is over a limit."""


class Undecided(ArithmeticError):
    """A value cannot be had here: too large, undefined or symbolic."""


class TooLong(Undecided):
    """Evaluating takes more steps than an answer is worth."""
