"""From text to tree: hand-written trees, and the limits."""

from fractions import Fraction

import pytest

from reasoning_from_scratch.evaluation.verifier import limits, tree
from reasoning_from_scratch.evaluation.verifier.answer_parser import parse
from reasoning_from_scratch.evaluation.verifier.exact import exact_value
from reasoning_from_scratch.evaluation.verifier.tree import (
    BaseNumeral,
    Choice,
    Collection,
    Number,
    Operation,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    Text,
)

ONE, TWO, X = tree.integer(1), tree.integer(2), Symbol("x")
TREES = [
    ("1,234", tree.integer(1234)),
    ("(1,234)", Sequence((ONE, tree.integer(234)))),
    (r"1\frac45", Number(Fraction(9, 5))),
    (r"\frac12", Operation("divide", (ONE, TWO))),
    ("0.25", Number(Fraction(1, 4), 2)),
    (r"0.\overline{3}", Number(Fraction(1, 3))),
    ("2x", Operation("multiply", (TWO, X))),
    ("-x", Operation("negate", (X,))),
    (r"\sqrt2", Operation("sqrt", (TWO,))),
    (r"\sin^{-1} x", Operation("arcsin", (X,))),
    ("f(x)", Operation("apply", (Symbol("f"), X))),
    ("[1,2)", Sequence((ONE, TWO), "[", ")")),
    (r"\{1,2\}", Collection((ONE, TWO), "set")),
    ("1 or 2", Collection((ONE, TWO), "or")),
    ("1<x", Relation(("<",), (ONE, X))),
    ("x=1", Relation(("=",), (X, ONE))),
    (r"2\text{ cm}", Quantity(TWO, "cm")),
    (r"\text{east}", Text("east")),
    ("(B)", Text("b")),
    ("(B) 2", Choice("b", TWO)),
    ("52_8", BaseNumeral("52", 8)),
]
TOO_MUCH = [
    "1+" * limits.MAX_CHARACTERS + "1",
    "x+" * limits.MAX_TOKENS + "1",
    "(" * (limits.MAX_DEPTH + 1) + "x" + ")" * (limits.MAX_DEPTH + 1),
    "9" * (limits.MAX_DIGITS + 1),
    "1," * limits.MAX_ITEMS + "1",
    "5!!!!!!",
]
UNKNOWN = ["", "5 5", "((1)", "1)", r"\unknown{5}", "x^^2", "@", r"\frac{1}"]


@pytest.mark.parametrize(("text", "expected"), TREES)
def test_a_text_becomes_the_tree_that_stands_for_it(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", TOO_MUCH + UNKNOWN)
def test_what_is_over_a_limit_or_unknown_is_refused(text):
    with pytest.raises(limits.UnreadableAnswer):
        parse(text)


@pytest.mark.parametrize(
    "text", ["10^{10^{10}}", "100000!", r"\frac{1}{0}", "0^0", r"\sqrt2"]
)
def test_what_has_no_small_exact_value_is_left_undecided(text):
    with pytest.raises(limits.Undecided):
        exact_value(parse(text))


@pytest.mark.parametrize(("text", "expected"), TREES)
def test_a_tree_survives_the_way_to_the_worker_and_back(text, expected):
    assert tree.decode(tree.encode(expected)) == expected
