"""Algebra: linear equations, systems of two, polynomials."""

import math
from fractions import Fraction

from ..exercises import (
    factor,
    fraction_answer,
    monomial,
    nonzero,
    polynomial,
    signed,
    signed_sum,
    spaced_sum,
    term,
)


def equations(rng, level, work):
    """Linear equations in x, with brackets and fraction answers."""
    draw = _draw_plain_equation if level <= 2 else _draw_bracket_equation
    sides, solution = draw(rng, level)
    plain, texts = [], []
    for slope, shift, *extra in sides:
        text = polynomial((slope, shift), spaced=True)
        if extra:  # a(x + b) + c is ax + (ab + c)
            text = f"{slope}({polynomial((1, shift), spaced=True)})"
            extra = [n for n in extra if n]
            text = spaced_sum([text, *extra])
            shift = work.add_up([work.multiply(slope, shift), *extra])
        plain.append((slope, shift))
        texts.append(text)
    if level > 2:
        work.write("=".join(map(polynomial, plain)))
    _solve_linear(work, *plain)
    wordings = ("Solve {} for x.", "Solve {}.", "Find x if {}.")
    return sides, wordings, (" = ".join(texts),), fraction_answer(solution)


def _draw_plain_equation(rng, level):
    """ax + b = c, or ax + b = cx + d, as sides (a, b)."""
    solution = nonzero(rng, -6, 15)
    left = (rng.randint(2, 7), nonzero(rng, -25, 25))
    slope = _other_slope(rng, left[0]) if level == 2 else 0
    right = (slope, (left[0] - slope) * solution + left[1])
    return (left, right), solution


def _draw_bracket_equation(rng, level):
    """a(x + b) + c = dx + e as sides (a, b, c) and (d, e)."""
    outer = rng.randint(2, 7 if level == 3 else 6)
    shift = nonzero(rng, -9, 9)
    extra = 0 if level == 3 else nonzero(rng, -15, 15)
    constant = outer * shift + extra
    if level == 5:
        right = (_other_slope(rng, outer), nonzero(rng, -15, 15))
        solution = Fraction(right[1] - constant, outer - right[0])
    else:
        solution = nonzero(rng, -6, 15)
        right = (0, outer * solution + constant)
    return ((outer, shift, extra), right), solution


def _other_slope(rng, slope):
    while (other := nonzero(rng, -4, 6)) == slope:
        pass
    return other


def _solve_linear(work, left, right):
    """Solve ax + b = cx + d: unknowns or numbers first, left or right."""
    if right[0] and work.pick("left", "right") == "right":
        left, right = right, left
    slopes, constants = (left[0], -right[0]), (right[1], -left[1])
    slope, constant = sum(slopes), sum(constants)
    for numbers, symbol in work.shuffled([(slopes, "x"), (constants, "")]):
        if all(numbers):
            texts = [term(number, symbol) for number in numbers]
            work.write(f"{signed_sum(texts)}={term(sum(numbers), symbol)}")
    if slope != 1:
        work.write(f"{term(slope, 'x')}={constant}")
    work.write(f"x={Fraction(constant, slope)}")


def systems(rng, level, work):
    """Two linear equations in x and y; the answer is an ordered pair."""
    low, high = (1, 30) if level == 1 else (-5, 9)
    x, y = rng.randint(low, high), rng.randint(low, high)
    (a, b), (c, d) = _draw_rows(rng, level)
    while a * d == b * c:
        (a, b), (c, d) = _draw_rows(rng, level)
    rows = [(p, q, p * x + q * y) for p, q in ((a, b), (c, d))]
    _solve_system(work, rows, (x, y))
    shown = [f"{spaced_sum(_unknowns(row))} = {row[2]}" for row in rows]
    wordings = ("Solve {} and {} for (x, y).", "Find (x, y) if {} and {}.")
    return sorted(rows), wordings, shown, f"({x}, {y})"


def _draw_rows(rng, level):
    """Draw the coefficients of x and y in both equations."""
    sign = rng.choice([1, -1])
    if level == 1:
        return [(1, 1), (1, -1)]
    if level == 2:
        return [(1, sign), (rng.randint(2, 6), -sign)]
    if level == 3:
        return [(rng.randint(2, 7), 1), (rng.randint(2, 7), sign)]
    if level == 4:
        common = rng.randint(2, 5)
        first, second = rng.randint(2, 5), rng.randint(2, 5)
        return [(first, common), (second, sign * common)]
    return [(1, sign), (rng.randint(2, 5), rng.randint(2, 5))]


def _unknowns(row):
    """The left side of an equation as texts of its terms."""
    return [term(n, s) for n, s in zip(row[:2], "xy", strict=True) if n]


def _solve_system(work, rows, solution):
    """Eliminate one unknown, then put the other into either equation."""
    out = work.pick(1, 0)  # the unknown that goes
    kept = 1 - out
    scaled = _scale_rows(work, rows, out)
    total = [p + q for p, q in zip(*scaled, strict=True)]
    symbol, value = "xy"[kept], solution[kept]
    added = f"{scaled[0][2]}{scaled[1][2]:+}"
    work.write(f"{term(total[kept], symbol)}={added}={total[2]}")
    if total[kept] != 1:
        work.write(f"{symbol}={value}")
    row = work.pick(*rows)
    known = row[kept] * value
    left, moved = term(row[out], "xy"[out]), f"{row[2]}{-known:+}"
    work.write(f"{left}={moved}={row[2] - known}")
    if row[out] != 1:
        work.write(f"{'xy'[out]}={solution[out]}")


