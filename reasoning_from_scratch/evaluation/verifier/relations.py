"""Rules for equations, inequalities and sets of real numbers.

A rule takes two settled answers and the judge that compares their parts; it
returns True, False, or None for "not my kind".
"""

from fractions import Fraction

from . import tree
from .containers import same_items
from .forms import is_label, split_tuple, value_of
from .limits import Undecided
from .membership import may_be_same_set
from .real_sets import real_set, same_set
from .scalars import agree_at_points, same_value
from .tree import (
    Collection,
    Combination,
    Number,
    Operation,
    Relation,
    Sequence,
    Symbol,
)

DIVISIONS = ("divide", "power")
SETS = (Relation, Collection, Combination, Sequence)
FLIPPED = {">": "<", ">=": "<="}


def is_relational(answer):
    """Whether an answer is a relation or a list of relations."""
    if isinstance(answer, Collection) and answer.items:
        return all(isinstance(item, Relation) for item in answer.items)
    return isinstance(answer, Relation)


def compare_relations(left, right, judge):
    """Equations, inequalities and memberships, with each other or bare."""
    if is_relational(left) and is_relational(right):
        return same_relations(left, right, judge)
    if not is_relational(left) and not is_relational(right):
        return None
    if not is_relational(left):
        left, right = right, left
    value = value_of(left)
    is_list = isinstance(right, Collection) and has_one_letter(left)
    if isinstance(value, Sequence) and is_list:
        value = Collection(value.items)
    if value is not None and not is_relational(value):
        return judge.same(value, right)
    return same_sets(left, right, judge)


def has_one_letter(relations):
    """Whether the labels of a list are x_1, x_2, ...: roots of one x."""
    if not isinstance(relations, Collection):
        return False
    labels = {item.operands[0] for item in relations.items}
    names = {getattr(label, "name", "").split("_")[0] for label in labels}
    return len(names) == 1 and "" not in names


def same_relations(left, right, judge):
    """Compare two relations, or two lists of them."""
    if type(left) is not type(right):
        left, right = split_tuple(left), split_tuple(right)
    if isinstance(left, Relation) and isinstance(right, Relation):
        verdict = same_equations(left, right, judge)
        if verdict is not None:
            return verdict
    elif isinstance(left, type(right)) and same_items(
        left.items, right.items, judge
    ):
        return True
    values = value_of(left), value_of(right)
    if None not in values and labels_of(left) == labels_of(right):
        return judge.same(*values)
    return same_sets(left, right, judge)


def labels_of(answer):
    """The left sides of a relation or of a list of relations."""
    items = answer.items if isinstance(answer, Collection) else (answer,)
    return {item.operands[0] for item in items}


def same_equations(left, right, judge):
    """Compare two chains; None leaves them to be compared as sets."""
    if set(left.operators + right.operators) <= {"=", "~"}:
        values = value_of(left), value_of(right)
        labels = left.operands[0], right.operands[0]
        if labels[0] == labels[1] and is_label(labels[0]) and values[0]:
            return judge.same(*values)
        return same_zero(left, right, "equations", judge)
    if len(left.operands) != 2 or len(right.operands) != 2:
        return None
    left, right = pointing_left(left), pointing_left(right)
    if left.operators == right.operators and left.operators[0] in ("<", "<="):
        return same_zero(left, right, "inequalities", judge) or None
    return None


def pointing_left(relation):
    """a > b as b < a."""
    (operator,) = relation.operators
    if operator not in FLIPPED:
        return relation
    return Relation((FLIPPED[operator],), relation.operands[::-1])


def same_zero(left, right, question, judge):
    """Whether left - right of two relations are multiples of each other."""
    ends = [(r.operands[0], r.operands[-1]) for r in (left, right)]
    if not all(tree.is_expression(e) for pair in ends for e in pair):
        return all(judge.same(*pair) for pair in zip(*ends, strict=True))
    zeros = [tree.subtract(*pair) for pair in ends]
    names = tree.free_symbols(left)
    if not names or names != tree.free_symbols(right):
        return False
    if is_multiple(*zeros, sorted(names), question == "inequalities"):
        return True
    if question == "equations":
        divides = any(tree.contains(z, is_quotient) for z in zeros)
        return divides and judge.decide(question, *zeros)
    return None


def is_quotient(part):
    """Whether a tree divides by a symbol: algebra may multiply by it."""
    if not isinstance(part, Operation) or part.name not in DIVISIONS:
        return False
    return bool(tree.free_symbols(part.args[1])) or part.name == "power"


def is_multiple(left, right, names, only_positive):
    """Whether left / right is one constant, perhaps a positive one."""
    ratio = at_point = Operation("divide", (left, right))
    for number, name in enumerate(names):  # no root of either side, we hope
        value = Number(Fraction(137 + 10 * number, 23))
        at_point = substitute(at_point, name, value)
    if only_positive:
        ratio_sign = Operation("sign", (at_point,))
        if not same_value(ratio_sign, tree.integer(1)):
            return False
    return bool(agree_at_points(ratio, at_point, names))


def substitute(answer, name, value):
    """The expression with a value for a free symbol."""
    if isinstance(answer, Symbol):
        return value if answer.name == name else answer
    if not isinstance(answer, Operation):
        return answer
    if answer.name == "apply" and tree.applied_name(answer) == name:
        return value
    args = tuple(substitute(arg, name, value) for arg in answer.args)
    return Operation(answer.name, args)


def compare_sets(left, right, judge):
    """Unions, set differences and the real line."""
    if not any(
        isinstance(answer, Combination) or answer == tree.REALS
        for answer in (left, right)
    ):
        return None
    return same_sets(left, right, judge)


def same_sets(left, right, judge):
    """Compare what two answers describe as sets of real numbers."""
    try:
        (pieces, symbol), (others, other) = map(real_set, (left, right))
    except Undecided:
        if isinstance(left, Combination) and isinstance(right, Combination):
            return same_combination(left, right, judge)
        if not all(isinstance(answer, SETS) for answer in (left, right)):
            return False
        if any(tree.contains(answer, is_equation) for answer in (left, right)):
            return False  # solving it may be the question, not the answer
        if may_be_same_set(left, right):
            return judge.decide("sets", left, right)
        return False
    if symbol and other and symbol != other:
        return False
    return same_set(pieces, others)


def is_equation(part):
    """Whether a tree is a relation with an equals sign."""
    return isinstance(part, Relation) and "=" in part.operators


def same_combination(left, right, judge):
    """Compare unions whose ends have no numeric value, part by part."""
    if left.operator != right.operator:
        return False
    parts = (left.left, left.right), (right.left, right.right)
    if left.operator == "setminus":
        pairs = zip(*parts, strict=True)
        return all(judge.same(*pair) for pair in pairs)
    return same_items(*parts, judge)
