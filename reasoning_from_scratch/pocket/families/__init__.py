"""The ten families of problems, each in five levels.

`MAKERS` says which function draws a level of a family; a family itself is a
function (rng, level, route_rng) -> Exercise.
"""

from functools import partial

from reasoning_from_scratch.pocket.exercises import Exercise, Work
from reasoning_from_scratch.pocket.families import (
    algebra,
    everyday,
    numbers,
)

LEVELS = (1, 2, 3, 4, 5)
MAKERS = {  # family -> makers by level; one maker draws them all
    "arithmetic": [numbers.arithmetic] * 5,
    "decimals": [numbers.decimals] * 5,
    "fractions": [numbers.fractions] * 5,
    "percentages": [
        everyday.percent_of,
        everyday.percent_share,
        everyday.percent_change,
        everyday.percent_of,
        everyday.percent_change,
    ],
    "equations": [algebra.equations] * 5,
    "systems": [algebra.systems] * 5,
    "polynomials": [algebra.polynomials] * 5,
    "geometry": [
        everyday.perimeter,
        everyday.triangle,
        everyday.corner_shape,
        everyday.cuboid,
        everyday.frame,
    ],
    "divisors": [
        numbers.common_divisor,
        numbers.common_multiple,
        numbers.of_three_numbers,
        numbers.common_divisors,
        numbers.all_divisors,
    ],
    "words": [
        everyday.lending,
        everyday.change,
        everyday.two_kinds,
        everyday.sharing,
        everyday.trips,
    ],
}


def _draw(family, rng, level, route_rng=None):
    """Draw an `Exercise`; without `route_rng` by the first route always."""
    work = Work(route_rng)
    key, question, answer = MAKERS[family][level - 1](rng, level, work)
    return Exercise(
        family, level, (family, *key), question, str(answer), tuple(work.steps)
    )


FAMILIES = {family: partial(_draw, family) for family in MAKERS}
