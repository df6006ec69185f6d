"""What the parser builds: small immutable trees, one class per kind of answer.

A tree is plain data: nothing in it can be called. The limits are far above
what an answer needs, and let hostile texts end in milliseconds.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

MAX_CHARACTERS = 2_000  # of one answer, before tokenizing
MAX_TOKENS = 600
MAX_DEPTH = 40  # nested brackets, fractions, roots, exponents
MAX_DIGITS = 400  # of one number as it is written
MAX_ITEMS = 60  # of one list, set or matrix; matching is quadratic
MAX_BITS = 60_000  # of an exact integer, numerator or denominator
MAX_MAGNITUDE = 10**6  # largest |argument| of exp, sin, gamma, ...
MAX_STEPS = 20_000  # operations in one comparison, sums unrolled

CONSTANTS = ("pi", "e", "i")  # symbols with a value unless a sum binds them
BINDERS = ("sum", "product")
UNIONS = ("cup", "cap", "setminus")


class UnreadableAnswer(ValueError):
    """The text is no answer that our grammar knows, or is over a limit."""


class Undecided(ArithmeticError):
    """A value cannot be had here: too large, undefined or symbolic."""


class TooLong(ArithmeticError):
    """Evaluating takes more steps than an answer is worth."""


@dataclass(frozen=True, slots=True)
class Number:
    """An exact rational; `places` counts the digits after a decimal point."""

    value: Fraction
    places: int = -1  # -1: not written as a decimal


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable or a named constant."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A named operation on expressions: add, divide, sin, sqrt, ..."""

    name: str
    args: tuple = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Words in lower case without spaces, or a numeral in a base: 52_8."""

    words: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A letter with the answer it stands for: (B) 12."""

    letter: str
    value: object


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit: 5 cm, 30 degrees, 50 percent."""

    value: object
    unit: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items in order between brackets: a point, an interval, a row ("&")."""

    items: tuple
    left: str = "("
    right: str = ")"


@dataclass(frozen=True, slots=True)
class Collection:
    """Items in any order; kind is "set", "list" (1, 2), "and" or "or"."""

    items: tuple
    kind: str = "list"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length."""

    rows: tuple


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain such as 1 < x <= 2: one operator fewer than operands."""

    operators: tuple
    operands: tuple

    def links(self):
        """(operator, left, right) of each pair of neighbours."""
        sides = self.operands, self.operands[1:]
        return [*zip(self.operators, *sides, strict=False)]


INFINITY = Operation("infinity")
REALS = Symbol("reals")
EMPTY_SET = Collection((), "set")


def add(*terms):
    """The sum of the terms; one term stands for itself."""
    return terms[0] if len(terms) == 1 else Operation("add", terms)


def multiply(*factors):
    return factors[0] if len(factors) == 1 else Operation("multiply", factors)


def divide(above, below):
    return Operation("divide", (above, below))


def negate(tree):
    """Minus the tree; a number takes the sign itself."""
    if isinstance(tree, Number):
        return Number(-tree.value, tree.places)
    return Operation("negate", (tree,))


def subtract(left, right):
    return Operation("add", (left, negate(right)))


def integer(value):
    return Number(Fraction(value))


INFINITE = (INFINITY, negate(INFINITY))
INNER = ("args", "items", "operands")


def is_operation(tree, *names):
    """Whether a tree is an operation of one of the names."""
    return isinstance(tree, Operation) and tree.name in names


def is_kind(tree, *kinds):
    """Whether a tree is a collection of one of the kinds."""
    return isinstance(tree, Collection) and tree.kind in kinds


def parts(tree):
    """The trees directly inside a tree."""
    if isinstance(tree, (Number, Symbol)):
        return ()
    if isinstance(tree, (Choice, Quantity)):
        return (tree.value,)
    if isinstance(tree, Matrix):
        return tuple(cell for row in tree.rows for cell in row)
    inner = [getattr(tree, name) for name in INNER if hasattr(tree, name)]
    return inner[0] if inner else ()


def rebuild(tree, change):
    """The tree with each tree directly inside it changed."""
    for name in INNER:
        if hasattr(tree, name):
            inner = tuple(map(change, getattr(tree, name)))
            return replace(tree, **{name: inner})
    if isinstance(tree, Quantity):
        return Quantity(change(tree.value), tree.unit)
    if isinstance(tree, Matrix):
        return Matrix(tuple(tuple(map(change, row)) for row in tree.rows))
    return tree


@lru_cache(4_096)
def free_symbols(tree):
    """Names without a value: no constants, no bound indices of a sum."""
    if isinstance(tree, Symbol):
        return frozenset(() if tree.name in CONSTANTS else (tree.name,))
    if is_operation(tree, "apply"):  # f(x) has an unknown value
        return frozenset((repr(tree),))
    names = frozenset().union(*map(free_symbols, parts(tree)))
    if is_operation(tree, *BINDERS):
        names -= {tree.args[0].name}
    return names


def substitute(tree, name, value):
    """The expression with a tree in place of a free symbol."""
    if isinstance(tree, Symbol):
        return value if tree.name == name else tree
    if is_operation(tree, "apply") and repr(tree) == name:
        return value
    return rebuild(tree, lambda arg: substitute(arg, name, value))


def walk(tree):
    """A tree and all trees inside it, in the order of reading."""
    yield tree
    for part in parts(tree):
        yield from walk(part)


def holds(tree, *names):
    """Whether an operation of one of the names is in the tree."""
    return any(is_operation(part, *names) for part in walk(tree))


def is_expression(tree):
    """Whether the tree is built of numbers, symbols and operations alone."""
    if isinstance(tree, Operation):
        return all(map(is_expression, tree.args))
    return isinstance(tree, (Number, Symbol))
