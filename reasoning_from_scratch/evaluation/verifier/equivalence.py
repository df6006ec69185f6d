"""Whether two parsed answers are the same answer.

Each rule looks at one kind of answer and says True, False, or None for "not
my kind"; the first verdict counts. Rules treat both sides alike, so that the
verdict does not depend on the order.
"""

from fractions import Fraction

from . import tree
from .forms import EQUALITIES, is_label, settle, value_of
from .real_sets import same_set
from .tree import (
    Choice,
    Collection,
    Matrix,
    Number,
    Operation,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    Text,
    Undecided,
    in_order,
    is_expression,
    is_operation,
)
from .values import agree_at_points, same_value
from .words import canonical_unit

FLIPPED = {">": "<", ">=": "<="}
PARAMETERS = frozenset("klmn")  # whole numbers in the solutions of sin x = 0


class Judge:
    """Compares answers, and counts how many parts it has compared."""

    def __init__(self):
        self.num_compared = 0

    def same(self, left, right):
        """True if two trees are certainly the same answer, else False."""
        self.num_compared += 1
        if self.num_compared > tree.MAX_COMPARED:
            raise Undecided("too many parts to compare")
        left, right = settle(left), settle(right)
        if left == right:
            return True
        for rule in RULES:
            verdict = rule(left, right, self)
            if verdict is not None:
                return bool(verdict)
        return False

    def same_row(self, left, right):
        """Whether the items are the same, one by one."""
        return len(left) == len(right) and all(map(self.same, left, right))

    def same_items(self, left, right):
        """Whether the items can be paired off, in any order."""
        if len(left) != len(right):
            return False
        unpaired = list(right)
        for item in left:
            for number, other in enumerate(unpaired):
                if self.same(item, other):
                    del unpaired[number]
                    break
            else:
                return False
        return True


def compare_choices(left, right, judge):
    """(B) 12 equals B and 12; of two such answers the letters count."""
    pair = in_order(left, right, Choice)
    if pair is None:
        return None
    choice, other = pair
    if isinstance(other, Choice):
        return choice.letter == other.letter
    letters = letters_of(other) or ""
    if len(letters) == 1:
        return choice.letter == letters
    return judge.same(choice.content, other)


def letters_of(answer):
    """The letters of a text, a symbol or a product of symbols."""
    if isinstance(answer, Text):
        return answer.words
    is_product = is_operation(answer, "multiply")
    factors = answer.args if is_product else (answer,)
    if all(isinstance(factor, Symbol) for factor in factors):
        return "".join(factor.name for factor in factors).lower()
    return None


# Equations, inequalities, sets


def is_relational(answer):
    """Whether an answer is a relation or a list of relations."""
    if isinstance(answer, Collection) and answer.items:
        return all(map(is_relational, answer.items))
    return isinstance(answer, Relation)


def compare_relations(left, right, judge):
    """Equations, inequalities and memberships, with each other or bare."""
    if is_relational(right):
        left, right = right, left
    if not is_relational(left):
        return None
    if is_relational(right):
        return bool(same_relations(left, right, judge))
    value = value_of(left)
    both = isinstance(left, Collection) and isinstance(right, Collection)
    if both and judge.same_items(left.items, right.items):
        return True  # systems against points
    if both and isinstance(value, Sequence):
        labels = [getattr(i.operands[0], "name", "") for i in left.items]
        if len({name.split("_")[0] for name in labels}) == 1:
            value = Collection(value.items)  # x_1, x_2, ...: roots of one x
        elif right.kind == "list":
            return judge.same_row(value.items, right.items)
    if value is not None and not is_relational(value):
        return judge.same(value, right)
    return bool(same_set(left, right))


