"""Problems near the edge of what the policy can do, by level.

A running solve rate of every level says which levels lie near a target, and
the next problems are drawn from those. The state is a few numbers a level,
kept in each row of metrics.jsonl, so that a resumed run draws the same.

Source: Bengio et al. 2009; online solve rates as in Kimi k1.5,
arXiv 2501.12599, section 2.3.
"""

import math

import torch

from .loop import shuffled_indices

WIDTH = 0.15  # of the bell around the target, in solve rate
FLOOR = 0.05  # of the bell's height: no level is forgotten
RATE_STEP = 0.3  # share of a step's groups in the running solve rate
RATE, DRAWN = "level_{}_solve_rate", "level_{}_drawn"  # in metrics.jsonl


def level_weights(solve_rates, target):
    """How often each level is drawn, as shares that sum to 1.

    >>> level_weights({1: 0.4, 2: 0.6}, 0.5)
    {1: 0.5, 2: 0.5}
    """
    heights = {
        level: max(FLOOR, math.exp(-(((rate - target) / WIDTH) ** 2) / 2))
        for level, rate in solve_rates.items()
    }
    total = sum(heights.values())
    return {level: height / total for level, height in heights.items()}


class Curriculum:
    """The levels of a problem set, how well each goes, how far it is read.

    `row`, of metrics.jsonl, holds the state that is taken up.
    """

    def __init__(self, problems, target, seed, row=()):
        self.target, self.seed = target, seed
        self.places = {}  # level -> places of its problems in the set
        for place, problem in enumerate(problems):
            self.places.setdefault(problem.level, []).append(place)
        if len(self.places) < 2:
            raise ValueError(
                "a curriculum chooses among levels, and all problems have "
                "one; give problems with levels or set curriculum=None"
            )
        row, levels = dict(row), sorted(self.places)
        self.solve_rates = {n: row.get(RATE.format(n), target) for n in levels}
        # From each level's shuffled order
        self.drawn = {n: row.get(DRAWN.format(n), 0) for n in levels}

    def draw(self, count, cursor):
        """Places of the next problems; seed and cursor fix the draw."""
        weights = level_weights(self.solve_rates, self.target)
        generator = torch.Generator().manual_seed(self.seed * 100_003 + cursor)
        shares = torch.tensor(list(weights.values()))
        numbers = shares.multinomial(count, True, generator=generator)
        levels = list(weights)
        chosen = []
        for level in (levels[number] for number in numbers):
            places, start = self.places[level], self.drawn[level]
            chosen += shuffled_indices(len(places), start, 1, seed=self.seed)
            chosen[-1] = places[chosen[-1]]
            self.drawn[level] += 1
        return chosen

    def update(self, levels, solve_rates):
        """Take in how a batch went: one level and one rate a prompt."""
        by_level = {}
        for level, rate in zip(levels, solve_rates, strict=True):
            by_level.setdefault(level, []).append(rate)
        for level, rates in by_level.items():
            gap = sum(rates) / len(rates) - self.solve_rates[level]
            self.solve_rates[level] += RATE_STEP * gap

    @property
    def state(self):
        """What a row of metrics.jsonl keeps of it."""
        rates, drawn = self.solve_rates.items(), self.drawn.items()
        return {RATE.format(level): rate for level, rate in rates} | {
            DRAWN.format(level): count for level, count in drawn
        }
