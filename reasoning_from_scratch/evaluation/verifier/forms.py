"""Bringing an answer into the form in which it is compared.

`settle` writes out what a notation abbreviates: 1 ± 2 is the list 3, -1; an
outer percent or degree sign is a unit; a number times a matrix is a matrix.
`value_of` finds the bare answer in "x = 5" and "x \\in S".
"""

from itertools import product

from . import tree
from .limits import Undecided
from .scalars import same_value
from .tree import (
    Collection,
    Matrix,
    Number,
    Operation,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    Text,
)

EQUALITIES = {"=", "~"}
MAX_SIGNS = 3  # independent plus-minus signs: eight answers


def settle(answer):
    """The answer with its abbreviations written out."""
    if isinstance(answer, Operation):
        return settle_operation(answer)
    if isinstance(answer, Relation):
        return settle_relation(answer)
    if isinstance(answer, Quantity):
        return Quantity(settle(answer.value), answer.unit)
    if isinstance(answer, Collection):
        return settle_collection(answer)
    if isinstance(answer, Sequence):
        return as_matrix(answer)
    return answer


def settle_operation(answer):
    """Outer percent and degree signs, plus-minus, products of matrices."""
    if has_signs(answer):
        return Collection(tuple(map(settle, sign_choices(answer))))
    if answer.name in ("percent", "degree"):
        return Quantity(answer.args[0], answer.name)
    if answer.name == "negate":
        inner = settle(answer.args[0])
        if isinstance(inner, Quantity):
            return Quantity(tree.negate(inner.value), inner.unit)
    if answer.name in ("negate", "multiply", "divide", "transpose"):
        return matrix_product(answer) or answer
    return answer


def matrix_product(answer):
    """A number times a matrix, cell by cell, or a transposed matrix."""
    args = [settle_operation(a) if isinstance(a, Operation) else a
            for a in answer.args]  # fmt: skip
    places = [n for n, arg in enumerate(args) if isinstance(arg, Matrix)]
    if len(places) != 1 or answer.name == "divide" and places != [0]:
        return None
    rows = args[places[0]].rows
    if answer.name == "transpose":
        return Matrix(tuple(zip(*rows, strict=True)))

    def replaced(cell):
        cells = [*args[: places[0]], cell, *args[places[0] + 1 :]]
        return Operation(answer.name, tuple(cells))

    return Matrix(tuple(tuple(map(replaced, row)) for row in rows))


def settle_relation(answer):
    """Relations with plus-minus become a list of relations."""
    if not any(map(has_signs, answer.operands)):
        return answer
    choices = [
        sign_choices(operand) if tree.is_expression(operand) else [operand]
        for operand in answer.operands
    ]
    return Collection(
        tuple(Relation(answer.operators, c) for c in product(*choices))
    )


def settle_collection(answer):
    """Flatten lists in lists, and repeat the label of "x = 1, 2"."""
    items, label = [], None
    for item in map(settle, answer.items):
        inner = [item]
        if isinstance(item, Collection) and item.kind != "set":
            inner = item.items
        for part in inner:
            if is_labelled(part):
                label = part.operands[0]
            elif label is not None and not isinstance(part, Relation):
                part = Relation(("=",), (label, part))
            items.append(part)
    kind = answer.kind
    items = [part for part in items if not is_about_integers(part)] or items
    if kind != "set" and len(items) == 1:
        return items[0]
    return Collection(tuple(items), kind)


def is_about_integers(part):
    """Whether a part says no more than that a symbol is an integer."""
    return (
        isinstance(part, Relation)
        and part.operators == ("in",)
        and part.operands[1] in (Symbol("integers"), Symbol("naturals"))
    )


def as_matrix(answer):
    """[[1, 2], [3, 4]] as a matrix; other sequences stay."""
    rows = answer.items
    if answer.left != "[" or answer.right != "]":
        return answer
    if not all(isinstance(row, Sequence) for row in rows):
        return answer
    if any(row.left != "[" or row.right != "]" for row in rows):
        return answer
    if len({len(row.items) for row in rows}) > 1:
        return answer
    return Matrix(tuple(row.items for row in rows))


def has_signs(answer):
    """Whether an expression holds a plus-minus sign."""
    return tree.is_expression(answer) and tree.contains(answer, is_sign)


