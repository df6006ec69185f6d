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


def refuse_if(is_bad, reason):
    if is_bad:
        raise UnreadableAnswer(reason)


def undecided_if(is_unclear, reason):
    if is_unclear:
        raise Undecided(reason)


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction
    places: int = -1  # digits after a decimal point; -1: there is none


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str  # of a variable or a constant


@dataclass(frozen=True, slots=True)
class Operation:
    name: str  # add, divide, sin, sqrt, ...
    args: tuple = ()


@dataclass(frozen=True, slots=True)
class Text:
    words: str  # in lower case without spaces, or a numeral in a base: 52_8


@dataclass(frozen=True, slots=True)
class Choice:
    letter: str  # of an option
    value: object  # the answer it stands for: (B) 12


@dataclass(frozen=True, slots=True)
class Quantity:
    value: object
    unit: str  # cm, degree, percent, ...


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple  # in order: a point, an interval, a row ("&")
    left: str = "("
    right: str = ")"


@dataclass(frozen=True, slots=True)
class Collection:
    items: tuple  # in any order
    kind: str = "list"  # as in 1, 2; or "set", "and", "or"


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple  # of equal length


@dataclass(frozen=True, slots=True)
class Relation:
    operators: tuple  # of a chain such as 1 < x <= 2
    operands: tuple  # one more

    def links(self):
        """(operator, left, right) of each pair of neighbours."""
        sides = self.operands, self.operands[1:]
        return [*zip(self.operators, *sides, strict=False)]


INFINITY = Operation("infinity")
REALS = Symbol("reals")
EMPTY_SET = Collection((), "set")


def combine(name, *args):
    """An operation; a sum or product of one thing is that thing."""
    return Operation(name, args) if len(args) > 1 else args[0]


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
    return isinstance(tree, Operation) and tree.name in names


def is_kind(tree, *kinds):
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


def unknown(tree):
    """The name of a symbol, or f(x) under its own, or None."""
    if isinstance(tree, Symbol):
        return tree.name
    return repr(tree) if is_operation(tree, "apply") else None


@lru_cache(4_096)
def free_symbols(tree):
    """Names without a value: no constants, no bound indices of a sum."""
    if name := unknown(tree):
        return frozenset(() if name in CONSTANTS else (name,))
    names = frozenset().union(*map(free_symbols, parts(tree)))
    if is_operation(tree, *BINDERS):
        names -= {tree.args[0].name}
    return names


def substitute(tree, name, value):
    """The expression with a tree in place of a free symbol."""
    if unknown(tree) == name:
        return value
    return rebuild(tree, lambda arg: substitute(arg, name, value))


def walk(tree):
    yield tree
    for part in parts(tree):
        yield from walk(part)


def holds(tree, *names):
    return any(is_operation(part, *names) for part in walk(tree))


def is_expression(tree):
    if isinstance(tree, Operation):
        return all(map(is_expression, tree.args))
    return isinstance(tree, (Number, Symbol))
