"""Whether two expressions have the same value, wherever they have one.

Constants are compared exactly as fractions, or else to 40 of 60 digits.
Expressions with symbols are compared at random rational points, with a fixed
seed: two different rational functions agree at one random point with a chance
far below one in a million, and here they must agree at all of them.

The rule for decimals: a decimal is the fraction that it writes, so 0.5 equals
1/2 and 0.33 does not equal 1/3. Six or more decimals may also be a value that
was rounded at the last of them: 0.333333 equals 1/3 and 3.141593 equals pi.
"""

import random
from fractions import Fraction

from . import numeric
from .exact import exact_value
from .limits import TooLong, Undecided
from .tree import (
    INFINITY,
    Number,
    Operation,
    Symbol,
    contains,
    free_symbols,
    negate,
)

ROUNDED_PLACES = 6  # decimals from which on a number may be a rounded one
SIGNIFICANT = 10**4  # five digits that are no leading zeros
SEED = 20_240_213
POINTS = [((1,), 1)] * 4 + [((-1,), 1)] + [((1, -1), 1)] * 4
POINTS += [((1,), 100), ((-1,), 100)]  # signs to choose from, scale
NUM_WHOLE = 5
ENOUGH_POINTS = 4
LARGEST = 10**150  # of values that 300 digits can still tell apart


def same_value(left, right):
    """Compare two expressions.

    Returns:
        True or False, or None where neither could be shown.
    """
    if left == right:
        return True
    if is_infinite(left) or is_infinite(right):
        return False
    names = sorted(free_symbols(left) | free_symbols(right))
    try:
        if names:
            return agree_at_points(left, right, names)
        rounded = rounded_decimal(left, right) or rounded_decimal(right, left)
        return rounded or agree(left, right, {}, is_complex=True)
    except TooLong:
        return None


def is_infinite(tree):
    """Whether the tree is plus or minus infinity."""
    return tree in (INFINITY, negate(INFINITY))


def agree_at_points(left, right, names):
    """Whether two expressions agree wherever both are real numbers.

    Where they are hardly ever real, whole numbers are tried ((-1)^n), and
    then complex values are compared.
    """
    has_i = any(
        contains(tree, lambda part: part == Symbol("i"))
        for tree in (left, right)
    )
    for points, is_complex in (
        (rational_points, has_i),
        (whole_points, has_i),
        (rational_points, True),
    ):
        num_agreed = 0
        for point in points(names):
            verdict = agree(left, right, point, is_complex)
            if verdict is False:
                return False
            num_agreed += verdict is True
        if num_agreed >= ENOUGH_POINTS:
            return True
    return None


def rational_points(names):
    """Random rational points: positive, negative, mixed, and far out."""
    generator = random.Random(SEED)
    for signs, scale in POINTS:
        yield {
            name: Fraction(
                generator.choice(signs) * generator.randint(3, 400) * scale,
                generator.choice((7, 11, 13, 17, 19, 23, 101)),
            )
            for name in names
        }


def whole_points(names):
    """Small whole numbers, for factorials and powers of -1."""
    generator = random.Random(SEED)
    for number in range(NUM_WHOLE):
        yield {name: number + generator.randint(1, 3) for name in names}


def agree(left, right, point, is_complex=False):
    """Whether two values are equal at one point; None if undefined."""
    try:
        return exact_value(left, point) == exact_value(right, point)
    except TooLong:
        raise
    except (Undecided, ValueError, KeyError):
        pass
    try:
        return agree_in_digits(left, right, point, is_complex)
    except TooLong:
        raise
    except Undecided:
        return None


def agree_in_digits(left, right, point, is_complex):
    """Whether two values agree in 40 digits."""
    values = [
        numeric.numeric_value(tree, point, is_complex=is_complex)
        for tree in (left, right)
    ]
    largest = max(map(abs, values))
    if largest > LARGEST:
        raise Undecided("values too large for the digits at hand")
    mp = numeric.context()
    difference = abs(values[0] - values[1])
    tolerance = mp.mpf(10) ** -numeric.AGREE
    if difference > mp.mpf(10) ** -25 * largest + mp.mpf(10) ** -30:
        return False
    if difference <= tolerance * largest and (point or largest < 10**30):
        return True
    return vanishes(left, right, point)


def vanishes(left, right, point):
    """Whether the difference goes to zero as digits are added."""
    mp = numeric.context()
    with mp.workdps(5 * numeric.DIGITS):
        difference = Operation("add", (left, negate(right)))
        value = numeric.numeric_value(difference, point)
        return bool(abs(value) < mp.mpf(10) ** (-2 * numeric.DIGITS))


def rounded_decimal(decimal, other):
    """Whether a decimal of many places is the other value, rounded."""
    sign, number = 1, decimal
    if isinstance(number, Operation) and number.name == "negate":
        sign, number = -1, number.args[0]
    if not isinstance(number, Number) or number.places < ROUNDED_PLACES:
        return False
    if isinstance(other, Number) and other.places >= 0:
        return False  # two decimals are compared as they are written
    if abs(number.value) * 10**number.places < SIGNIFICANT:
        return False  # 0.000001 is no rounded value
    try:
        value = numeric.numeric_value(other)
    except Undecided:
        return False
    mp = numeric.context()
    written = sign * mp.mpf(number.value.numerator) / number.value.denominator
    unit = mp.mpf(10) ** -min(number.places, 12)
    margin = mp.mpf("0.5000001") if number.places <= 12 else 1
    return bool(abs(value - written) <= margin * unit)
