"""Percentages: parts, shares and changes."""

from __future__ import annotations

import math
from fractions import Fraction

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    add_up,
    between,
    multiply,
)


def percentages(rng, level, routes):
    """Parts, shares, changes and repeated changes in percent."""
    draw = {1: _percent_of, 2: _what_percent, 4: _percent_of}
    maker = draw.get(level, _percent_change)
    key, question, answer, steps = maker(rng, level, routes)
    return Exercise(
        "percentages", level, ("percentages", *key), question, answer, steps
    )


def _percent_of(rng, level, routes):
    if level == 1:
        percent, whole = 5 * between(rng, 1, 19), 20 * between(rng, 2, 50)
    else:
        percent, whole = between(rng, 2, 98), 50 * between(rng, 1, 12)
    if whole * percent % 100:
        whole *= 2
    steps = []
    part = _take_percent(routes, whole, percent, steps)
    wording = rng.choice(["What is {}% of {}?", "Find {}% of {}."])
    question = wording.format(percent, whole)
    return ("of", percent, whole), question, str(part), tuple(steps)


def _take_percent(routes, whole, percent, steps):
    """Take percent of whole by hundredths, a fraction, or pieces."""
    share = Fraction(percent, 100)
    ways = ["fraction"]
    ones = percent % 10
    if percent < 100 and (percent < 10 or not ones):
        ways.append("hundred")
    if 10 < percent < 100 and ones and whole * ones % 100 == 0:
        ways.append("pieces")
    way = routes.pick(*ways)
    part = whole * percent // 100
    if way == "hundred":
        product = multiply(routes, whole, percent, steps)
        steps.append(f"{product}/100={part}")
    elif way == "fraction":
        unit = whole // share.denominator
        steps.append(f"{whole}/{share.denominator}={unit}")
        if share.numerator > 1:
            multiply(routes, unit, share.numerator, steps)
    else:
        large = whole * (percent - ones) // 100
        steps.append(f"{percent - ones}%: {large}")
        steps.append(f"{ones}%: {part - large}")
        add_up(routes, [large, part - large], steps)
    return part


def _what_percent(rng, level, routes):
    percent, whole = 5 * between(rng, 1, 29), 20 * between(rng, 1, 30)
    part = whole * percent // 100
    common = math.gcd(part, whole)
    steps = []
    if routes.pick("reduce", "hundred") == "hundred" or common == 1:
        steps.append(f"{part}*100={part * 100}")
        steps.append(f"{part * 100}/{whole}={percent}")
    else:
        small, base = part // common, whole // common
        steps.append(f"{part}/{whole}={small}/{base}")
        steps.append(f"100/{base}={100 // base}")
        multiply(routes, small, 100 // base, steps)
    wording = rng.choice(
        ["What percent of {1} is {0}?", "{0} is what percent of {1}?"]
    )
    question = wording.format(part, whole)
    return ("share", part, whole), question, f"{percent}\\%", tuple(steps)


def _percent_change(rng, level, routes):
    """One change (level 3) or two changes in a row (level 5)."""
    sizes = range(5, 60, 5) if level == 3 else range(10, 70, 10)
    count = 1 if level == 3 else 2
    changes = [rng.choice([1, -1]) * rng.choice(sizes) for _ in range(count)]
    start = 20 * between(rng, 2, 30)
    if level == 5:
        start = 100 * between(rng, 2, 12)
    steps, amount = [], start
    for change in changes:
        amount = _apply_change(routes, amount, change, steps)
    words = [
        f"{'rises' if change > 0 else 'falls'} by {abs(change)}%"
        for change in changes
    ]
    what = rng.choice(["A price of {}", "A stock of {}", "A rent of {}"])
    question = (
        f"{what.format(start)} {' and then '.join(words)}. What is it now?"
    )
    return ("change", start, *changes), question, str(amount), tuple(steps)


def _apply_change(routes, amount, change, steps):
    """Add the part, or take the new percentage at once."""
    if routes.pick("add", "at once") == "at once":
        return _take_percent(routes, amount, 100 + change, steps)
    part = _take_percent(routes, amount, abs(change), steps)
    return add_up(routes, [amount, part if change > 0 else -part], steps)