def _scale_rows(work, rows, out):
    """Scale both rows so that the unknown cancels when they are added."""
    first, second = rows[0][out], rows[1][out]
    common = math.lcm(first, second)
    factors = [common // abs(first), common // abs(second)]
    if first * second > 0:
        factors[1] = -factors[1]
    scaled = []
    for row, times in zip(rows, factors, strict=True):
        scaled.append(tuple(times * number for number in row))
        if times != 1:
            left = signed_sum(_unknowns(scaled[-1]))
            work.write(f"{left}={scaled[-1][2]}")
    return scaled


def polynomials(rng, level, work):
    """Evaluate a polynomial at a point, or expand and collect brackets."""
    draw = _evaluate if rng.random() < 0.5 else _expand
    return draw(rng, level, work)


def _evaluate(rng, level, work):
    """f(x) at a point, power by power or by Horner's scheme."""
    degree = {1: 1, 5: 3}.get(level, 2)
    lead = {2: 1, 5: rng.randint(1, 2)}.get(level, rng.randint(2, 5))
    coefficients = [lead, *(nonzero(rng, -9, 9) for _ in range(degree))]
    if level == 1:
        coefficients[1] = nonzero(rng, -25, 25)
    point = rng.randint(2, 12 if level == 1 else 7)
    if level >= 4:
        point = signed(rng, 2, 5)
    if degree > 1 and work.pick("powers", "Horner") == "Horner":
        value = lead
        for coefficient in coefficients[1:]:
            scaled = point if value == 1 else work.multiply(value, point)
            value = work.add_up([scaled, coefficient])
    else:
        value = _power_by_power(work, coefficients, point)
    shown = (polynomial(coefficients, spaced=True), point)
    key = ("evaluate", tuple(coefficients), point)
    wordings = ("Let f(x) = {}. Find f({}).", "Evaluate {} at x = {}.")
    return key, wordings, shown, value


def _power_by_power(work, coefficients, point):
    degree = len(coefficients) - 1
    values = []
    for i in work.shuffled(range(degree)):
        power = degree - i
        value = point**power
        if power > 1:
            work.write(f"{factor(point)}^{power}={value}")
        if coefficients[i] != 1:
            value = work.multiply(coefficients[i], value)
        values.append(value)
    return work.add_up([*values, coefficients[-1]])


def _expand(rng, level, work):
    """Products of linear brackets, or sums of scaled brackets."""

    def bracket(high=1):
        slope = 1 if high == 1 else rng.randint(2, high)
        return (slope, nonzero(rng, -9, 9))

    sign = rng.choice([1, -1])
    if level == 1:
        extra = (rng.randint(2, 9), 0)
        parts = [((rng.randint(2, 6),), bracket(4)), ((1,), extra)]
    elif level == 3:
        extra, scale = bracket(), (sign * rng.randint(2, 5),)
        parts = [((rng.randint(2, 6),), bracket(4)), (scale, extra)]
    else:
        parts = [(bracket(1 if level == 2 else 4), bracket())]
        if level == 5:
            parts.append(((sign * rng.randint(2, 5),), bracket()))
    total = _collect(work, parts)
    shown = spaced_sum(_product_text(*part) for part in parts)
    key = ("expand", *sorted(tuple(sorted(part)) for part in parts))
    wordings = ("Expand {}.", "Expand and simplify {}.")
    return key, wordings, (shown,), polynomial(total)


def _product_text(first, second):
    if first == (1,):
        return polynomial(second)
    left = f"({polynomial(first, spaced=True)})"
    left = left if len(first) > 1 else str(first[0])
    return f"{left}({polynomial(second, spaced=True)})"


def _collect(work, parts):
    """Multiply term by term in any order, then collect equal powers."""
    products = [  # pairs of terms (coefficient, power)
        ((a, len(first) - 1 - i), (b, len(second) - 1 - j))
        for first, second in parts
        for i, a in enumerate(first)
        for j, b in enumerate(second)
    ]
    by_power = {}
    for (a, p), (b, q) in work.shuffled(products):
        if not b:
            continue
        by_power.setdefault(p + q, []).append(a * b)
        if (a, p) != (1, 0):
            left, right = monomial(a, p), monomial(b, q)
            right = f"({right})" if right.startswith("-") else right
            work.write(f"{left}*{right}={monomial(a * b, p + q)}")
    for power in work.shuffled(sorted(by_power)):
        first, *others = by_power[power]
        for second in others:
            pair = [monomial(n, power) for n in (first, second)]
            first += second
            work.write(f"{signed_sum(pair)}={monomial(first, power)}")
        by_power[power] = [first]
    return [by_power.get(p, [0])[0] for p in range(max(by_power), -1, -1)]
