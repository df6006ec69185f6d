"""The ten families of problems, each in five levels.

A maker is (rng, level, work) -> (key, wordings, what stands in them, answer),
the problem drawn from `rng` and solved in `work`.
"""

from ..exercises import Exercise, Work
from . import algebra, everyday, numbers

LEVELS = (1, 2, 3, 4, 5)
FAMILIES = {  # name -> what draws its problems, for all or for each level
    "arithmetic": [numbers.arithmetic],
    "decimals": [numbers.decimals],
    "fractions": [numbers.fractions],
    "percentages": everyday.PERCENTAGES,
    "equations": [algebra.equations],
    "systems": [algebra.systems],
    "polynomials": [algebra.polynomials],
    "geometry": everyday.GEOMETRY,
    "divisors": numbers.DIVISORS,
    "words": everyday.WORDS,
}


def draw_exercise(rng, family=None, level=None, *, route_rng=None):
    """Draw one `Exercise`, from any family and level unless they are named.

    Its route is drawn from `route_rng`; None always takes the first.
    """
    family = family or rng.choice(list(FAMILIES))
    level = level or rng.choice(LEVELS)
    work, makers = Work(route_rng), FAMILIES[family]
    make = makers[(level - 1) % len(makers)]
    key, wordings, shown, answer = make(rng, level, work)
    wording = rng.choice(wordings) if len(wordings) > 1 else wordings[0]
    question, steps = wording.format(*shown), tuple(work.steps)
    return Exercise(
        family, level, (family, *key), question, str(answer), steps
    )
