"""Lengths, areas and surfaces of plain shapes."""

from __future__ import annotations

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    add_up,
    between,
    decimal_text,
    multiply,
)


def geometry(rng, level, routes):
    """Rectangles, triangles, composite shapes, frames and cuboids."""
    shapes = [_perimeter, _triangle, _corner_shape, _cuboid, _frame]
    key, question, answer, steps = shapes[level - 1](rng, routes)
    return Exercise(
        "geometry", level, ("geometry", *key), question, answer, tuple(steps)
    )


def _perimeter(rng, routes):
    width, height = between(rng, 5, 60), between(rng, 5, 60)
    steps = []
    if routes.pick("sum", "sides") == "sum":
        half = add_up(routes, [width, height], steps)
        value = multiply(routes, 2, half, steps)
    else:
        sides = routes.shuffled([width, height])
        doubled = [multiply(routes, 2, side, steps) for side in sides]
        value = add_up(routes, doubled, steps)
    question = rng.choice(
        [
            "A rectangle is {} by {}. What is its perimeter?",
            "Find the perimeter of a rectangle with sides {} and {}.",
        ]
    )
    key = ("perimeter", *sorted((width, height)))
    return key, question.format(width, height), str(value), steps


def _triangle(rng, routes):
    base, height = between(rng, 5, 99), between(rng, 2, 9)
    steps = []
    if base % 2 == 0 and routes.pick("product", "half") == "half":
        steps.append(f"{base}/2={base // 2}")
        multiply(routes, base // 2, height, steps)
    elif height % 2 == 0 and routes.pick("product", "half") == "half":
        steps.append(f"{height}/2={height // 2}")
        multiply(routes, base, height // 2, steps)
    else:
        product = multiply(routes, base, height, steps)
        steps.append(f"{product}/2={decimal_text(product * 5, 1)}")
    question = rng.choice(
        [
            "A triangle has base {} and height {}. Find its area.",
            "What is the area of a triangle with base {} and height {}?",
        ]
    )
    answer = decimal_text(base * height * 5, 1)
    return (
        ("triangle", base, height),
        question.format(base, height),
        answer,
        steps,
    )


def _corner_shape(rng, routes):
    """An L: subtract the corner, or cut it into two rectangles."""
    width, height = between(rng, 8, 25), between(rng, 4, 9)
    cut_width, cut_height = (
        between(rng, 3, width - 3),
        between(rng, 2, height - 2),
    )
    steps = []
    way = routes.pick("subtract", "upright", "flat")
    if way == "subtract":
        pieces = [(width, height, 1), (cut_width, cut_height, -1)]
    elif way == "upright":
        rest = add_up(routes, [width, -cut_width], steps)
        side = add_up(routes, [height, -cut_height], steps)
        pieces = [(rest, height, 1), (cut_width, side, 1)]
    else:
        rest = add_up(routes, [height, -cut_height], steps)
        side = add_up(routes, [width, -cut_width], steps)
        pieces = [(width, rest, 1), (side, cut_height, 1)]
    areas = [
        sign * multiply(routes, first, second, steps)
        for first, second, sign in routes.shuffled(pieces)
    ]
    value = add_up(routes, areas, steps)
    question = (
        f"A {cut_width} by {cut_height} corner is cut from a "
        f"{width} by {height} rectangle. What area is left?"
    )
    key = ("corner", (width, height), (cut_width, cut_height))
    return key, question, str(value), steps


def _frame(rng, routes):
    """A border of equal width: outer minus inner, or strips."""
    width, height = between(rng, 10, 40), between(rng, 3, 12)
    border = between(rng, 1, 3)
    steps = []
    outer = [
        add_up(routes, [side, 2 * border], steps) for side in (width, height)
    ]
    if routes.pick("subtract", "strips") == "subtract":
        areas = [
            sign * multiply(routes, *sides, steps)
            for sides, sign in routes.shuffled(
                [(outer, 1), ((width, height), -1)]
            )
        ]
    else:
        strips = routes.shuffled(
            [(outer[0], 2 * border), (height, 2 * border)]
        )
        areas = [multiply(routes, *strip, steps) for strip in strips]
    value = add_up(routes, areas, steps)
    question = (
        f"A {width} by {height} picture has a frame {border} wide "
        "all around. What is the area of the frame?"
    )
    key = ("frame", *sorted((width, height)), border)
    return key, question, str(value), steps


def _cuboid(rng, routes):
    """The surface: twice the sum, or the sum of doubled faces."""
    sides = [between(rng, 2, 9), between(rng, 2, 9), between(rng, 4, 30)]
    rng.shuffle(sides)
    a, b, c = sides
    steps = []
    pairs = routes.shuffled([(a, b), (b, c), (a, c)])
    faces = [multiply(routes, *pair, steps) for pair in pairs]
    if routes.pick("sum", "double") == "sum":
        half = add_up(routes, faces, steps)
        value = multiply(routes, 2, half, steps)
    else:
        doubled = [multiply(routes, 2, face, steps) for face in faces]
        value = add_up(routes, doubled, steps)
    question = rng.choice(
        [
            "A box is {} by {} by {}. What is its surface area?",
            "Find the surface area of a {} by {} by {} box.",
        ]
    )
    key = ("cuboid", *sorted(sides))
    return key, question.format(a, b, c), str(value), steps