def is_sign(part):
    """Whether a tree is a plus-minus or minus-plus operation."""
    return isinstance(part, Operation) and part.name in ("pm", "mp")


def sign_choices(answer):
    """The expressions that the signs of one expression stand for.

    With a minus-plus sign all signs are chosen together; without, each is
    free.
    """
    signs = signs_in(answer)
    if not signs:
        return [answer]
    if len(signs) > MAX_SIGNS:
        raise Undecided(f"more than {MAX_SIGNS} plus-minus signs")
    if "mp" in signs:
        choices = [[True] * len(signs), [False] * len(signs)]
    else:
        choices = product((True, False), repeat=len(signs))
    return [choose_signs(answer, iter(choice)) for choice in choices]


def signs_in(answer):
    """The names of the signs in an expression, in the order of a walk."""
    if not isinstance(answer, Operation):
        return []
    inner = [name for arg in answer.args for name in signs_in(arg)]
    return [answer.name, *inner] if is_sign(answer) else inner


def choose_signs(answer, choice):
    """The expression with each sign read as plus (True) or minus."""
    if not isinstance(answer, Operation):
        return answer
    if not is_sign(answer):
        args = tuple(choose_signs(arg, choice) for arg in answer.args)
        return Operation(answer.name, args)
    is_plus = next(choice) == (answer.name == "pm")
    left, right = (choose_signs(arg, choice) for arg in answer.args)
    return tree.add(left, right) if is_plus else tree.subtract(left, right)


def split_tuple(answer):
    """(x, y) = (1, 2) as the list x = 1, y = 2; all else stays."""
    if not isinstance(answer, Relation) or answer.operators != ("=",):
        return answer
    names, values = answer.operands
    if not (isinstance(names, Sequence) and isinstance(values, Sequence)):
        return answer
    if not is_label(names) or len(names.items) != len(values.items):
        return answer
    pairs = zip(names.items, values.items, strict=True)
    return Collection(tuple(Relation(("=",), pair) for pair in pairs))


def is_label(answer):
    """Whether a left side names what is asked for: x, f(2), AB, x + y."""
    if isinstance(answer, (Symbol, Text)):
        return True
    if isinstance(answer, Sequence):
        return all(isinstance(item, Symbol) for item in answer.items)
    if not isinstance(answer, Operation):
        return False
    if answer.name == "apply":
        return True
    return bool(tree.free_symbols(answer)) and not tree.contains(
        answer, lambda part: isinstance(part, Number)
    )


def is_labelled(answer):
    """Whether the answer is an equation with a label on its left."""
    return (
        isinstance(answer, Relation)
        and set(answer.operators) <= EQUALITIES
        and is_label(answer.operands[0])
        and is_allowed_value(*answer.operands[:: len(answer.operands) - 1])
    )


def is_allowed_value(label, value):
    """Whether the right side can be the value of the label."""
    if isinstance(label, (Symbol, Text, Sequence)):
        return True
    if isinstance(label, Operation) and label.name == "apply":
        return True
    return not tree.free_symbols(value)


def value_of(answer):
    """The bare answer in an equation, a membership, or a list of them."""
    if isinstance(answer, Collection):
        return values_of(answer)
    operands = answer.operands
    if answer.operators == ("in",) and is_label(operands[0]):
        return operands[1]
    if not set(answer.operators) <= EQUALITIES:
        return None
    exact = operands
    if "~" in answer.operators[1:]:
        exact = operands[: answer.operators.index("~", 1) + 1]
    if is_labelled(answer):
        return exact[-1]
    if is_label(operands[-1]) and not tree.free_symbols(operands[0]):
        return operands[0]
    return value_of_chain(answer)


def value_of_chain(answer):
    """The value of 2 + 3 = 5, if the equation is true."""
    operands = answer.operands
    for operator, left, right in zip(
        answer.operators, operands, operands[1:], strict=False
    ):
        if operator == "=" and not (
            tree.is_expression(left)
            and tree.is_expression(right)
            and same_value(left, right)
        ):
            return None
    return operands[0]


def values_of(answer):
    """The values of several equations: in order if the labels differ."""
    if not all(isinstance(item, Relation) for item in answer.items):
        return None
    values = tuple(map(value_of, answer.items))
    if None in values:
        return None
    labels = {item.operands[0] for item in answer.items}
    if len(labels) == len(values) > 1:
        return Sequence(values)
    return Collection(values) if len(labels) == 1 else None
