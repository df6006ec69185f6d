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

    def plain(low, high):
        return (rng.choice([1, -1]) * between(rng, low, high),)

    def product():
        return (sign * between(rng, 3, 9), between(rng, 12, 49))

    def bracket():
        inner = rng.choice([1, -1]) * between(rng, 11, 39)
        return (between(rng, 3, 9), between(rng, 12, 49), inner)

    if level == 1:
        return [(between(rng, 20, 99),), plain(11, 99), plain(11, 99)]
    if level == 2:
        first = (between(rng, 3, 9), between(rng, 12, 49))
        return [first, plain(11, 199)]
    if level == 3:
        first = (between(rng, 3, 9), between(rng, 12, 49))
        return [first, product()]
    if level == 4:
        return [bracket(), product()]
    return [bracket(), product(), plain(51, 199)]


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
    """Negative and mixed decimals, worked in tenths or hundredths."""
    places = 2 if level in (2, 5) else 1
    scale = 10**places
    terms = _draw_decimal_terms(rng, level)
    steps, values = [], []
    for times, number in routes.shuffled(terms):
        if times == 1:
            values.append(number)
        else:
            values.append(multiply(routes, times, number, steps))
    total = add_up(routes, values, steps)
    answer = decimal_text(total, places)
    steps.append(f"{total}/{scale}={answer}")
    texts = [
        decimal_text(number, places)
        if times == 1
        else f"{times}*{decimal_text(number, places)}"
        for times, number in terms
    ]
    wording = rng.choice(["Work out {}.", "What is {}?"])
    key = ("decimals", places, *sorted(terms))
    question = wording.format(spaced_sum(texts))
    return Exercise("decimals", level, key, question, answer, tuple(steps))


def _draw_decimal_terms(rng, level):
    """Draw pairs (times, number of tenths or hundredths)."""

    def number(low, high, *, step=1):
        size = step * between(rng, low, high)
        return rng.choice([1, -1]) * size

    def times():
        return rng.choice([1, -1]) * between(rng, 3, 9)

    if level == 1:
        return [(1, number(11, 99)), (1, number(11, 99))]
    if level == 2:
        return [(1, number(11, 99, step=10)), (1, number(101, 599))]
    if level == 3:
        return [(times(), between(rng, 12, 49)), (1, number(11, 99))]
    if level == 4:
        products = [(times(), between(rng, 12, 49)) for _ in range(2)]
        return [*products, (1, number(11, 99))]
    return [
        (times(), between(rng, 12, 49) * 10),
        (1, number(101, 599)),
        (1, number(101, 599)),
    ]
