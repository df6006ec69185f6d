"""Bringing an answer into the form in which it is compared.

`settle` writes out what a notation abbreviates: 1 ± 2 is the list 3, -1.
`value_of` finds the bare answer in "x = 5" and "x \\in S".
"""

from itertools import product

from . import tree
from .tree import Collection, Operation, Relation, Sequence, is_operation
from .values import same_value

EQUALITIES = {"=", "~"}
ROWS = (tree.Matrix, Sequence)  # what a number multiplies item by item
MAX_SIGNS = 3  # independent plus-minus signs: eight answers
ANY_WHOLE = tree.Symbol("k")
WHOLE = (tree.Symbol("integers"), tree.Symbol("naturals"))
UNIT_VECTORS = ("unit i", "unit j", "unit k")
UNKNOWNS = frozenset("tuvxyn")  # |x| = 5 asks for x, |z| = 5 for |z|


def settle(answer):
    """The answer with its abbreviations written out."""
    is_list = isinstance(answer, (Collection, tree.Choice))
    if (not is_list or is_system(answer)) and tree.holds(answer, "pm", "mp"):
        return settle(Collection(tuple(sign_choices(answer)), "or"))
    if is_operation(answer, "percent", "degree"):
        return tree.Quantity(answer.args[0], answer.name)
    if isinstance(answer, (Operation, tree.Symbol)):
        inner = settle(answer.args[0]) if answer.name == "negate" else None
        if isinstance(inner, tree.Quantity):
            return tree.Quantity(tree.negate(inner.value), inner.unit)
        return unit_vectors(answer) or matrix_product(answer) or answer
    if isinstance(answer, tree.Quantity):
        return tree.Quantity(settle(answer.value), answer.unit)
    if isinstance(answer, Collection):
        return settle_collection(answer)
    if isinstance(answer, Sequence):
        return as_matrix(answer)
    if isinstance(answer, Relation):
        return split_tuple(answer)
    return answer


def unit_vectors(answer):
    """2i - 3j in unit vectors as a column."""
    names = tree.free_symbols(answer) & set(UNIT_VECTORS)
    parts = {name: [tree.integer(0)] for name in UNIT_VECTORS}
    for term in answer.args if answer.name == "add" else (answer,):
        found = tree.free_symbols(term) & names
        if len(found) != 1:
            return None
        (name,) = found
        parts[name].append(tree.substitute(term, name, tree.integer(1)))
    rows = tuple((tree.combine("add", *terms),) for terms in parts.values())
    return tree.Matrix(rows if "unit k" in names else rows[:2])


def matrix_product(answer):
    """A number times a matrix, cell by cell, or a transposed matrix."""
    if answer.name not in ("negate", "multiply", "divide", "transpose"):
        return None
    args = [settle(a) if isinstance(a, Operation) else a for a in answer.args]
    if answer.name == "transpose":
        rows = getattr(args[0], "rows", (getattr(args[0], "items", ()),))
        return tree.Matrix(tuple(zip(*rows, strict=True)))
    places = [n for n, arg in enumerate(args) if isinstance(arg, ROWS)]
    if len(places) != 1 or answer.name == "divide" and places != [0]:
        return None
    (place,) = places
    before, after = args[:place], args[place + 1 :]
    return tree.rebuild(
        args[place], lambda c: Operation(answer.name, (*before, c, *after))
    )


def settle_collection(answer):
    """Flatten lists in lists, and repeat the label of "x = 1, 2"."""
    found = list(map(settle, answer.items))
    is_whole = answer.kind == "or" or all(map(is_system, found))
    items, label, operators = [], None, None
    for item in found:
        is_list = tree.is_kind(item, "list", "and", "or")
        is_open = is_list and not (is_whole and is_system(item))
        for part in item.items if is_open else (item,):
            is_excluded = getattr(part, "operators", ()) == ("!=",)
            if is_labelled(part) or is_excluded:
                label, operators = part.operands[0], part.operators[:1]
            elif label is not None and tree.is_expression(part):
                part = Relation(operators, (label, part))
            items.append(part)
    items = drop_parameters(items)
    if answer.kind != "set" and len(items) == 1:
        return items[0]
    return Collection(tuple(items), answer.kind)


def is_system(item):
    """Whether a list says several things about one answer: x = 1, y = 2."""
    if not tree.is_kind(item, "list", "and"):
        return False
    relations = [part for part in item.items if isinstance(part, Relation)]
    labels = {part.operands[0] for part in relations}
    is_order = not all(map(is_labelled, relations))
    return is_order or 1 < len(labels) == len(relations)


def drop_parameters(items):
    """Without "k is an integer", if k is a parameter of another item."""
    for place, item in enumerate(items):
        if not isinstance(item, Relation) or item.operators != ("in",):
            continue
        name, home = item.operands
        others = [*items[:place], *items[place + 1 :]]
        labels = [o.operands[0] for o in others if isinstance(o, Relation)]
        is_parameter = isinstance(name, tree.Symbol) and name not in labels
        if home in WHOLE and is_parameter and others:
            return [tree.substitute(o, name.name, ANY_WHOLE) for o in others]
    return items


