"""Which numbers belong to a set: a cheap test that refutes most equalities.

Two answers that describe different sets of real numbers nearly always
disagree about one of fifty sample numbers. Only where they agree about all of
them is the slow and certain comparison worth its time.
"""

import random
from fractions import Fraction

from . import tree
from .limits import Undecided
from .numeric import is_real, numeric_value
from .real_sets import end
from .tree import Collection, Combination, Relation, Sequence

SEED = 7_919
COMPARISONS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def samples():
    """Small whole numbers, halves, and random fractions on two scales."""
    generator = random.Random(SEED)
    yield from map(Fraction, range(-9, 10))
    for size in (2, 10, 300):
        for _ in range(12):
            yield Fraction(generator.randint(-size * 1000, size * 1000), 1009)


def may_be_same_set(left, right):
    """Whether no sample number tells two sets apart.

    Raises:
        Undecided: one of the answers is no set of real numbers.
    """
    names = tree.free_symbols(left) | tree.free_symbols(right)
    names.discard("reals")
    if len(names) != 1:
        raise Undecided("not one symbol")
    (name,) = names
    return all(
        is_member(left, name, value) == is_member(right, name, value)
        for value in samples()
    )


def is_member(answer, name, value):
    """Whether a number belongs to what an answer describes."""
    if answer == tree.REALS:
        return True
    if isinstance(answer, Relation):
        return holds(answer, name, value)
    if isinstance(answer, Sequence) and len(answer.items) == 2:
        low, high = map(end, answer.items)
        number = end(tree.Number(value))
        if number in (low, high):
            return (answer.left if number == low else answer.right) in "[]"
        return low < number < high
    if isinstance(answer, Combination):
        left = is_member(answer.left, name, value)
        right = is_member(answer.right, name, value)
        if answer.operator == "cup":
            return left or right
        return left and right == (answer.operator == "cap")
    if isinstance(answer, Collection) and answer.kind == "set":
        return end(tree.Number(value)) in map(end, answer.items)
    if isinstance(answer, Collection) and answer.kind == "or":
        return any(is_member(item, name, value) for item in answer.items)
    raise Undecided("no set of real numbers")


def holds(relation, name, value):
    """Whether a chain of relations is true at a number."""
    point = {name: value}
    for operator, left, right in zip(
        relation.operators,
        relation.operands,
        relation.operands[1:],
        strict=False,
    ):
        if operator in ("in", "notin"):
            is_inside = is_member(right, name, value)
            if is_inside != (operator == "in"):
                return False
            continue
        try:
            sides = [numeric_value(side, point) for side in (left, right)]
        except Undecided:
            return False  # undefined here: no solution
        if not all(map(is_real, sides)) or operator not in COMPARISONS:
            return False
        if not COMPARISONS[operator](sides[0].real, sides[1].real):
            return False
    return True
