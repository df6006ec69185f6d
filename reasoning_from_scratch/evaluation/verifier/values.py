"""The value of an expression, and whether two expressions have the same one.

Fractions as long as they last, then 60 digits of mpmath; steps are counted,
sizes checked before they are taken. 0.33 is not 1/3, but six or more decimals
may be a rounded value: 3.141593 equals pi.
"""

import math
import operator
import random
import threading
from fractions import Fraction

from . import tree
from .tree import INFINITE, Number, Symbol, TooLong, Undecided, undecided_if
from .vocabulary import words

DIGITS = 60
AGREE = 40  # digits in which two equal values agree at least
ROUNDED_PLACES = 6  # decimals from which on a number may be a rounded one
SIGNIFICANT = 10**4  # five digits that are no leading zeros
NOISE = Fraction(1, 2**50)  # relative error of a few float operations
SEED = 20_240_213
POINTS = [((1,), 1)] * 4 + [((-1,), 1)] + [((1, -1), 1)] * 4
POINTS += [((1,), 100), ((-1,), 100)]  # signs to choose from, scale
ENOUGH_POINTS = 4
LARGEST = 10**150  # of values that 300 digits can still tell apart
_thread = threading.local()  # of each: a context of mpmath, and the steps


def context():
    """The mpmath context of this thread: its precision is shared state."""
    if not hasattr(_thread, "context"):
        import mpmath  # late: most answers need no irrational number

        _thread.context = mpmath.MPContext()
        _thread.context.dps = DIGITS
        _thread.functions = numeric_functions(_thread.context)
    return _thread.context


def start_counting():
    _thread.steps = 0


def take_steps(number):
    """Count steps of this thread's comparison, which has so many."""
    _thread.steps = getattr(_thread, "steps", 0) + number
    if _thread.steps > tree.MAX_STEPS:
        raise TooLong("too many steps")


def size(value):
    return value.numerator.bit_length() + value.denominator.bit_length()


def exact_product(*factors):
    """The product of fractions, checked after every one."""
    total = Fraction(1)
    for factor in factors:
        total *= factor
        undecided_if(size(total) > tree.MAX_BITS, "too many digits")
    return total


def exact_power(base, exponent):
    """A power with a whole exponent; None if it is irrational or too large."""
    undecided_if(base == 0 and exponent <= 0, "zero has no such power")
    is_large = size(base) * abs(exponent) > 2 * tree.MAX_BITS
    if exponent.denominator != 1 or is_large:
        return None
    return base**exponent.numerator


# For fractions and for numbers of mpmath
BOTH = {
    "divide": operator.truediv,
    "negate": operator.neg,
    "percent": lambda value: value / 100,
    "modulo": operator.mod,
    "abs": abs,
    "norm": abs,
}
EXACT = BOTH | {
    "add": lambda *terms: sum(terms, Fraction(0)),
    "multiply": exact_product,
    "power": exact_power,
}


def small(value):
    """An argument that no function needs long for."""
    undecided_if(abs(value) > tree.MAX_MAGNITUDE, "an argument too large")
    return value


def is_real(value):
    """Whether the imaginary part is nothing but rounding."""
    if isinstance(value, Fraction):
        return True
    part = abs(context().im(value))
    return part <= context().mpf(10) ** -AGREE * max(1, abs(value))


def real(value):
    undecided_if(not is_real(value), "not a real number")
    return context().re(value)


def whole(value):
    undecided_if(not context().isint(value), "not a whole number")
    return int(value)


def numeric_power(base, exponent):
    """A power whose size is checked before it is taken."""
    if base == 0:
        undecided_if(context().re(exponent) <= 0, "zero has no such power")
        return base
    small(exponent * context().log(abs(base)))
    return base ** small(exponent)


def numeric_root(value, degree):
    """A root; the odd root of a negative number is negative."""
    is_negative = is_real(value) and context().re(value) < 0
    if is_negative and context().isint(degree) and int(degree) % 2:
        return -numeric_power(abs(value), 1 / degree)
    return numeric_power(value, 1 / degree)


def numeric_functions(mp):
    def of(check, function):
        return lambda *values: function(*map(check, values))

    circular = words("sin cos tan cot sec csc")
    hyperbolic = words("sinh cosh tanh coth sech csch")
    forward = circular | hyperbolic | {"exp", "factorial", "binomial"}
    table = BOTH | {name: of(small, getattr(mp, name)) for name in forward}
    table |= {"arc" + name: getattr(mp, "a" + name) for name in circular}
    table |= {"ar" + name: getattr(mp, "a" + name) for name in hyperbolic}
    table |= {f: of(real, getattr(mp, f)) for f in ("floor", "ceil", "sign")}
    return table | {
        "max": of(real, max),
        "min": of(real, min),
        "add": lambda *terms: mp.fsum(terms),
        "multiply": lambda *factors: mp.fprod(factors),
        "degree": lambda value: value * mp.pi / 180,
        "power": numeric_power,
        "sqrt": mp.sqrt,
        "root": numeric_root,
        "ln": mp.log,
        "log": lambda value, base=10: mp.log(value) / mp.log(base),
        "real": mp.re,
        "imaginary": mp.im,
        "modulo": of(real, operator.mod),
        "gcd": of(whole, lambda *values: mp.mpf(math.gcd(*values))),
        "lcm": of(whole, lambda *values: mp.mpf(math.lcm(*values))),
    }


def numeric(value):
    if isinstance(value, Fraction):
        return context().mpf(value.numerator) / value.denominator
    return value