def same_relations(left, right, judge):
    """Compare two relations, or two lists of them."""
    if isinstance(left, Relation) and isinstance(right, Relation):
        verdict = same_equations(left, right, judge)
        return same_set(left, right) if verdict is None else verdict
    values = value_of(left), value_of(right)
    if isinstance(left, Collection) and isinstance(right, Collection):
        # "x = 1 or y = 2" is not "x = 1, y = 2", but "x = 1 or x = 2" is
        is_joined_alike = (left.kind == "or") == (right.kind == "or")
        is_list = None not in values and not is_order(left.items[0])
        may_match = is_joined_alike or is_list
        if may_match and judge.same_items(left.items, right.items):
            return True
    if None in values or any(isinstance(v, Sequence) for v in values):
        return same_set(left, right)  # other labels, or the same swapped
    labels = [
        {item.operands[0] for item in getattr(answer, "items", (answer,))}
        for answer in (left, right)
    ]
    if labels[0] == labels[1]:
        return judge.same(*values)
    return same_set(left, right)


def is_order(part):
    """Whether a tree is a relation that says more than what equals what."""
    return isinstance(part, Relation) and not set(part.operators) <= EQUALITIES


def same_equations(left, right, judge):
    """Compare two chains; None leaves them to be compared as sets."""
    if not is_order(left) and not is_order(right):
        values = value_of(left), value_of(right)
        labels = left.operands[0], right.operands[0]
        if labels[0] == labels[1] and is_label(labels[0]) and values[0]:
            return judge.same(*values)
        return same_zero(left, right, judge)
    if len(left.operands) != 2 or len(right.operands) != 2:
        return None
    left, right = pointing_left(left), pointing_left(right)
    is_same = left.operators == right.operators
    return is_same and same_zero(left, right, judge) or None


def pointing_left(relation):
    """a > b as b < a."""
    (operator,) = relation.operators
    if operator not in FLIPPED:
        return relation
    return Relation((FLIPPED[operator],), relation.operands[::-1])


def same_zero(left, right, judge):
    """Whether left - right of two relations are multiples of each other."""
    ends = [(r.operands[0], r.operands[-1]) for r in (left, right)]
    if not all(is_expression(end) for pair in ends for end in pair):
        return all(map(judge.same, *ends))
    names = sorted(tree.free_symbols(left))
    if not names or names != sorted(tree.free_symbols(right)):
        return False
    zeros = [tree.subtract(*pair) for pair in ends]
    if left.operators[0] == "=":  # y - 1/x times x is xy - 1
        zeros = [tree.multiply(z, *denominators(z)) for z in zeros]
    ratio = at_point = tree.divide(*zeros)
    for number, name in enumerate(names):  # no root of either side, we hope
        value = Number(Fraction(137 + 10 * number, 23))
        at_point = tree.substitute(at_point, name, value)
    if left.operators[0] in ("<", "<="):
        sign = Operation("sign", (at_point,))
        if not same_value(sign, tree.integer(1)):
            return False
    return agree_at_points(ratio, at_point, names)


def denominators(answer):
    """The expressions with symbols that an expression divides by."""
    return [
        part.args[1]
        for part in tree.walk(answer)
        if is_operation(part, "divide") and tree.free_symbols(part.args[1])
    ]


def compare_sets(left, right, judge):
    """Unions, set differences and the real line."""
    is_pair = all(is_operation(a, *tree.UNIONS) for a in (left, right))
    is_either = any(is_operation(a, *tree.UNIONS) for a in (left, right))
    if not is_either and tree.REALS not in (left, right):
        return None
    verdict = same_set(left, right)
    if verdict is not None or not is_pair or left.name != right.name:
        return bool(verdict)
    is_ordered = left.name == "setminus"
    match = judge.same_row if is_ordered else judge.same_items
    return match(left.args, right.args)


# Lists, points, matrices


def compare_collections(left, right, judge):
    """Sets and lists: the order of items does not count."""
    pair = in_order(left, right, Collection)
    if pair is None:
        return None
    collection, other = pair
    for one, two in (pair, pair[::-1]):
        is_either = isinstance(one, Collection) and one.kind == "or"
        if is_either and all(judge.same(one.items[0], i) for i in one.items):
            return judge.same(one.items[0], two)
    if not isinstance(other, Collection):
        is_single = collection.kind == "set" and len(collection.items) == 1
        return is_single and judge.same(collection.items[0], other)
    if collection.kind == other.kind == "set":
        return all(
            any(judge.same(a, b) for b in many)
            for few, many in (
                (collection.items, other.items),
                (other.items, collection.items),
            )
            for a in few
        )
    return judge.same_items(collection.items, other.items)