def as_matrix(answer):
    """[[1, 2], [3, 4]] as a matrix; other sequences stay."""
    rows = (answer, *answer.items)
    brackets = {getattr(r, "left", "") + getattr(r, "right", "") for r in rows}
    if brackets != {"[]"} or len({len(row.items) for row in rows[1:]}) > 1:
        return answer
    return tree.Matrix(tuple(row.items for row in answer.items))


def sign_choices(answer):
    """What the signs stand for: with a minus-plus all are chosen together."""
    parts = [p for p in tree.walk(answer) if is_operation(p, "pm", "mp")]
    signs = [part.name for part in parts]
    tree.undecided_if(len(signs) > MAX_SIGNS, "too many signs")
    if "mp" in signs:
        choices = [[True] * len(signs), [False] * len(signs)]
    else:
        choices = product((True, False), repeat=len(signs))
    return [choose_signs(answer, iter(choice)) for choice in choices]


def choose_signs(answer, choice):
    """The answer with each sign read as plus (True) or minus."""
    if not is_operation(answer, "pm", "mp"):
        return tree.rebuild(answer, lambda part: choose_signs(part, choice))
    is_plus = next(choice) == (answer.name == "pm")
    left, right = (choose_signs(arg, choice) for arg in answer.args)
    if isinstance(right, Sequence) and left == tree.integer(0):
        return right if is_plus else tree.rebuild(right, tree.negate)
    if isinstance(right, Collection) and left == tree.integer(0):
        items = right.items if is_plus else map(tree.negate, right.items)
        return Collection(tuple(items))
    return tree.combine("add", left, right if is_plus else tree.negate(right))


def split_tuple(answer):
    """(x, y) = (1, 2) as the list x = 1, y = 2; all else stays."""
    names, values = answer.operands[0], answer.operands[-1]
    are_tuples = isinstance(names, Sequence) and isinstance(values, Sequence)
    if answer.operators != ("=",) or not (are_tuples and is_label(names)):
        return answer
    if len(names.items) != len(values.items):
        return answer
    pairs = zip(names.items, values.items, strict=True)
    return Collection(tuple(Relation(("=",), pair) for pair in pairs), "and")


def is_label(answer):
    """Whether a side names what is asked for: x, f(2), x + y, but not -x."""
    is_name = isinstance(answer, (tree.Symbol, tree.Text))
    if is_name or is_operation(answer, "apply"):
        return True
    if isinstance(answer, Sequence):
        return all(isinstance(item, tree.Symbol) for item in answer.items)
    has_number = any(isinstance(p, tree.Number) for p in tree.walk(answer))
    if has_number or not isinstance(answer, Operation):
        return False
    names = tree.free_symbols(answer)
    if answer.name in ("abs", "norm", "sin", "cos", "tan", "cot"):
        return bool(names) and not names & UNKNOWNS
    return len(names) > 1 and answer.name in ("add", "multiply", "divide")


def is_labelled(answer):
    """Whether the answer is an equation with a label on its left."""
    if not isinstance(answer, Relation):
        return False
    label, value = answer.operands[0], answer.operands[-1]
    if not set(answer.operators) <= EQUALITIES or not is_label(label):
        return False
    is_name = not isinstance(label, Operation) or label.name == "apply"
    return is_name or not tree.free_symbols(value)


def value_of(answer):
    """The bare answer in an equation, a membership, or a list of them."""
    if isinstance(answer, Collection):
        return values_of(answer)
    operands = answer.operands
    if answer.operators == ("in",) and is_label(operands[0]):
        return operands[1]
    if not set(answer.operators) <= EQUALITIES:
        return None
    if is_labelled(answer):
        rounded = "~" in answer.operators[1:]
        return operands[answer.operators.index("~", 1) if rounded else -1]
    if is_label(operands[-1]) and not tree.free_symbols(operands[0]):
        return operands[0]
    for operator, left, right in answer.links():  # 2 + 3 = 5, if it is true
        is_sum = tree.is_expression(left) and tree.is_expression(right)
        if operator == "=" and not (is_sum and same_value(left, right)):
            return None
    return operands[0]


def values_of(answer):
    """The values of several equations: in order if the labels differ."""
    if not all(isinstance(item, Relation) for item in answer.items):
        return None
    values = tuple(map(value_of, answer.items))
    labels = [item.operands[0] for item in answer.items]
    if None in values:
        return None
    if len(set(labels)) == 1:
        return Collection(values)
    if len(set(labels)) < len(labels) or answer.kind == "or":
        return None
    names = [getattr(label, "name", "") for label in labels]
    order = range(len(labels))
    if all(len(name) == 1 and name.islower() for name in names):
        order = sorted(order, key=names.__getitem__)  # x before y
    return Sequence(tuple(values[place] for place in order))
