"""Word problems about buying, packing and sharing."""

from __future__ import annotations

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    add_up,
    between,
    multiply,
)

NAMES = ("Ann", "Ben", "Eva", "Tom", "Mia", "Sam")
THINGS = ("pens", "books", "apples", "cups", "cards", "balls")


def words(rng, level, routes):
    """Short stories about buying, packing and sharing."""
    stories = [_lend, _change, _two_kinds, _share, _trips]
    steps = []
    numbers, question, value = stories[level - 1](rng, routes, steps)
    key = ("words", level, *numbers)
    return Exercise("words", level, key, question, str(value), tuple(steps))


def _lend(rng, routes, steps):
    start, gone = between(rng, 30, 70), between(rng, 3, 29)
    back = between(rng, 3, 29)
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    value = add_up(routes, [start, -gone, back], steps)
    question = rng.choice(
        [
            "{} has {} {}, sells {} and buys {}. How many are there now?",
            "{} had {} {}, lost {} and found {}. How many are left?",
        ]
    ).format(name, start, thing, gone, back)
    return (start, gone, back), question, value


def _change(rng, routes, steps):
    count, price = between(rng, 2, 9), between(rng, 11, 49)
    paid = 100 * (count * price // 100 + between(rng, 1, 3))
    cost = multiply(routes, count, price, steps)
    value = add_up(routes, [paid, -cost], steps)
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    question = (
        f"{name} buys {count} {thing} at {price} cents each and pays "
        f"{paid} cents. How much change?"
    )
    return (count, price, paid), question, value


def _draw_basket(rng):
    """Two pairs (count, price)."""
    return [(between(rng, 2, 6), between(rng, 6, 25)) for _ in range(2)]


def _two_kinds(rng, routes, steps):
    basket = _draw_basket(rng)
    costs = [
        multiply(routes, *item, steps) for item in routes.shuffled(basket)
    ]
    value = add_up(routes, costs, steps)
    name, (one, two) = rng.choice(NAMES), rng.sample(THINGS, 2)
    question = rng.choice(
        [
            "{} buys {} {} at {} and {} {} at {}. What is the cost?",
            "{} sells {} {} for {} each and {} {} for {} each. "
            "What is the total?",
        ]
    ).format(
        name, basket[0][0], one, basket[0][1], basket[1][0], two, basket[1][1]
    )
    return tuple(sorted(basket)), question, value


def _share(rng, routes, steps):
    """A bill split evenly: add first, or share every part first."""
    people = between(rng, 2, 5)
    count, each = people * between(rng, 2, 5), between(rng, 4, 19)
    extra = people * between(rng, 3, 20)
    if routes.pick("sum", "parts") == "sum":
        cost = multiply(routes, count, each, steps)
        total = add_up(routes, [cost, extra], steps)
        value = total // people
        steps.append(f"{total}/{people}={value}")
    else:
        steps.append(f"{count}/{people}={count // people}")
        part = multiply(routes, count // people, each, steps)
        steps.append(f"{extra}/{people}={extra // people}")
        value = add_up(routes, [part, extra // people], steps)
    thing = rng.choice(THINGS)
    question = (
        f"{people} friends share the cost of {count} {thing} at {each} "
        f"and a box for {extra}. What does each pay?"
    )
    return (people, count, each, extra), question, value


def _trips(rng, routes, steps):
    """Income from two products less a cost, over several days."""
    basket, days = _draw_basket(rng), between(rng, 2, 5)
    cost = between(rng, 5, 40)
    name, (one, two) = rng.choice(NAMES), rng.sample(THINGS, 2)
    if routes.pick("day", "all") == "day":
        incomes = [
            multiply(routes, *item, steps) for item in routes.shuffled(basket)
        ]
        daily = add_up(routes, [*incomes, -cost], steps)
        value = multiply(routes, days, daily, steps)
    else:
        incomes = [
            multiply(routes, *item, steps) for item in routes.shuffled(basket)
        ]
        amounts = [*incomes, -cost]
        values = [multiply(routes, days, n, steps) for n in amounts]
        value = add_up(routes, values, steps)
    question = (
        f"A day {name} sells {basket[0][0]} {one} at {basket[0][1]} and "
        f"{basket[1][0]} {two} at {basket[1][1]} and spends {cost}. "
        f"What is left after {days} days?"
    )
    return (*sorted(basket), cost, days), question, value
