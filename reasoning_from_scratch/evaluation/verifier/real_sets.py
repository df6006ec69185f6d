"""Sets of real numbers: intervals, their unions, and what relations say.

A set is a sorted tuple of disjoint pieces; a piece has two ends, each a
60-digit number with a mark whether it belongs to the set. Ends equal to 30
digits are one end. Only relations linear in their one symbol are solved here;
all others are left to the worker.
"""

from typing import NamedTuple

from . import tree
from .limits import Undecided
from .numeric import context, is_real, numeric_value
from .scalars import is_infinite
from .tree import (
    Collection,
    Combination,
    Operation,
    Relation,
    Sequence,
    Symbol,
)

RATIONAL = {"add", "multiply", "divide", "negate", "power"}
PROBES = (37, -61, 113, -1009)  # where a line is told from a curve
REVERSED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


class Piece(NamedTuple):
    """An interval; a single number has equal closed ends."""

    low: object
    low_closed: bool
    high: object
    high_closed: bool


def everything():
    """The set of all real numbers."""
    infinity = context().inf
    return (Piece(-infinity, False, infinity, False),)


def same_number(left, right):
    """Whether two ends are equal to 30 digits."""
    if left == right:
        return True
    if not (context().isfinite(left) and context().isfinite(right)):
        return False
    largest = max(abs(left), abs(right))
    return abs(left - right) <= context().mpf(10) ** -30 * largest


def same_set(left, right):
    """Whether two sets have the same pieces."""
    return len(left) == len(right) and all(
        same_number(a.low, b.low)
        and same_number(a.high, b.high)
        and (a.low_closed, a.high_closed) == (b.low_closed, b.high_closed)
        for a, b in zip(left, right, strict=True)
    )


def union(*sets):
    """All numbers of all the sets; pieces that touch become one."""
    pieces = sorted(
        (piece for one in sets for piece in one),
        key=lambda piece: (piece.low, not piece.low_closed),
    )
    merged = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if last is None or is_gap(last, piece):
            merged.append(piece)
            continue
        high, closed = last.high, last.high_closed
        if same_number(piece.high, high):
            closed = closed or piece.high_closed
        elif piece.high > high:
            high, closed = piece.high, piece.high_closed
        merged[-1] = Piece(last.low, last.low_closed, high, closed)
    return tuple(merged)


def is_gap(before, after):
    """Whether a number lies between two pieces."""
    if same_number(before.high, after.low):
        return not (before.high_closed or after.low_closed)
    return before.high < after.low


def complement(pieces):
    """All real numbers that are not in the set."""
    infinity = context().inf
    gaps, low, closed = [], -infinity, False
    for piece in pieces:
        gaps.append(Piece(low, closed, piece.low, not piece.low_closed))
        low, closed = piece.high, not piece.high_closed
    gaps.append(Piece(low, closed, infinity, False))
    return tuple(gap for gap in gaps if not is_empty(gap))


def is_empty(piece):
    """Whether no number lies in the piece."""
    if abs(piece.low) == context().inf and piece.low == piece.high:
        return True
    if same_number(piece.low, piece.high):
        return not (piece.low_closed and piece.high_closed)
    return piece.low > piece.high


def intersection(left, right):
    """The numbers in both sets."""
    return complement(union(complement(left), complement(right)))


def real_set(answer):
    """The set that an answer describes, and the symbol it speaks about.

    Returns:
        (pieces, symbol name or None).

    Raises:
        Undecided: the answer is no set of real numbers, or its relation is
            not linear in one symbol.
    """
    if answer == tree.REALS:
        return everything(), None
    if isinstance(answer, Sequence) and len(answer.items) == 2:
        return (interval(answer),), None
    if isinstance(answer, Combination):
        return combined(answer)
    if isinstance(answer, Relation):
        return solutions(answer)
    if isinstance(answer, Collection) and answer.kind == "set":
        return union(*[(point(item),) for item in answer.items]), None
    if isinstance(answer, Collection) and answer.kind == "or":
        sets, symbols = zip(*map(real_set, answer.items), strict=True)
        return union(*sets), one_symbol(symbols)
    if isinstance(answer, Collection):
        return conditions(answer)
    raise Undecided("no set of real numbers")


