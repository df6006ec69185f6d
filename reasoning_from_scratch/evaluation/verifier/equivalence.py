"""Whether two parsed answers are the same answer.

The first rule of RULES whose kind one of them is decides, in either order.
"""

from fractions import Fraction

from . import tree
from .forms import EQUALITIES, is_label, settle, value_of
from .real_sets import same_set
from .tree import Collection, Relation, Sequence, Symbol, is_operation
from .values import agree_at_points, same_value, take_steps
from .vocabulary import canonical_unit

FLIPPED = {(">",): ("<",), (">=",): ("<=",)}
TUPLES = {("(", ")"), ("[", "]")}
COMPARISON = 4  # steps that one comparison of two trees counts for
PARAMETERS = frozenset("klmn")  # whole numbers in the solutions of sin x = 0


def same(left, right):
    """True if two trees are certainly the same answer, else False."""
    take_steps(COMPARISON)
    left, right = settle(left), settle(right)
    if left == right:
        return True
    for is_mine, rule in RULES:
        if is_mine(left):
            return bool(rule(left, right))
        if is_mine(right):
            return bool(rule(right, left))
    return False


def same_row(left, right):
    return len(left) == len(right) and all(map(same, left, right))


def same_items(left, right):
    """Whether the items can be paired off, in any order."""
    unpaired = list(right)
    for item in left:
        equal = (n for n, other in enumerate(unpaired) if same(item, other))
        place = next(equal, None)
        if place is None:
            return False
        del unpaired[place]
    return not unpaired


def compare_choices(choice, other):
    """(B) 12 equals B and 12; of two such answers the letters count."""
    letters = getattr(other, "letter", "") or letters_of(other)
    if len(letters) == 1:
        return choice.letter == letters
    return same(choice.value, other)


def letters_of(answer):
    """The letters of a text, a symbol or a product of symbols."""
    if isinstance(answer, tree.Text):
        return answer.words
    factors = answer.args if is_operation(answer, "multiply") else (answer,)
    names = [f.name if isinstance(f, Symbol) else "??" for f in factors]
    return "".join(names).lower()


def is_relational(answer):
    if isinstance(answer, Collection) and answer.items:
        return all(map(is_relational, answer.items))
    return isinstance(answer, Relation)


def compare_relations(left, right):
    """Equations, inequalities and memberships, with each other or bare."""
    if is_relational(right):
        return same_relations(left, right)
    value = value_of(left)
    both = isinstance(left, Collection) and isinstance(right, Collection)
    if both and any(isinstance(item, Collection) for item in left.items):
        return same_items(left.items, right.items)  # systems, points
    if both and isinstance(value, Sequence):
        labels = [getattr(i.operands[0], "name", "") for i in left.items]
        if len({name.split("_")[0] for name in labels}) == 1:
            value = Collection(value.items)  # x_1, x_2, ...: roots of one x
        elif right.kind == "list":
            return same_row(value.items, right.items)
    if value is not None and not is_relational(value):
        return same(value, right)
    return same_set(left, right)


def same_relations(left, right):
    if isinstance(left, Relation) and isinstance(right, Relation):
        verdict = same_equations(left, right)
        return same_set(left, right) if verdict is None else verdict
    values = value_of(left), value_of(right)
    if isinstance(left, Collection) and isinstance(right, Collection):
        # "x = 1 or y = 2" is not "x = 1, y = 2", but "x = 1 or x = 2" is
        is_joined_alike = (left.kind == "or") == (right.kind == "or")
        is_list = None not in values and left.items[0].operators != ("in",)
        may_match = is_joined_alike or is_list
        if may_match and same_items(left.items, right.items):
            return True
    labels = [
        {item.operands[0] for item in getattr(answer, "items", (answer,))}
        for answer in (left, right)
        if value_of(answer) is not None
    ]
    is_point = any(isinstance(value, Sequence) for value in values)
    if len(labels) == 2 and labels[0] == labels[1] and not is_point:
        return same(*values)
    return same_set(left, right)  # other labels, or the same swapped


def same_equations(left, right):
    """Compare two chains; None leaves them to be compared as sets."""
    if EQUALITIES.issuperset(left.operators + right.operators):
        values = value_of(left), value_of(right)
        labels = left.operands[0], right.operands[0]
        if labels[0] == labels[1] and is_label(labels[0]) and values[0]:
            return same(*values)
        return same_zero(left, right)
    left, right = (  # a > b as b < a
        Relation(FLIPPED[r.operators], r.operands[::-1])
        if r.operators in FLIPPED
        else r
        for r in (left, right)
    )
    is_chain = len(left.operators) > 1 or left.operators != right.operators
    return not is_chain and same_zero(left, right) or None


