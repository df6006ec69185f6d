"""What the parser builds: small immutable trees, one class per kind of answer.

Expressions are numbers, symbols and operations with a name from a fixed list;
answers put them in quantities, sequences, sets, matrices and relations. A
tree is plain data: nothing in it can be called, and `encode` turns it into
lists of strings that travel to the worker process as JSON.
"""

from dataclasses import dataclass, fields
from fractions import Fraction

CONSTANTS = ("pi", "e", "i")  # symbols with a value unless a sum binds them


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
class BaseNumeral:
    """Digits in a stated base: 52_8."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Text:
    """Words; only letters and digits of them are kept, in lower case."""

    words: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A letter with the text it stands for: (B) 12."""

    letter: str
    content: object


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit: 5 cm, 30 degrees, 50 percent."""

    value: object
    unit: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items in order between brackets: a point, a vector, an interval."""

    items: tuple
    left: str = "("
    right: str = ")"


@dataclass(frozen=True, slots=True)
class Collection:
    """Items in any order; kind is "set", "list" (1, 2) or "or" (1 or 2)."""

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


@dataclass(frozen=True, slots=True)
class Combination:
    """A union, intersection or difference of two sets."""

    operator: str
    left: object
    right: object


KINDS = {
    kind.__name__: kind
    for kind in (
        Number,
        Symbol,
        Operation,
        BaseNumeral,
        Text,
        Choice,
        Quantity,
        Sequence,
        Collection,
        Matrix,
        Relation,
        Combination,
    )
}
INFINITY = Operation("infinity")
REALS = Symbol("reals")
EMPTY_SET = Collection((), "set")


def add(*terms):
    """The sum of the terms; one term stands for itself."""
    return terms[0] if len(terms) == 1 else Operation("add", terms)


def multiply(*factors):
    """The product of the factors; one factor stands for itself."""
    return factors[0] if len(factors) == 1 else Operation("multiply", factors)


def negate(tree):
    """Minus the tree; a number takes the sign itself."""
    if isinstance(tree, Number):
        return Number(-tree.value, tree.places)
    return Operation("negate", (tree,))


def subtract(left, right):
    """Left minus right."""
    return Operation("add", (left, negate(right)))


def integer(value):
    """The tree of a Python integer."""
    return Number(Fraction(value))


def parts(tree):
    """The trees directly inside a tree."""
    if isinstance(tree, Matrix):
        return tuple(cell for row in tree.rows for cell in row)
    values = (getattr(tree, field.name) for field in fields(tree))
    found = []
    for value in values:
        found.extend(value if isinstance(value, tuple) else (value,))
    return tuple(value for value in found if type(value) in TREE_TYPES)


TREE_TYPES = frozenset(KINDS.values())


def free_symbols(tree):
    """Names without a value: no constants, no bound indices of a sum."""
    if isinstance(tree, Symbol):
        return set() if tree.name in CONSTANTS else {tree.name}
    if isinstance(tree, Operation) and tree.name == "apply":
        return {applied_name(tree)}
    names = set().union(*map(free_symbols, parts(tree)))
    if isinstance(tree, Operation) and tree.name in BINDERS:
        names.discard(tree.args[0].name)
    return names


BINDERS = ("sum", "product")


def applied_name(tree):
    """The name under which f(x) stands for an unknown value."""
    return str(encode(tree))


def contains(tree, test):
    """Whether the test holds for the tree or for any tree inside it."""
    return test(tree) or any(contains(part, test) for part in parts(tree))


def in_order(left, right, kind):
    """The pair with an answer of that kind first, or None."""
    if isinstance(left, kind):
        return left, right
    return (right, left) if isinstance(right, kind) else None


def is_expression(tree):
    """Whether the tree is built of numbers, symbols and operations alone."""
    if isinstance(tree, Operation):
        return all(map(is_expression, tree.args))
    return isinstance(tree, (Number, Symbol))


def encode(tree):
    """A tree as nested lists of strings and integers, ready for JSON."""
    if isinstance(tree, tuple):
        return [encode(item) for item in tree]
    if isinstance(tree, Fraction):
        return str(tree)
    if type(tree) in TREE_TYPES:
        values = [encode(getattr(tree, f.name)) for f in fields(tree)]
        return {type(tree).__name__: values}
    return tree


def decode(data):
    """The tree that `encode` wrote."""
    if isinstance(data, list):
        return tuple(decode(item) for item in data)
    if isinstance(data, dict):
        ((name, values),) = data.items()
        values = [decode(value) for value in values]
        if name == "Number":
            values[0] = Fraction(values[0])
        return KINDS[name](*values)
    return data