def end(answer):
    """The number at the end of an interval."""
    if is_infinite(answer):
        return context().inf * (1 if answer == tree.INFINITY else -1)
    value = numeric_value(answer)
    if not is_real(value):
        raise Undecided("an end is not real")
    return context().re(value)


def point(answer):
    """A set of one number."""
    value = end(answer)
    return Piece(value, True, value, True)


def interval(answer):
    """(1, 2] as a piece."""
    low, high = map(end, answer.items)
    closed = answer.left == "[", answer.right == "]"
    piece = Piece(low, closed[0], high, closed[1])
    if is_empty(piece):
        raise Undecided("the ends are not in order")
    return piece


def combined(answer):
    """A union, intersection or difference."""
    left, _ = real_set(answer.left)
    right, _ = real_set(answer.right)
    if answer.operator == "cup":
        return union(left, right), None
    if answer.operator == "setminus":
        right = complement(right)
    return intersection(left, right), None


def solutions(answer):
    """The solutions of a chain of relations in one symbol."""
    names = tree.free_symbols(answer) - {"reals"}
    if len(names) != 1:
        raise Undecided("not one symbol")
    (name,) = names
    pieces = everything()
    for operator, left, right in zip(
        answer.operators, answer.operands, answer.operands[1:], strict=False
    ):
        if is_no_bound(operator, left, right):
            continue
        if operator in ("in", "notin"):
            found, _ = real_set(right)
            found = complement(found) if operator == "notin" else found
        else:
            found = linear_solutions(operator, left, right, name)
        pieces = intersection(pieces, found)
    return pieces, name


def is_no_bound(operator, left, right):
    """Whether an inequality only says that a number is finite."""
    if operator in (">", ">="):
        left, right = right, left
    is_order = operator in ("<", "<=", ">", ">=")
    below, above = tree.negate(tree.INFINITY), tree.INFINITY
    return is_order and (left == below or right == above)


def linear_solutions(operator, left, right, name):
    """Solve left < right (or another sign) that is linear in one symbol."""
    difference = tree.subtract(left, right)
    if not is_rational(difference, name):
        raise Undecided("not linear")
    start, *values = (
        numeric_value(difference, {name: number}) for number in (0, *PROBES)
    )
    slope = (values[0] - start) / PROBES[0]
    for number, value in zip(PROBES, values, strict=True):
        if not same_number(value, start + slope * number) or slope == 0:
            raise Undecided("not linear")
    if not (is_real(slope) and is_real(start)) or operator not in REVERSED:
        raise Undecided("not real")
    root = -start / slope
    return half_line(REVERSED[operator] if slope < 0 else operator, root)


def is_rational(answer, name):
    """Whether a symbol is only added, multiplied and divided."""
    if name not in tree.free_symbols(answer):
        return True
    if isinstance(answer, Operation) and answer.name in RATIONAL:
        return all(is_rational(arg, name) for arg in answer.args)
    return isinstance(answer, Symbol)


def half_line(operator, value):
    """The numbers below, above, at or not at a value."""
    infinity = context().inf
    if operator in ("<", "<="):
        return (Piece(-infinity, False, value, operator == "<="),)
    if operator in (">", ">="):
        return (Piece(value, operator == ">=", infinity, False),)
    single = (Piece(value, True, value, True),)
    return single if operator == "=" else complement(single)


def conditions(answer):
    """Several relations between commas.

    They mean "and" where both can hold (x > 0, x != 1) and "or" where they
    cannot (x < 0, x > 1).
    """
    sets, symbols = zip(*map(real_set, answer.items), strict=True)
    if one_symbol(symbols) is None:
        raise Undecided("a list of sets")
    common = everything()
    for pieces in sets:
        common = intersection(common, pieces)
    return common or union(*sets), symbols[0]


def one_symbol(symbols):
    """The symbol that all sets speak about, or None if none does."""
    if len(set(symbols)) != 1:
        raise Undecided("not one symbol")
    return symbols[0]