def compare_sequences(left, right, judge):
    """Points and intervals: order and brackets count."""
    pair = in_order(left, right, Sequence)
    if pair is None:
        return None
    sequence, other = pair
    if isinstance(other, Matrix):
        is_point = (sequence.left, sequence.right) == ("(", ")")
        is_vector = 1 in (len(other.rows), len(other.rows[0]))
        cells = tree.parts(other)
        return is_point and is_vector and judge.same_row(sequence.items, cells)
    if not isinstance(other, Sequence):
        return False
    brackets = [(s.left, s.right) for s in (sequence, other)]
    is_tuple = len(sequence.items) > 2 and all(
        pair in (("(", ")"), ("[", "]")) for pair in brackets
    )
    if brackets[0] != brackets[1] and not is_tuple:
        return False
    return judge.same_row(sequence.items, other.items)


def compare_matrices(left, right, judge):
    """Matrices of one shape, cell by cell."""
    pair = in_order(left, right, Matrix)
    if pair is None:
        return None
    matrix, other = pair
    if not isinstance(other, Matrix) or len(matrix.rows) != len(other.rows):
        return False
    return all(map(judge.same_row, matrix.rows, other.rows))


# Words, quantities, values


def compare_texts(left, right, judge):
    """Words, letter by letter; letters of symbols count as they stand."""
    pair = in_order(left, right, Text)
    if pair is None:
        return None
    text, other = pair
    return text.words == letters_of(other)


def compare_quantities(left, right, judge):
    """Values with units: units that both sides name must agree."""
    pair = in_order(left, right, Quantity)
    if pair is None:
        return None
    quantity, other = pair
    if isinstance(other, Quantity):
        units = canonical_unit(quantity.unit), canonical_unit(other.unit)
        if all(units) and units[0] != units[1]:
            return False
        return judge.same(quantity.value, other.value)
    if judge.same(quantity.value, other):
        return True
    if quantity.unit == "percent":
        share = tree.divide(quantity.value, tree.integer(100))
        return judge.same(share, other)
    angle = Operation("degree", (quantity.value,))
    has_degrees = any(is_operation(p, "degree") for p in tree.walk(other))
    is_angle = quantity.unit == "degree" and has_degrees
    return is_angle and compare_values(angle, other, judge)


def compare_residues(left, right, judge):
    """3 (mod 7) and 10 (mod 7) are one class of numbers."""
    if not any(is_operation(a, "residue") for a in (left, right)):
        return None
    if not all(is_operation(a, "residue", "modulo") for a in (left, right)):
        return False
    (value, modulus), (other, other_modulus) = left.args, right.args
    rest = Operation("modulo", (tree.subtract(value, other), modulus))
    is_equal = same_value(value, other) or same_value(rest, tree.integer(0))
    return is_equal and same_value(modulus, other_modulus)


def compare_values(left, right, judge):
    """Expressions, by value."""
    if not (is_expression(left) and is_expression(right)):
        return False
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return False
    if is_name(left) and is_name(right):
        return False  # AB and BA may be points, or matrices
    names = tree.free_symbols(left), tree.free_symbols(right)
    is_one = names[0] != names[1] and all(
        len(one) == 1 and one < PARAMETERS for one in names
    )
    if is_one and tree.contains(left, is_period):  # k pi is n pi
        left = tree.substitute(left, *names[0], Symbol(*names[1]))
    return same_value(left, right)


def is_period(part):
    """Whether a tree is pi or an angle in degrees."""
    return part == Symbol("pi") or is_operation(part, "degree")


def is_name(answer):
    """Whether a product is nothing but capital letters: AB."""
    factors = answer.args if isinstance(answer, Operation) else ()
    return bool(factors) and all(
        isinstance(factor, Symbol) and factor.name.isupper()
        for factor in factors
    )


RULES = (
    compare_choices,
    compare_relations,
    compare_sets,
    compare_collections,
    compare_sequences,
    compare_matrices,
    compare_texts,
    compare_quantities,
    compare_residues,
    compare_values,
)
