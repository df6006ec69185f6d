"""Symbolic algebra with SymPy: what numbers could not decide.

Imported by the worker process alone. Trees become SymPy objects through one
table of allowed operations; no text is ever parsed by SymPy.
"""

import sympy

from . import tree
from .limits import MAX_BITS, MAX_FACTORIAL, Undecided
from .tree import (
    Collection,
    Combination,
    Number,
    Operation,
    Relation,
    Sequence,
    Symbol,
)
from .vocabulary import words

CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I}
FUNCTIONS = {
    "add": sympy.Add,
    "multiply": sympy.Mul,
    "divide": lambda above, below: above / below,
    "negate": lambda value: -value,
    "percent": lambda value: value / 100,
    "degree": lambda value: value * sympy.pi / 180,
    "sqrt": sympy.sqrt,
    "root": sympy.root,
    "log": lambda value, base=10: sympy.log(value, base),
    "ln": sympy.log,
    "exp": sympy.exp,
    "abs": sympy.Abs,
    "norm": sympy.Abs,
    "real": sympy.re,
    "imaginary": sympy.im,
    "sign": sympy.sign,
    "floor": sympy.floor,
    "ceiling": sympy.ceiling,
    "max": sympy.Max,
    "min": sympy.Min,
    "gcd": sympy.gcd,
    "lcm": sympy.lcm,
    "modulo": sympy.Mod,
    "arsinh": sympy.asinh,
    "arcosh": sympy.acosh,
    "artanh": sympy.atanh,
} | {
    name: getattr(sympy, name.replace("arc", "a"))
    for name in words(
        """sin cos tan cot sec csc sinh cosh tanh coth sech csch
        arcsin arccos arctan arccot arcsec arccsc"""
    )
}
RELATIONS = {
    "<": sympy.Lt,
    "<=": sympy.Le,
    ">": sympy.Gt,
    ">=": sympy.Ge,
    "!=": sympy.Ne,
}


def decide(question, left, right):
    """Answer one question about two trees; False when SymPy cannot tell."""
    return QUESTIONS[question](left, right)


def same_values(left, right):
    """Whether the difference of two expressions simplifies to zero."""
    difference = expression(left) - expression(right)
    return sympy.simplify(difference).is_zero is True


def same_equations(left, right):
    """Whether two left sides of "... = 0" have one numerator in common.

    xy - 1 = 0 and y - 1/x = 0 do.
    """
    numerators = [
        sympy.numer(sympy.together(expression(side))) for side in (left, right)
    ]
    ratio = sympy.cancel(numerators[0] / numerators[1])
    return not ratio.free_symbols and ratio.is_zero is False


def same_sets(left, right):
    """Whether two answers describe one set of real numbers."""
    return real_set(left) == real_set(right)


def warm_up():
    """Load the parts of SymPy that are imported at their first use."""
    x = sympy.Symbol("x", real=True)
    sympy.simplify(sympy.sin(x) ** 2 + sympy.cos(x) ** 2)
    sympy.Lt(x**2, 4).as_set()


QUESTIONS = {
    "values": same_values,
    "equations": same_equations,
    "sets": same_sets,
}


def expression(answer):
    """The SymPy object of an expression."""
    if isinstance(answer, Number):
        return sympy.Rational(answer.value.numerator, answer.value.denominator)
    if isinstance(answer, Symbol):
        if answer.name in CONSTANTS:
            return CONSTANTS[answer.name]
        return sympy.Symbol(answer.name, real=True)
    if answer == tree.INFINITY:
        return sympy.oo
    if not isinstance(answer, Operation):
        raise Undecided(f"{type(answer).__name__} is no expression")
    if answer.name == "apply":
        return sympy.Symbol(tree.applied_name(answer), real=True)
    if answer.name in tree.BINDERS:
        return bound(answer)
    return operation(answer)


def operation(answer):
    """The SymPy object of an operation with its arguments."""
    args = list(map(expression, answer.args))
    if answer.name == "power":
        return power(*args)
    if answer.name in ("factorial", "binomial"):
        if any(arg.is_number and abs(arg) > MAX_FACTORIAL for arg in args):
            raise Undecided("a factorial out of range")
        return getattr(sympy, answer.name)(*args)
    if answer.name not in FUNCTIONS:
        raise Undecided(f"{answer.name} is no function of ours")
    return FUNCTIONS[answer.name](*args)


def power(base, exponent):
    """A power, unless it would write out too many digits."""
    if base.is_Rational and exponent.is_Rational:
        size = base.p.bit_length() + base.q.bit_length()
        if size * abs(exponent) > MAX_BITS:
            raise Undecided("a power of too many digits")
    return sympy.Pow(base, exponent)


def bound(answer):
    """A sum or product over an index, in closed form if there is one."""
    index, low, high, body = answer.args
    symbol = sympy.Symbol(index.name, integer=True)
    inner = expression(body)
    inner = inner.subs(sympy.Symbol(index.name, real=True), symbol)
    kind = sympy.Sum if answer.name == "sum" else sympy.Product
    return kind(inner, (symbol, expression(low), expression(high))).doit()


def real_set(answer):
    """The SymPy set of an interval, a union, or what relations allow."""
    if answer == tree.REALS:
        return sympy.S.Reals
    if isinstance(answer, Sequence) and len(answer.items) == 2:
        low, high = map(expression, answer.items)
        is_open = answer.left == "(", answer.right == ")"
        return sympy.Interval(low, high, *is_open)
    if isinstance(answer, Combination):
        left, right = real_set(answer.left), real_set(answer.right)
        joined = {"cup": left.union, "cap": left.intersect}
        return joined.get(answer.operator, lambda s: left - s)(right)
    if isinstance(answer, Collection) and answer.kind == "set":
        return sympy.FiniteSet(*map(expression, answer.items))
    if isinstance(answer, Collection):
        return conditions(answer)
    if isinstance(answer, Relation):
        return solutions(answer)
    raise Undecided("no set of real numbers")


def conditions(answer):
    """Several relations, as `real_sets.conditions` reads them."""
    sets = list(map(real_set, answer.items))
    common = sympy.Intersection(*sets)
    is_either = answer.kind == "or" or common is sympy.S.EmptySet
    return sympy.Union(*sets) if is_either else common


def solutions(answer):
    """The solutions of a chain of inequalities in one symbol."""
    if len(tree.free_symbols(answer)) != 1:
        raise Undecided("not one symbol")
    chain = zip(
        answer.operators, answer.operands, answer.operands[1:], strict=False
    )
    found = sympy.S.Reals
    for operator, left, right in chain:
        if operator not in RELATIONS:
            raise Undecided(f"{operator} is no inequality")
        relation = RELATIONS[operator](expression(left), expression(right))
        found = found.intersect(relation.as_set())
    return found
