"""Polynomials: evaluating them, and expanding brackets."""

from __future__ import annotations

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    add_up,
    between,
    factor,
    multiply,
    polynomial,
    signed_sum,
    spaced_sum,
    term,
)


def polynomials(rng, level, routes):
    """Evaluate a polynomial at a point, or expand and collect brackets."""
    if rng.random() < 0.5:
        return _evaluate(rng, level, routes)
    return _expand(rng, level, routes)


def _evaluate(rng, level, routes):
    """f(x) at a point, power by power or by Horner's scheme."""
    degree = {1: 1, 5: 3}.get(level, 2)
    lead = {2: 1, 5: between(rng, 1, 2)}.get(level, between(rng, 2, 5))
    coefficients = [lead] + [
        between(rng, -9, 9, nonzero=True) for _ in range(degree)
    ]
    if level == 1:
        coefficients[1] = between(rng, -25, 25, nonzero=True)
    point = between(rng, 2, 12 if level == 1 else 7)
    if level >= 4:
        point = rng.choice([1, -1]) * between(rng, 2, 5)
    steps = []
    if degree > 1 and routes.pick("powers", "Horner") == "Horner":
        value = _horner(routes, coefficients, point, steps)
    else:
        value = _power_by_power(routes, coefficients, point, steps)
    wording = rng.choice(
        ["Let f(x) = {}. Find f({}).", "Evaluate {} at x = {}."]
    )
    shown = polynomial(coefficients, spaced=True)
    key = ("evaluate", tuple(coefficients), point)
    return Exercise(
        "polynomials",
        level,
        key,
        wording.format(shown, point),
        str(value),
        tuple(steps),
    )


def _horner(routes, coefficients, point, steps):
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        is_one = value == 1
        scaled = point if is_one else multiply(routes, value, point, steps)
        value = add_up(routes, [scaled, coefficient], steps)
    return value


def _power_by_power(routes, coefficients, point, steps):
    degree = len(coefficients) - 1
    values = []
    for i in routes.shuffled(range(degree)):
        power = degree - i
        value = point**power
        if power > 1:
            steps.append(f"{factor(point)}^{power}={value}")
        if coefficients[i] != 1:
            value = multiply(routes, coefficients[i], value, steps)
        values.append(value)
    return add_up(routes, [*values, coefficients[-1]], steps)


def _expand(rng, level, routes):
    """Products of linear brackets, or sums of scaled brackets."""

    def bracket(high):
        slope = 1 if high == 1 else between(rng, 2, high)
        return (slope, between(rng, -9, 9, nonzero=True))

    sign = rng.choice([1, -1])
    if level in (1, 3):
        extra = (between(rng, 2, 9), 0) if level == 1 else bracket(1)
        scale = 1 if level == 1 else sign * between(rng, 2, 5)
        parts = [((between(rng, 2, 6),), bracket(4)), ((scale,), extra)]
    else:
        parts = [(bracket(1 if level == 2 else 4), bracket(1))]
        if level == 5:
            parts.append(((sign * between(rng, 2, 5),), bracket(1)))
    steps = []
    total = _collect(routes, parts, steps)
    shown = spaced_sum([_product_text(*part) for part in parts])
    wording = rng.choice(["Expand {}.", "Expand and simplify {}."])
    key = ("expand", *sorted(tuple(sorted(part)) for part in parts))
    return Exercise(
        "polynomials",
        level,
        key,
        wording.format(shown),
        polynomial(total),
        tuple(steps),
    )


def _product_text(first, second):
    if first == (1,):
        return polynomial(second)
    texts = [
        f"({polynomial(p, spaced=True)})" if len(p) > 1 else str(p[0])
        for p in (first, second)
    ]
    return "".join(texts)


def _collect(routes, parts, steps):
    """Multiply term by term in any order, then collect equal powers."""
    products = []
    for first, second in parts:
        for i, a in enumerate(first):
            for j, b in enumerate(second):
                powers = (len(first) - 1 - i, len(second) - 1 - j)
                products.append((a, powers[0], b, powers[1]))
    by_power = {}
    for a, p, b, q in routes.shuffled(products):
        if not b:
            continue
        by_power.setdefault(p + q, []).append(a * b)
        if (a, p) != (1, 0):
            left, right = _monomial(a, p), _monomial(b, q)
            right = f"({right})" if right.startswith("-") else right
            steps.append(f"{left}*{right}={_monomial(a * b, p + q)}")
    for power in routes.shuffled(sorted(by_power)):
        values = by_power[power]
        while len(values) > 1:
            first, second, *rest = values
            pair = [_monomial(n, power) for n in (first, second)]
            total = _monomial(first + second, power)
            steps.append(f"{signed_sum(pair)}={total}")
            values = [first + second, *rest]
        by_power[power] = values
    return [by_power.get(p, [0])[0] for p in range(max(by_power), -1, -1)]


def _monomial(coefficient, power):
    if not coefficient:
        return "0"
    symbol = {0: "", 1: "x"}.get(power, f"x^{power}")
    return term(coefficient, symbol)