def same_zero(left, right):
    """Whether left - right of two relations are multiples of each other."""
    ends = [(r.operands[0], r.operands[-1]) for r in (left, right)]
    if not all(tree.is_expression(end) for pair in ends for end in pair):
        return all(map(same, *ends))
    names = sorted(tree.free_symbols(left))
    if not names or names != sorted(tree.free_symbols(right)):
        return False
    differences = (tree.subtract(*pair) for pair in ends)
    ratio = at_point = tree.combine("divide", *differences)
    for number, name in enumerate(names):  # no root of either side, we hope
        value = tree.Number(Fraction(137 + 10 * number, 23))
        at_point = tree.substitute(at_point, name, value)
    if left.operators[0] in ("<", "<="):
        sign = tree.Operation("sign", (at_point,))
        if not same_value(sign, tree.integer(1)):
            return False
    return agree_at_points(ratio, at_point, names)


def compare_unions(left, right):
    verdict = same_set(left, right)
    name = getattr(left, "name", "")
    if verdict is not None or not is_operation(right, name):
        return verdict
    match = same_row if name == "setminus" else same_items
    return match(left.args, right.args)


def compare_collections(collection, other):
    """Sets and lists: the order of items does not count."""
    for one, two in ((collection, other), (other, collection)):
        is_either = tree.is_kind(one, "or") and one.items
        if is_either and all(same(one.items[0], i) for i in one.items):
            return same(one.items[0], two)
    if not isinstance(other, Collection):
        is_single = collection.kind == "set" and len(collection.items) == 1
        return is_single and same(collection.items[0], other)
    if collection.kind == other.kind == "set":
        pair = collection.items, other.items
        return all(
            any(same(a, b) for b in many)
            for few, many in (pair, pair[::-1])
            for a in few
        )
    return same_items(collection.items, other.items)


def compare_sequences(sequence, other):
    """Points and intervals: order and brackets count."""
    brackets = (sequence.left, sequence.right)
    if isinstance(other, tree.Matrix):
        is_vector = 1 in (len(other.rows), len(other.rows[0]))
        cells = tree.parts(other) if is_vector else ()
        return brackets == ("(", ")") and same_row(sequence.items, cells)
    if not isinstance(other, Sequence):
        return False
    others = (other.left, other.right)
    is_tuple = len(sequence.items) > 2 and {brackets, others} <= TUPLES
    is_alike = brackets == others or is_tuple
    return is_alike and same_row(sequence.items, other.items)


def compare_matrices(matrix, other):
    is_alike = len(matrix.rows) == len(getattr(other, "rows", ()))
    return is_alike and same_row(tree.parts(matrix), tree.parts(other))


def compare_quantities(quantity, other):
    """Values with units: units that both sides name must agree."""
    value, unit = quantity.value, quantity.unit
    if isinstance(other, tree.Quantity):
        units = canonical_unit(unit), canonical_unit(other.unit)
        if all(units) and units[0] != units[1]:
            return False
        return same(value, other.value)
    if same(value, other):
        return True
    if unit == "percent":
        return same(tree.combine("divide", value, tree.integer(100)), other)
    has_degrees = tree.holds(other, "degree")
    angle = tree.Operation("degree", (value,))
    return unit == "degree" and has_degrees and compare_values(angle, other)


def compare_residues(left, right):
    """3 (mod 7) and 10 (mod 7) are one class of numbers."""
    if not is_operation(right, "residue", "modulo"):
        return False
    (value, modulus), (other, other_modulus) = left.args, right.args
    rest = tree.Operation("modulo", (tree.subtract(value, other), modulus))
    is_equal = same_value(value, other) or same_value(rest, tree.integer(0))
    return is_equal and same_value(modulus, other_modulus)


def compare_values(left, right):
    are_symbols = isinstance(left, Symbol) and isinstance(right, Symbol)
    if are_symbols or not tree.is_expression(right):
        return False
    if is_name(left) and is_name(right):
        return False  # AB and BA may be points, or matrices
    names = tree.free_symbols(left), tree.free_symbols(right)
    are_parameters = all(len(n) == 1 and n < PARAMETERS for n in names)
    is_periodic = Symbol("pi") in tree.walk(left) or tree.holds(left, "degree")
    if are_parameters and is_periodic:  # k pi is n pi
        left = tree.substitute(left, *names[0], Symbol(*names[1]))
    return same_value(left, right)


def is_name(answer):
    """Whether a product is nothing but capital letters: AB."""
    factors = answer.args if is_operation(answer, "multiply") else ()
    letters = [getattr(factor, "name", "") for factor in factors]
    return bool(letters) and all(map(str.isupper, letters))


def is_a(kind):
    return lambda answer: isinstance(answer, kind)


RULES = (
    (is_a(tree.Choice), compare_choices),
    (is_relational, compare_relations),
    (
        lambda a: is_operation(a, *tree.UNIONS) or a == tree.REALS,
        compare_unions,
    ),
    (is_a(Collection), compare_collections),
    (is_a(Sequence), compare_sequences),
    (is_a(tree.Matrix), compare_matrices),
    (is_a(tree.Text), lambda one, two: one.words == letters_of(two)),
    (is_a(tree.Quantity), compare_quantities),
    (lambda answer: is_operation(answer, "residue"), compare_residues),
    (tree.is_expression, compare_values),
)
