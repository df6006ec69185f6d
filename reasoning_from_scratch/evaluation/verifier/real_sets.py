"""Sets of real numbers: intervals, unions, and what relations say.

Two sets are equal if they have the same members among the numbers where one
of them can begin or end, and between these: for polynomials at their zeros,
for other functions at the ends of the other set and at samples.
"""

import operator
import random
from fractions import Fraction
from itertools import pairwise

from . import tree
from .tree import Operation, Relation, Sequence, Symbol, Undecided
from .values import context, is_real, numeric, value_of

SEED = 7_919
MAX_DEGREE = 12  # of a polynomial whose zeros are sought
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt}
ORDER |= {">=": operator.ge, "=": operator.eq, "!=": operator.ne}
JOINED = {"cup": operator.or_, "cap": operator.and_, "setminus": operator.gt}


def same_set(left, right):
    """Whether two answers describe one set; None if that is unclear."""
    symbols = tree.free_symbols(left) | tree.free_symbols(right)
    name, *others = symbols - {"reals"} or {""}
    if others or not (is_set(left) and is_set(right)):
        return None
    ends, unsolved = [], []
    for answer in (left, right):
        try:
            ends += ends_of(answer, name)
        except Undecided:
            unsolved.append(answer)
    parts = [part for answer in unsolved for part in tree.walk(answer)]
    signs = [sign for p in parts for sign in getattr(p, "operators", ())]
    if len(unsolved) > 1 or "=" in signs:
        return None  # solving it may be the question, not the answer
    try:
        points = between(ends)
        points += samples(ends) if unsolved else ()
        return members(left, name, points) == members(right, name, points)
    except Undecided:
        return None


def is_set(answer):
    if tree.is_kind(answer, "list", "and", "or"):
        speaks = any(isinstance(i, Relation) for i in answer.items)
        is_either = speaks or answer.kind == "or"
        return is_either and all(map(is_set, answer.items))
    if tree.is_operation(answer, *tree.UNIONS):
        return all(map(is_set, answer.args))
    if isinstance(answer, Relation):
        return bool(tree.free_symbols(answer))
    is_plain = is_interval(answer) or tree.is_kind(answer, "set")
    return is_plain or answer == tree.REALS


def same_number(left, right):
    """Whether two numbers are equal to 30 digits."""
    if left == right:
        return True
    largest = max(1, abs(left), abs(right))
    margin = context().mpf(10) ** -30 * largest
    return context().isfinite(largest) and abs(left - right) <= margin


def between(ends):
    """The ends in order, numbers between them, one below and one above."""
    if not ends:
        return [Fraction(0)]
    numbers = sorted(set(ends), key=numeric)
    inner = [(low + high) / 2 for low, high in pairwise(numbers)]
    return [*numbers, *inner, numbers[0] - 1, numbers[-1] + 1]


def samples(ends):
    """Numbers close to the ends of a set, and some everywhere."""
    near = context().mpf(10) ** -9
    yield from (end + sign * near for end in ends for sign in (1, -1))
    yield from map(Fraction, range(-9, 10))
    generator = random.Random(SEED)
    for size in (2, 10, 300) * 12:
        yield Fraction(generator.randint(-size * 1000, size * 1000), 1009)


def number_of(answer):
    """The number at the end of an interval, as a fraction if it is one."""
    if answer in tree.INFINITE:
        return context().inf * (1 if answer == tree.INFINITY else -1)
    value = value_of(answer)
    tree.undecided_if(not is_real(value), "an end is not real")
    return value if isinstance(value, Fraction) else context().re(value)


def is_interval(answer):
    return isinstance(answer, Sequence) and len(answer.items) == 2


def ends_of(answer, name):
    """The numbers at which a set can begin or end."""
    if is_interval(answer) or tree.is_kind(answer, "set"):
        numbers = [number_of(item) for item in answer.items]
        is_ordered = [*map(numeric, numbers)] == sorted(map(numeric, numbers))
        if is_interval(answer) and not is_ordered:
            raise Undecided("the ends are not in order")
        return [n for n in numbers if abs(n) != context().inf]
    if isinstance(answer, Relation):
        return [end for link in answer.links() for end in changes(*link, name)]
    return [end for part in tree.parts(answer) for end in ends_of(part, name)]


