"""Chains of whole numbers, and of decimals worked in tenths."""

from __future__ import annotations

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    add_up,
    between,
    decimal_text,
    multiply,
    spaced_sum,
)


def arithmetic(rng, level, routes):
    """Chains of sums, products and brackets: 7*(34 + 18) - 6*23."""
    terms = _draw_terms(rng, level)
    steps, values = [], []
    for numbers in routes.shuffled(terms):
        values.extend(_term_values(routes, numbers, steps))
    total = add_up(routes, values, steps)
    text = spaced_sum([_term_text(numbers) for numbers in terms])
    wording = rng.choice(["What is {}?", "Calculate {}.", "Work out {}."])
    key = ("arithmetic", *sorted(_term_key(numbers) for numbers in terms))
    question = wording.format(text)
    return Exercise(
        "arithmetic", level, key, question, str(total), tuple(steps)
    )


def _draw_terms(rng, level):
    """Draw terms (n,), (a, b) for a*b and (a, b, c) for a*(b + c)."""
    sign = rng.choice([1, -1])
    high = 9 if level == 5 else 5

    def plain(low, high):
        return (rng.choice([1, -1]) * between(rng, low, high),)

    def product():
        return (sign * between(rng, 2, high), between(rng, 6, 19))

    def bracket():
        inner = rng.choice([1, -1]) * between(rng, 2, 9)
        return (between(rng, 2, high), between(rng, 11, 25), inner)

    if level == 1:
        return [(between(rng, 11, 60),), plain(2, 29), plain(2, 29)]
    if level == 2:
        first = (between(rng, 2, 6), between(rng, 11, 25))
        return [first, plain(3, 40)]
    if level == 3:
        return [(between(rng, 2, 5), between(rng, 6, 19)), product()]
    if level == 4:
        return [bracket(), product()]
    return [bracket(), product(), plain(11, 60)]


def _term_text(numbers):
    if len(numbers) == 1:
        return str(numbers[0])
    if len(numbers) == 2:
        return f"{numbers[0]}*{numbers[1]}"
    return f"{numbers[0]}*({spaced_sum([str(n) for n in numbers[1:]])})"


def _term_key(numbers):
    if len(numbers) == 2:
        return (numbers[0] * numbers[1], *sorted(abs(n) for n in numbers))
    if len(numbers) == 3:
        return (numbers[0], *sorted(numbers[1:]))
    return numbers


def _term_values(routes, numbers, steps):
    """Compute a term; an expanded bracket gives two values."""
    if len(numbers) == 1:
        return [numbers[0]]
    if len(numbers) == 2:
        return [multiply(routes, numbers[0], numbers[1], steps)]
    outer, first, second = numbers
    if routes.pick("bracket", "expand") == "bracket":
        inner = add_up(routes, [first, second], steps)
        return [multiply(routes, outer, inner, steps)]
    pair = routes.shuffled([first, second])
    return [multiply(routes, outer, number, steps) for number in pair]


def decimals(rng, level, routes):
    """Negative decimals, worked in tenths."""
    terms = _draw_decimal_terms(rng, level)
    steps, values = [], []
    for times, number in routes.shuffled(terms):
        if times == 1:
            values.append(number)
        else:
            values.append(multiply(routes, times, number, steps))
    total = add_up(routes, values, steps)
    answer = decimal_text(total, 1)
    steps.append(f"{total}/10={answer}")
    texts = [
        decimal_text(number, 1)
        if times == 1
        else f"{times}*{decimal_text(number, 1)}"
        for times, number in terms
    ]
    wording = rng.choice(["Work out {}.", "What is {}?"])
    key = ("decimals", *sorted(terms))
    question = wording.format(spaced_sum(texts))
    return Exercise("decimals", level, key, question, answer, tuple(steps))


def _draw_decimal_terms(rng, level):
    """Draw pairs (times, number of tenths)."""

    def plain():
        return (1, rng.choice([1, -1]) * between(rng, 11, 59))

    def product():
        times = rng.choice([1, -1]) * between(rng, 2, 6)
        return (times, between(rng, 11, 29))

    if level <= 2:
        return [plain() for _ in range(level + 1)]
    products = [product() for _ in range(1 if level == 3 else 2)]
    return products if level == 4 else [*products, plain()]
