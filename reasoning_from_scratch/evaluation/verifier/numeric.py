"""Numeric values with 60 digits, for what is irrational or complex.

mpmath does the arithmetic (it comes with SymPy, which is not imported here).
Each thread has its own context: a context's precision is shared state.
Arguments are kept below MAX_MAGNITUDE, so no function runs for long.
"""

import threading

from .evaluation import Evaluator
from .limits import MAX_MAGNITUDE, Undecided
from .vocabulary import words

DIGITS = 60
AGREE = 40  # digits in which two equal values agree at least
_thread = threading.local()


def context():
    """The mpmath context of this thread."""
    if not hasattr(_thread, "context"):
        import mpmath  # late: most answers need no irrational number

        _thread.context = mpmath.MPContext()
        _thread.context.dps = DIGITS
        _thread.functions = functions_of(_thread.context)
    return _thread.context


class NumericEvaluator(Evaluator):
    """Evaluates with mpmath's real and complex numbers."""

    def __init__(self, values, is_complex):
        super().__init__(values)
        self.is_complex = is_complex
        self.context = context()
        self.functions = _thread.functions

    def number(self, value):
        if hasattr(value, "denominator") and value.denominator != 1:
            return self.context.mpf(value.numerator) / value.denominator
        return self.context.mpf(int(value))

    def evaluate(self, tree):
        value = super().evaluate(tree)
        if not self.is_complex and not is_real(value):
            raise Undecided("not a real number")
        return value

    def constant(self, name):
        constants = {"pi": "pi", "e": "e", "i": "j"}
        if name not in constants:
            raise Undecided(f"{name} is not given a value")
        return +getattr(self.context, constants[name])


def numeric_value(tree, values=(), *, is_complex=True):
    """The value of a tree as an mpmath number; Undecided if it has none.

    With is_complex=False no step on the way may leave the real numbers: the
    product of the roots of x and y has no value where both are negative.
    """
    try:
        value = NumericEvaluator(values, is_complex).evaluate(tree)
    except (ZeroDivisionError, ValueError, OverflowError, TypeError) as error:
        raise Undecided(str(error)) from error
    if not context().isfinite(value):
        raise Undecided("not finite")
    return value


def small(value):
    """An argument that no function needs long for."""
    if abs(value) > MAX_MAGNITUDE:
        raise Undecided("an argument too large")
    return value


def is_real(value):
    """Whether the imaginary part is nothing but rounding."""
    part = abs(context().im(value))
    return part <= context().mpf(10) ** -AGREE * max(1, abs(value))


def power(base, exponent):
    """A power whose size is checked before it is taken."""
    if base == 0:
        if context().re(exponent) <= 0:
            raise Undecided("zero has no such power")
        return base
    small(exponent * context().log(abs(base)))
    return base ** small(exponent)


def root(value, degree):
    """A root; the odd root of a negative number is negative."""
    if degree == 0:
        raise Undecided("no root of degree zero")
    real = is_real(value) and context().re(value) < 0
    if real and context().isint(degree) and int(degree) % 2:
        return -power(abs(value), 1 / degree)
    return power(value, 1 / degree)


def functions_of(mp):
    """The functions of one context, by the name of the operation."""

    def real(value):
        if not is_real(value):
            raise Undecided("not a real number")
        return mp.re(value)

    return elementary_functions(mp) | {
        "add": lambda *terms: mp.fsum(terms),
        "multiply": lambda *factors: mp.fprod(factors),
        "divide": lambda above, below: above / below,
        "negate": lambda value: -value,
        "percent": lambda value: value / 100,
        "degree": lambda value: value * mp.pi / 180,
        "power": power,
        "sqrt": mp.sqrt,
        "root": root,
        "abs": abs,
        "norm": abs,
        "real": mp.re,
        "imaginary": mp.im,
        "floor": lambda value: mp.floor(real(value)),
        "ceiling": lambda value: mp.ceil(real(value)),
        "sign": lambda value: mp.sign(real(value)),
        "modulo": lambda value, by: real(value) % real(by),
        "max": lambda *values: max(map(real, values)),
        "min": lambda *values: min(map(real, values)),
    }


def elementary_functions(mp):
    """Exponentials, logarithms, circular functions and factorials."""

    def with_small(function):
        return lambda value: function(small(value))

    def factorial(value):
        return mp.gamma(small(value) + 1)

    def binomial(n, k):
        return factorial(n) / (factorial(k) * factorial(n - k))

    def logarithm(value, base=10):
        return mp.log(value) / mp.log(base)

    circular = words("sin cos tan cot sec csc")
    hyperbolic = words("sinh cosh tanh coth sech csch")
    forward = circular | hyperbolic | {"exp"}
    table = {name: with_small(getattr(mp, name)) for name in forward}
    table |= {"arc" + name: getattr(mp, "a" + name) for name in circular}
    table |= {"ar" + name: getattr(mp, "a" + name) for name in hyperbolic}
    return table | {
        "ln": mp.log,
        "log": logarithm,
        "factorial": factorial,
        "binomial": binomial,
    }
