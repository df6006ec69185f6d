"""How sure a difference is when problems and training seeds are samples.

One trained model says how good that model is; whether a *method* is better
asks what another seed would have given.

Sources: Student 1908; Satterthwaite 1946; Holm 1979; on seeds in
reinforcement learning, Henderson et al. 2018 and arXiv 2504.07086.
"""

from math import inf, sqrt
from statistics import NormalDist, fmean
from typing import NamedTuple

from mpmath import betainc

from reasoning_from_scratch.evaluation.statistics import mean_and_error


class SeededMean(NamedTuple):
    """A mean over seeds and problems."""

    mean: float
    error: float  # standard error
    low: float  # of the 95 % interval
    high: float
    p_value: float  # two-sided, of the mean being 0
    degrees: float  # of freedom


def seeded_mean(scores) -> SeededMean:
    """Average scores over seeds and problems, and say how sure that is.

    `scores` has a list for each seed, each with one number for each problem,
    in one order. The error has two parts, from the spread of the seeds' means
    and from that of the problems' means:

        error^2 = s_seeds^2 / S + s_problems^2 / N

    Noise in both is counted twice, so intervals err on the wide side. That
    few seeds know their own spread poorly is paid for by the t distribution
    with Satterthwaite's degrees of freedom.
    """
    if len(scores) < 2 or len({len(row) for row in scores}) > 1:
        raise ValueError(
            "expected two or more seeds with the same problems, got "
            f"{[len(row) for row in scores]} problems"
        )
    mean, seeds = mean_and_error([fmean(row) for row in scores])
    columns = list(zip(*scores, strict=True))
    _, problems = mean_and_error([fmean(column) for column in columns])
    parts = ((seeds**2, len(scores) - 1), (problems**2, len(columns) - 1))
    error = sqrt(sum(part for part, _ in parts))
    spread = sum(part**2 / count for part, count in parts)
    degrees = error**4 / spread if spread else inf
    margin = t_quantile(0.975, degrees) * error
    p_value = 1.0 if mean == 0 else 0.0
    if error:
        p_value = 2 * t_tail(abs(mean) / error, degrees)
    low, high = mean - margin, mean + margin
    return SeededMean(mean, error, low, high, p_value, degrees)


def seeded_difference(first, second) -> SeededMean:
    """Compare two methods trained with the same seeds, problem by problem."""
    return seeded_mean(
        [
            [a - b for a, b in zip(one, other, strict=True)]
            for one, other in zip(first, second, strict=True)
        ]
    )


def holm(p_values) -> list[float]:
    """Adjust p-values for being several: what the smallest of n must pass.

    The smallest is multiplied by n, the next by n - 1, and so on, never
    falling below an earlier one.

    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def t_tail(t: float, degrees: float) -> float:
    """The chance that Student's t exceeds `t` >= 0."""
    if degrees > 1000:  # the normal distribution, to three digits
        return NormalDist().cdf(-t)
    share = degrees / (degrees + t**2)
    return float(betainc(degrees / 2, 0.5, 0, share, regularized=True)) / 2


def t_quantile(probability: float, degrees: float) -> float:
    """The t >= 0 below which Student's t lies with this probability."""
    low, high = 0.0, 1.0
    while t_tail(high, degrees) > 1 - probability:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        if t_tail(middle, degrees) > 1 - probability:
            low = middle
        else:
            high = middle
    return high