def members(answer, name, points):
    """Which of the points belong to what an answer describes."""
    if answer == tree.REALS:
        return [True] * len(points)
    if is_interval(answer) or tree.is_kind(answer, "set"):
        numbers = [numeric(number_of(item)) for item in answer.items]
        return [is_inside(numeric(p), answer, numbers) for p in points]
    if isinstance(answer, Relation):
        return relation_members(answer, name, points)
    rows = [members(part, name, points) for part in tree.parts(answer)]
    columns = [*zip(*rows, strict=True)]
    if isinstance(answer, Operation):
        return [JOINED[answer.name](*column) for column in columns]
    all_hold = [*map(all, columns)]
    # Commas mean "and" where all can hold, "or" where they cannot
    is_or = answer.kind == "or" or answer.kind == "list" and not any(all_hold)
    return [*map(any, columns)] if is_or else all_hold


def is_inside(number, answer, ends):
    """Whether a number belongs to an interval or a finite set."""
    places = [n for n, end in enumerate(ends) if same_number(number, end)]
    if not is_interval(answer):
        return bool(places)
    if places:
        return (answer.left == "[", answer.right == "]")[places[0]]
    return ends[0] < number < ends[1]


def relation_members(answer, name, points):
    """At which points all relations of a chain are true."""
    found = [[True] * len(points)]
    for sign, left, right in answer.links():
        if sign in ("in", "notin"):
            if left != Symbol(name) or not is_set(right):
                raise Undecided("what is in the set?")
            inside = members(right, name, points)
            found.append([one == (sign == "in") for one in inside])
        elif not is_no_bound(sign, left, right):
            holds = [is_true(sign, left, right, {name: p}) for p in points]
            found.append(holds)
    return [*map(all, zip(*found, strict=True))]


def is_true(sign, left, right, point):
    """Whether a relation holds at a point where both sides are real."""
    try:
        sides = [value_of(side, point) for side in (left, right)]
    except Undecided:
        return False  # undefined here: no solution
    if not all(map(is_real, sides)) or sign not in ORDER:
        return False
    left, right = (context().re(numeric(side)) for side in sides)
    return ORDER[sign](left, left if same_number(left, right) else right)


def is_no_bound(sign, left, right):
    """Whether an inequality only says that a number is finite."""
    if sign in (">", ">="):
        left, right = right, left
    above, below = tree.INFINITE
    return sign in ("<", "<=", ">", ">=") and (left == below or right == above)


def changes(sign, left, right, name):
    """The zeros of left - right, or the ends of the set on the right."""
    if is_no_bound(sign, left, right):
        return []
    if sign in ("in", "notin"):
        return ends_of(right, name)
    difference = polynomial(tree.subtract(left, right), name)
    if sign not in ORDER or sign == "=" and difference.degree() > 1:
        raise Undecided("solving it may be the question, not the answer")
    return real_zeros(difference)


def polynomial(answer, name):
    """What an expression is as a polynomial in one symbol."""
    from numpy.polynomial import Polynomial  # late: few answers need one

    if name not in tree.free_symbols(answer):
        return Polynomial([number_of(answer)])
    if isinstance(answer, Symbol):
        return Polynomial([Fraction(0), Fraction(1)])
    kind, args = getattr(answer, "name", ""), tree.parts(answer)
    if kind == "power":
        times_taken = value_of(args[1])
        if times_taken not in range(1, MAX_DEGREE + 1):
            raise Undecided("no polynomial")
        kind, args = "multiply", args[:1] * int(times_taken)
    if kind == "divide" and name not in tree.free_symbols(args[1]):
        inverse = tree.combine("divide", tree.integer(1), args[1])
        kind, args = "multiply", (args[0], inverse)
    if kind == "negate":
        kind, args = "multiply", (tree.integer(-1), *args)
    tree.undecided_if(kind not in ("add", "multiply"), "no polynomial")
    total, *rest = [polynomial(arg, name) for arg in args]
    for other in rest:
        total = total + other if kind == "add" else total * other
        tree.undecided_if(total.degree() > MAX_DEGREE, "too high a degree")
    return total


def real_zeros(powers):
    is_exact = all(isinstance(c, Fraction) for c in powers.coef)
    if is_exact and powers.degree() > 1:  # multiple zeros once: p / gcd(p, p')
        slopes = [n * c for n, c in enumerate(powers.coef)][1:]
        divisor, other = powers, type(powers)(slopes)  # deriv() takes floats
        while other.coef.any():
            divisor, other = other, divisor % other
        powers = powers // divisor
    first, *above = powers.coef
    if len(above) < 2:
        return [-first / factor for factor in above]
    mp = context()
    try:
        coefficients = [numeric(c) for c in reversed(powers.coef)]
        found = mp.polyroots(coefficients, maxsteps=200, extraprec=200)
    except mp.NoConvergence as error:
        raise Undecided("no zeros found") from error
    return [mp.re(zero) for zero in found if is_real(zero)]
