"""The ten families of problems, each in five levels."""

from functools import partial

from ..exercises import Exercise, Work
from . import algebra, everyday, numbers

LEVELS = (1, 2, 3, 4, 5)
MAKERS = {  # family -> what draws its problems, for all or for each level
    "arithmetic": [numbers.arithmetic],
    "decimals": [numbers.decimals],
    "fractions": [numbers.fractions],
    "percentages": [
        everyday.percent_of,
        everyday.percent_share,
        everyday.percent_change,
        everyday.percent_of,
        everyday.percent_change,
    ],
    "equations": [algebra.equations],
    "systems": [algebra.systems],
    "polynomials": [algebra.polynomials],
    "geometry": [
        everyday.perimeter,
        everyday.triangle,
        everyday.corner_shape,
        everyday.cuboid,
        everyday.frame,
    ],
    "divisors": [
        numbers.of_two_numbers,
        numbers.of_two_numbers,
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


def _draw(family, rng, level, route_rng=None, is_detailed=False):
    """Draw an `Exercise`; without `route_rng` by the first route always."""
    work = Work(route_rng, is_detailed)
    makers = MAKERS[family]
    make = makers[(level - 1) % len(makers)]
    key, wordings, shown, answer = make(rng, level, work)
    wording = rng.choice(wordings) if len(wordings) > 1 else wordings[0]
    question, steps = wording.format(*shown), tuple(work.steps)
    return Exercise(
        family, level, (family, *key), question, str(answer), steps
    )


FAMILIES = {family: partial(_draw, family) for family in MAKERS}