def evaluate(answer, values, is_complex):
    """The value of a tree: a Fraction, or a number of mpmath."""
    take_steps(1)
    if isinstance(answer, Number):
        return answer.value
    name = tree.unknown(answer)
    if name in values:
        return values[name]
    if name in tree.CONSTANTS and (is_complex or name != "i"):
        return +getattr(context(), "j" if name == "i" else name)
    undecided_if(name or not isinstance(answer, tree.Operation), "no value")
    if answer.name in tree.BINDERS:
        return unroll(answer, values, is_complex)
    args = [evaluate(arg, values, is_complex) for arg in answer.args]
    return operate(answer.name, args, is_complex)


def operate(name, args, is_complex):
    """The value of an operation, exactly if that is possible."""
    if name in EXACT and all(type(arg) is Fraction for arg in args):
        value = EXACT[name](*args)
        if value is not None:
            take_steps(size(value) // 500)
            return value
    take_steps(5)
    mp, arguments = context(), map(numeric, args)
    undecided_if(name not in _thread.functions, "no value")
    value = _thread.functions[name](*arguments)
    if not mp.isfinite(value) or not (is_complex or is_real(value)):
        raise Undecided("not a finite real number")
    return value


def unroll(answer, values, is_complex):
    index, *ends, body = answer.args
    ends = [numeric(evaluate(end, values, is_complex)) for end in ends]
    low, high = map(whole, ends)
    is_sum = answer.name == "sum"
    total = Fraction(0 if is_sum else 1)
    for number in range(low, high + 1):
        inner = {**values, index.name: Fraction(number)}
        terms = [total, evaluate(body, inner, is_complex)]
        total = operate("add" if is_sum else "multiply", terms, is_complex)
    return total


def value_of(answer, values=(), is_complex=True):
    """The value of a tree, a Fraction or a number of mpmath, or Undecided.

    With is_complex=False no step on the way may leave the real numbers.
    """
    try:
        return evaluate(answer, dict(values), is_complex)
    except (ZeroDivisionError, ValueError, OverflowError, TypeError) as error:
        raise Undecided(str(error)) from error


def exact_value(answer, values=()):
    """The value of a tree as a Fraction; Undecided if it has none."""
    start_counting()
    value = value_of(answer, values, False)
    undecided_if(not isinstance(value, Fraction), "no exact value")
    return value


def same_value(left, right):
    """Whether two expressions are shown to have the same value."""
    if left == right:
        return True
    if left in INFINITE or right in INFINITE:
        return False
    names = sorted(tree.free_symbols(left) | tree.free_symbols(right))
    if names:
        return agree_at_points(left, right, names)
    rounded = rounded_decimal(left, right) or rounded_decimal(right, left)
    return rounded or bool(agree(left, right, {}, True))


def agree_at_points(left, right, names):
    """Whether two expressions agree wherever both are real numbers.

    Failing that, at whole numbers ((-1)^n), or else in complex values.
    """
    has_i = any(Symbol("i") in tree.walk(side) for side in (left, right))
    tries = ((False, has_i), (True, has_i), (False, True))
    for are_whole, is_complex in tries:
        num_agreed = 0
        for point in points(names, are_whole):
            verdict = agree(left, right, point, is_complex)
            if verdict is False:
                return False
            num_agreed += verdict is True
        if num_agreed >= ENOUGH_POINTS:
            return True
    return False


def points(names, are_whole):
    """Random rationals of both signs and two scales, or small integers."""
    generator = random.Random(SEED)
    for start, (signs, scale) in enumerate(POINTS):
        point = {}
        for name in names:
            over = generator.choice(signs) * generator.randint(3, 400) * scale
            below = generator.choice((7, 11, 13, 17, 19, 23, 101))
            if are_whole:
                over, below = start + over % 3 + 1, 1
            point[name] = Fraction(over, below)
        yield point


def agree(left, right, point, is_complex):
    """Whether two values are equal at one point; None if undefined."""
    try:
        one, other = (value_of(s, point, is_complex) for s in (left, right))
        if isinstance(one, Fraction) and isinstance(other, Fraction):
            return one == other
        mp, one, other = context(), numeric(one), numeric(other)
        largest, difference = max(abs(one), abs(other)), abs(one - other)
        if largest > LARGEST:
            return None
        if difference > mp.mpf(10) ** -25 * largest + mp.mpf(10) ** -30:
            return False
        is_close = difference <= mp.mpf(10) ** -AGREE * largest
        if is_close and (point or largest < 10**30):
            return True
        with mp.workdps(5 * DIGITS):  # does it vanish as digits are added?
            value = numeric(value_of(tree.subtract(left, right), point))
            return bool(abs(value) < mp.mpf(10) ** (-2 * DIGITS))
    except Undecided:
        return None


def rounded_decimal(decimal, other):
    """Whether a decimal of many places is the other value, rounded."""
    if tree.is_operation(decimal, "negate"):
        decimal, other = decimal.args[0], tree.negate(other)
    if not isinstance(decimal, Number) or decimal.places < ROUNDED_PLACES:
        return False
    written = abs(decimal.value) * 10**decimal.places
    if isinstance(other, Number) and other.places >= 0:
        is_noise = written >= 10**15 and other.places <= 12  # of floats
        difference = abs(decimal.value - other.value)
        return is_noise and difference <= NOISE * abs(other.value)
    if written < SIGNIFICANT:
        return False  # 0.000001 is no rounded value
    try:
        value = numeric(value_of(other))
    except Undecided:
        return False
    unit = context().mpf(10) ** -min(decimal.places, 12)
    margin = context().mpf("0.5000001") if decimal.places <= 12 else 1
    return bool(abs(value - numeric(decimal.value)) <= margin * unit)
