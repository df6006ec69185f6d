"""The ten families of problems, each in five levels.

A family is a function (rng, level, routes) -> Exercise: `rng` draws the
problem and its wording, `routes` the way to solve it.
"""

from reasoning_from_scratch.pocket.families.arithmetic import (
    arithmetic,
    decimals,
)
from reasoning_from_scratch.pocket.families.divisors import divisors
from reasoning_from_scratch.pocket.families.equations import equations
from reasoning_from_scratch.pocket.families.fractions import fractions
from reasoning_from_scratch.pocket.families.geometry import geometry
from reasoning_from_scratch.pocket.families.percentages import percentages
from reasoning_from_scratch.pocket.families.polynomials import polynomials
from reasoning_from_scratch.pocket.families.systems import systems
from reasoning_from_scratch.pocket.families.words import words

FAMILIES = {
    "arithmetic": arithmetic,
    "decimals": decimals,
    "fractions": fractions,
    "percentages": percentages,
    "equations": equations,
    "systems": systems,
    "polynomials": polynomials,
    "geometry": geometry,
    "divisors": divisors,
    "words": words,
}
LEVELS = (1, 2, 3, 4, 5)
