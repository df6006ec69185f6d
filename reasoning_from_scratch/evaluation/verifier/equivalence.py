"""Whether two parsed answers are the same answer.

Each rule looks at one kind of answer and says True, False, or None for "not
my kind"; the first verdict counts. Rules treat both sides alike, so that the
verdict does not depend on the order.
"""

from . import tree
from .containers import (
    compare_collections,
    compare_matrices,
    compare_sequences,
)
from .forms import settle
from .limits import MAX_COMPARED, Undecided
from .relations import compare_relations, compare_sets
from .scalars import same_value
from .tree import (
    BaseNumeral,
    Choice,
    Number,
    Operation,
    Quantity,
    Symbol,
    Text,
    in_order,
)
from .units import canonical_unit


class Judge:
    """Compares answers; asks `decide` where symbolic algebra is needed."""

    def __init__(self, decide):
        """decide(question, left, right) -> bool, with a question of
        "values", "equations" or "sets"."""
        self.decide = decide
        self.num_compared = 0

    def same(self, left, right):
        """True if two trees are certainly the same answer, else False."""
        self.num_compared += 1
        if self.num_compared > MAX_COMPARED:
            raise Undecided("too many parts to compare")
        left, right = settle(left), settle(right)
        if left == right:
            return True
        for rule in RULES:
            verdict = rule(left, right, self)
            if verdict is not None:
                return bool(verdict)
        return False


def compare_choices(left, right, judge):
    """(B) 12 equals B and 12; of two such answers the letters count."""
    pair = in_order(left, right, Choice)
    if pair is None:
        return None
    choice, other = pair
    if isinstance(other, Choice):
        return choice.letter == other.letter
    letter = letter_of(other)
    if letter:
        return choice.letter == letter
    return judge.same(choice.content, other)


def letter_of(answer):
    """The letter that an answer consists of, in lower case, or None."""
    name = answer.words if isinstance(answer, Text) else ""
    name = answer.name if isinstance(answer, Symbol) else name
    return name.lower() if len(name) == 1 else None


def compare_texts(left, right, judge):
    """Words, letter by letter; letters of symbols count as they stand."""
    pair = in_order(left, right, Text)
    if pair is None:
        return None
    text, other = pair
    return text.words == letters_of(other)


def letters_of(answer):
    """The letters of a text, a symbol or a product of symbols."""
    if isinstance(answer, Text):
        return answer.words
    factors = (answer,)
    if isinstance(answer, Operation) and answer.name == "multiply":
        factors = answer.args
    if all(isinstance(factor, Symbol) for factor in factors):
        return "".join(factor.name for factor in factors).lower()
    return None


def compare_quantities(left, right, judge):
    """Values with units: units that both sides name must agree."""
    pair = in_order(left, right, Quantity)
    if pair is None:
        return None
    quantity, other = pair
    unit = canonical_unit(quantity.unit)
    if isinstance(other, Quantity):
        other_unit = canonical_unit(other.unit)
        if unit and other_unit and unit != other_unit:
            return False
        return judge.same(quantity.value, other.value)
    if judge.same(quantity.value, other):
        return True
    if quantity.unit == "percent":
        share = Operation("divide", (quantity.value, tree.integer(100)))
        return judge.same(share, other)
    has_degrees = tree.contains(other, is_degree)
    if quantity.unit == "degree" and has_degrees:
        angle = Operation("degree", (quantity.value,))
        return compare_values(angle, other, judge)
    return False


def is_degree(part):
    """Whether a tree is an angle in degrees."""
    return isinstance(part, Operation) and part.name == "degree"


def compare_values(left, right, judge):
    """Expressions: by value, and by algebra where values do not tell."""
    if isinstance(left, BaseNumeral) or isinstance(right, BaseNumeral):
        return False
    if not (tree.is_expression(left) and tree.is_expression(right)):
        return False
    if isinstance(left, Number) and isinstance(right, Number):
        return same_value(left, right)
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return False
    if is_name(left) and is_name(right):
        return False  # AB and BA may be points, or matrices
    verdict = same_value(left, right)
    has_series = any(tree.contains(side, is_series) for side in (left, right))
    if verdict is None and has_series:
        return judge.decide("values", left, right)
    return verdict


def is_name(answer):
    """Whether a product is nothing but capital letters: AB."""
    factors = answer.args if isinstance(answer, Operation) else ()
    return bool(factors) and all(
        isinstance(factor, Symbol) and factor.name.isupper()
        for factor in factors
    )


def is_series(part):
    """Whether a tree is a sum or product without end."""
    return (
        isinstance(part, Operation)
        and part.name in tree.BINDERS
        and part.args[2] == tree.INFINITY
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
    compare_values,
)
