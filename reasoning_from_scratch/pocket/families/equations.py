"""Linear equations in one unknown."""

from __future__ import annotations

from fractions import Fraction

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    add_up,
    between,
    fraction_answer,
    multiply,
    polynomial,
    signed_sum,
    spaced_sum,
    term,
)


def equations(rng, level, routes):
    """Linear equations in x, with brackets and fraction answers."""
    if level <= 2:
        sides, solution = _draw_plain_equation(rng, level)
    else:
        sides, solution = _draw_bracket_equation(rng, level)
    steps = []
    plain = [_open_side(routes, side, steps) for side in sides]
    if any(len(side) == 3 for side in sides):
        steps.append("=".join(polynomial(side) for side in plain))
    _solve_linear(routes, plain, steps)
    shown = " = ".join(_side_text(side) for side in sides)
    wording = rng.choice(["Solve {} for x.", "Solve {}.", "Find x if {}."])
    answer = fraction_answer(solution)
    return Exercise(
        "equations",
        level,
        ("equations", *sides),
        wording.format(shown),
        answer,
        tuple(steps),
    )


def _draw_plain_equation(rng, level):
    """ax + b = c, or ax + b = cx + d, as sides (a, b)."""
    solution = between(rng, -6, 15, nonzero=True)
    left = (between(rng, 2, 7), between(rng, -25, 25, nonzero=True))
    slope = 0
    if level == 2:
        slope = _other_slope(rng, left[0])
    right = (slope, (left[0] - slope) * solution + left[1])
    return (left, right), Fraction(solution)


def _draw_bracket_equation(rng, level):
    """a(x + b) + c = dx + e as sides (a, b, c) and (d, e)."""
    outer = between(rng, 2, 7 if level == 3 else 6)
    shift = between(rng, -9, 9, nonzero=True)
    extra = 0 if level == 3 else between(rng, -15, 15, nonzero=True)
    slope = _other_slope(rng, outer) if level == 5 else 0
    constant = outer * shift + extra
    if level == 5:
        right = (slope, between(rng, -15, 15, nonzero=True))
        solution = Fraction(right[1] - constant, outer - slope)
    else:
        solution = Fraction(between(rng, -6, 15, nonzero=True))
        right = (0, int(outer * solution) + constant)
    return ((outer, shift, extra), right), solution


def _other_slope(rng, slope):
    while True:
        other = between(rng, -4, 6, nonzero=True)
        if other != slope:
            return other


def _side_text(side):
    if len(side) == 2:
        return polynomial(side, spaced=True)
    outer, shift, extra = side
    texts = [f"{outer}({polynomial((1, shift), spaced=True)})"]
    if extra:
        texts.append(str(extra))
    return spaced_sum(texts)


def _open_side(routes, side, steps):
    """Expand a(x + b) + c to (a, ab + c)."""
    if len(side) == 2:
        return side
    outer, shift, extra = side
    constant = multiply(routes, outer, shift, steps)
    if extra:
        constant = add_up(routes, [constant, extra], steps)
    return (outer, constant)


def _solve_linear(routes, sides, steps):
    """Solve ax + b = cx + d: unknowns or numbers first, left or right."""
    (a, b), (c, d) = sides
    is_left = c == 0 or routes.pick("left", "right") == "left"
    slopes, constants = (a, -c), (d, -b)
    if not is_left:
        slopes, constants = (c, -a), (b, -d)
    slope, constant = sum(slopes), sum(constants)

    def gather_unknowns():
        if c:
            texts = [term(s, "x") for s in slopes]
            steps.append(f"{signed_sum(texts)}={term(slope, 'x')}")

    def gather_numbers():
        texts = [str(n) for n in constants if n]
        if len(texts) == 2:
            steps.append(f"{signed_sum(texts)}={constant}")

    for gather in routes.shuffled([gather_unknowns, gather_numbers]):
        gather()
    if slope != 1:
        steps.append(f"{term(slope, 'x')}={constant}")
    steps.append(f"x={Fraction(constant, slope)}")
