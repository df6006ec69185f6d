"""Sums, products and quotients of fractions."""

from __future__ import annotations

import math
from fractions import Fraction

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    add_up,
    between,
    fraction_answer,
    spaced_sum,
)


def fractions(rng, level, routes):
    """Sums, products and quotients of fractions, in lowest terms."""
    high = {1: 6, 2: 7, 3: 8, 4: 4, 5: 5}[level]
    values = [_draw_fraction(rng, high) for _ in range(3)]
    sign = rng.choice([1, -1])
    steps = []
    if level in (1, 3):
        terms = [values[0], sign * values[1]]
        total = _add_fractions(routes, terms, steps)
        shown = _fraction_sum_text(terms)
        key = ("sum", *sorted(terms))
    elif level == 2:
        total = _multiply_fractions(routes, values[0], values[1], steps)
        is_quotient = rng.random() < 0.5
        shown = f"{values[0]} * {values[1]}"
        key = ("product", *sorted(values[:2]))
        if is_quotient:
            key = ("quotient", *values[:2])
            shown = f"{values[0]} : {1 / values[1]}"
            steps.insert(0, f"{values[0]}*{values[1]}")
    elif level == 5:
        terms = [values[0], sign * values[1], values[2]]
        total = _add_fractions(routes, terms, steps)
        shown = _fraction_sum_text(terms)
        key = ("sum", *sorted(terms))
    else:
        total, shown = _bracket_product(routes, values, sign, steps)
        key = ("bracket", *sorted([values[0], sign * values[1]]), values[2])
    answer = fraction_answer(total)
    wording = rng.choice(["What is {}?", "Simplify {}.", "Work out {}."])
    question = wording.format(shown)
    key = ("fractions", *key)
    return Exercise("fractions", level, key, question, answer, tuple(steps))


def _draw_fraction(rng, high):
    while True:
        denominator = between(rng, 2, high)
        numerator = between(rng, 1, high + 3)
        if math.gcd(numerator, denominator) == 1:
            return Fraction(numerator, denominator)


def _fraction_sum_text(terms):
    return spaced_sum([str(value) for value in terms])


def _add_fractions(routes, terms, steps):
    """Bring all terms to one denominator, add, and reduce."""
    denominators = [value.denominator for value in terms]
    common = routes.pick(math.lcm, lambda *all_: math.prod(all_))(
        *denominators
    )
    numerators = []
    for value in terms:
        numerators.append(int(value * common))
        if value.denominator != common:
            steps.append(f"{value}={numerators[-1]}/{common}")
    total = add_up(routes, numerators, steps)
    return _reduce(total, common, steps)


def _multiply_fractions(routes, first, second, steps):
    """Cancel across before multiplying, or multiply and then reduce."""
    pairs = [
        (first.numerator, second.denominator),
        (second.numerator, first.denominator),
    ]
    top = [first.numerator, second.numerator]
    bottom = [first.denominator, second.denominator]
    if routes.pick("multiply", "cancel") == "cancel":
        divisors = [math.gcd(*pair) for pair in pairs]
        top = [n // d for n, d in zip(top, divisors, strict=True)]
        bottom = [bottom[0] // divisors[1], bottom[1] // divisors[0]]
        steps.append(f"{top[0]}/{bottom[0]}*{top[1]}/{bottom[1]}")
    for pair in routes.shuffled([top, bottom]):
        steps.append(f"{pair[0]}*{pair[1]}={pair[0] * pair[1]}")
    return _reduce(math.prod(top), math.prod(bottom), steps)


def _bracket_product(routes, values, sign, steps):
    """(a + b)*c: the bracket first, or both products and then their sum."""
    first, second, outer = values[0], sign * values[1], values[2]
    shown = f"({_fraction_sum_text([first, second])}) * {outer}"
    if routes.pick("bracket", "expand") == "bracket":
        inner = _add_fractions(routes, [first, second], steps)
        return _multiply_fractions(routes, inner, outer, steps), shown
    products = [
        _multiply_fractions(routes, value, outer, steps)
        for value in (first, second)
    ]
    return _add_fractions(routes, products, steps), shown


def _reduce(numerator, denominator, steps):
    """Append the reduced fraction as the last line."""
    value = Fraction(numerator, denominator)
    plain = f"{numerator}/{denominator}"
    steps.append(plain if str(value) == plain else f"{plain}={value}")
    return value
