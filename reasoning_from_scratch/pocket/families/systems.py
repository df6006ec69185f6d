"""Systems of two linear equations."""

from __future__ import annotations

import math

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    between,
    signed_sum,
    spaced_sum,
    term,
)


def systems(rng, level, routes):
    """Two linear equations in x and y; the answer is an ordered pair."""
    low, high = (1, 30) if level == 1 else (-5, 9)
    x, y = between(rng, low, high), between(rng, low, high)
    while True:
        rows = _draw_rows(rng, level)
        (a, b), (c, d) = rows
        if a * d != b * c:
            break
    equations_ = [(p, q, p * x + q * y) for p, q in rows]
    steps = []
    _solve_system(routes, equations_, (x, y), steps)
    shown = [_equation_text(*equation) for equation in equations_]
    wording = rng.choice(
        ["Solve {} and {} for (x, y).", "Find (x, y) if {} and {}."]
    )
    return Exercise(
        "systems",
        level,
        ("systems", *sorted(equations_)),
        wording.format(*shown),
        f"({x}, {y})",
        tuple(steps),
    )


def _draw_rows(rng, level):
    """Draw the coefficients of x and y in both equations."""
    sign = rng.choice([1, -1])
    if level == 1:
        return [(1, 1), (1, -1)]
    if level == 2:
        return [(1, sign), (between(rng, 2, 6), -sign)]
    if level == 3:
        return [(between(rng, 2, 7), 1), (between(rng, 2, 7), sign)]
    if level == 4:
        common = between(rng, 2, 5)
        return [
            (between(rng, 2, 5), common),
            (between(rng, 2, 5), sign * common),
        ]
    return [(1, sign), (between(rng, 2, 5), between(rng, 2, 5))]


def _equation_text(a, b, c, *, spaced=True):
    texts = [term(n, s) for n, s in ((a, "x"), (b, "y")) if n]
    if spaced:
        return f"{spaced_sum(texts)} = {c}"
    return f"{signed_sum(texts)}={c}"


def _solve_system(routes, rows, solution, steps):
    """Eliminate one unknown, then put the other into either equation."""
    out = routes.pick(1, 0)  # the unknown that goes
    kept = 1 - out
    scaled = _scale_rows(rows, out, steps)
    total = [p + q for p, q in zip(*scaled, strict=True)]
    symbol, value = "xy"[kept], solution[kept]
    added = signed_sum([str(row[2]) for row in scaled])
    steps.append(f"{term(total[kept], symbol)}={added}={total[2]}")
    if total[kept] != 1:
        steps.append(f"{symbol}={value}")
    row = routes.pick(*rows)
    known = row[kept] * value
    rest = row[2] - known
    texts = [str(n) for n in (row[2], -known)]
    steps.append(f"{term(row[out], 'xy'[out])}={signed_sum(texts)}={rest}")
    if row[out] != 1:
        steps.append(f"{'xy'[out]}={solution[out]}")


def _scale_rows(rows, out, steps):
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
            steps.append(_equation_text(*scaled[-1], spaced=False))
    return scaled
