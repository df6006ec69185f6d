"""How sure a measured accuracy is, and whether two of them differ.

A score is a number between 0 and 1 for one problem: 1 when the answer is
right, or the share of right samples. Nothing here reads files or draws
random numbers.

Sources: Wilson 1927; McNemar 1947; Chen et al. 2021 (arXiv 2107.03374) for
pass@k; Miller 2024 (arXiv 2411.00640), "Adding Error Bars to Evals"; for
training seeds Satterthwaite 1946, Holm 1979 and arXiv 2504.07086.
"""

from collections import Counter
from functools import lru_cache
from math import ceil, comb, inf, log2, sqrt
from statistics import NormalDist, fmean
from typing import NamedTuple


class PairedDifference(NamedTuple):
    """What two methods' scores on the same problems say about each other."""

    difference: float  # mean of first - second, in [-1, 1]
    error: float  # standard error of that mean
    low: float
    high: float
    p_value: float  # two-sided; exact McNemar when all scores are 0 or 1
    num_wins: int  # problems on which the first scores higher
    num_losses: int  # problems on which the second scores higher


def wilson_interval(
    num_correct: float, num_total: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Bound the true accuracy behind num_correct right out of num_total.

    Unlike accuracy +- 2 standard errors, the bounds stay inside [0, 1] and
    keep a width when nothing or everything is right.

    Returns:
        (low, high), both in [0, 1].

    Raises:
        ValueError: num_total is not positive, or num_correct lies outside.

    Source: Wilson 1927, "Probable inference".

    >>> wilson_interval(0, 10)[0]
    0.0
    """
    if num_total < 1 or not 0 <= num_correct <= num_total:
        raise ValueError(
            f"expected 0 <= num_correct <= num_total and num_total >= 1, "
            f"got {num_correct} of {num_total}"
        )
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = num_correct / num_total
    shrink = 1 / (1 + z**2 / num_total)
    centre = (share + z**2 / (2 * num_total)) * shrink
    variance = share * (1 - share) / num_total + (z / (2 * num_total)) ** 2
    half_width = z * sqrt(variance) * shrink
    return max(0.0, centre - half_width), min(1.0, centre + half_width)


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Estimate the chance that at least one of k samples is right.

    The estimate averages over all subsets of k of the num_samples drawn, so
    it is unbiased, where 1 - (1 - num_correct / num_samples)**k is not.

    Raises:
        ValueError: k is not in 1..num_samples, or num_correct lies outside.

    Source: Chen et al. 2021, section 2.1.

    >>> pass_at_k(4, 1, 2)
    0.5
    """
    if not 1 <= k <= num_samples or not 0 <= num_correct <= num_samples:
        raise ValueError(
            f"pass@k needs 1 <= k <= num_samples and num_correct within, got "
            f"k={k}, {num_correct} right of {num_samples}; draw more samples"
        )
    all_wrong = 1.0  # chance that a random subset of k has no right sample
    for i in range(num_samples - num_correct + 1, num_samples + 1):
        all_wrong *= max(0.0, 1 - k / i)
    return 1 - all_wrong


def majority_at_k(
    counts: list[int], is_right: list[bool], k: int, num_unparsed: int = 0
) -> float:
    """Give the chance that a vote among k of the drawn samples is right.

    `counts` and `is_right` have an entry for each distinct answer. All
    subsets of k samples are counted; a tie shares the win, and an unparsed
    sample takes a place but votes for nothing.

    >>> majority_at_k([2, 1], [True, False], 1)  # 2/3: one sample
    0.6666666666666666
    """
    num_samples = sum(counts) + num_unparsed
    if not 1 <= k <= num_samples:
        raise ValueError(
            f"maj@k needs 1 <= k <= {num_samples} samples, got k={k}"
        )
    right_subsets = 0.0
    for winner, winner_is_right in enumerate(is_right):
        if not winner_is_right:
            continue
        rivals = tuple(sorted((*counts[:winner], *counts[winner + 1 :])))
        for votes in range(1, min(k, counts[winner]) + 1):
            right_subsets += comb(counts[winner], votes) * _winning_ways(
                rivals, num_unparsed, k - votes, votes
            )
    return right_subsets / comb(num_samples, k)


@lru_cache(maxsize=100_000)
def _winning_ways(
    rivals: tuple[int, ...], num_unparsed: int, num_draws: int, votes: int
) -> float:
    """Count draws that leave no rival above votes; a tie of n counts 1/n."""
    ways = Counter({(0, 1): 1})  # (samples drawn, answers tied) -> subsets
    for count in rivals:
        longer = Counter()
        for (drawn, tied), number in ways.items():
            for take in range(min(count, votes, num_draws - drawn) + 1):
                state = (drawn + take, tied + (take == votes))
                longer[state] += number * comb(count, take)
        ways = longer
    return sum(
        number * comb(num_unparsed, num_draws - drawn) / tied
        for (drawn, tied), number in ways.items()
    )


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Return the mean of two or more values and its standard error."""
    n = len(values)
    if n < 2:
        raise ValueError(f"a standard error needs 2 or more values, got {n}")
    mean = sum(values) / n
    squares = sum((value - mean) ** 2 for value in values)
    return mean, sqrt(squares / (n * (n - 1)))


def clustered_error(values: list[float], clusters: list) -> float:
    """Return the standard error of a mean whose values come in clusters.

    Samples of one problem, or problems about one text, rise and fall
    together; counting them as independent makes the interval too narrow.

    Args:
        values: one score each.
        clusters: the cluster that each value belongs to.

    Source: Miller 2024, section 2.2 (no small-sample correction).
    """
    mean = sum(values) / len(values)
    residuals = Counter()
    for value, cluster in zip(values, clusters, strict=True):
        residuals[cluster] += value - mean
    return sqrt(sum(r**2 for r in residuals.values())) / len(values)


def mcnemar_p_value(num_wins: int, num_losses: int) -> float:
    """Give the two-sided exact p-value of wins against losses.

    Only the problems on which two methods disagree carry information; were
    the methods equally good, each would be a fair coin.

    Source: McNemar 1947, in its exact binomial form.
    """
    n = num_wins + num_losses
    tail = sum(comb(n, i) for i in range(min(num_wins, num_losses) + 1))
    return min(1.0, 2 * tail / 2**n)


def paired_difference(
    first: list[float], second: list[float], confidence: float = 0.95
) -> PairedDifference:
    """Compare two methods by their scores on the same problems.

    Args:
        first, second: one score in [0, 1] a problem, in the same order.

    Returns:
        PairedDifference of first - second. The p-value is McNemar's exact
        one when every difference is -1, 0 or 1, else that of a z-test.

    Raises:
        ValueError: the lengths differ, or fewer than two problems.
    """
    if len(first) != len(second):
        raise ValueError(
            f"paired scores need equal lengths, got {len(first)} and "
            f"{len(second)}; pair them by problem id first"
        )
    differences = [a - b for a, b in zip(first, second, strict=True)]
    mean, error = mean_and_error(differences)
    margin = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    wins = sum(d > 0 for d in differences)
    losses = sum(d < 0 for d in differences)
    if error == 0 or set(differences) <= {-1, 0, 1}:
        p_value = mcnemar_p_value(wins, losses)
    else:
        p_value = 2 * NormalDist().cdf(-abs(mean) / error)
    low, high = mean - margin, mean + margin
    return PairedDifference(mean, error, low, high, p_value, wins, losses)


def problems_needed(
    difference: float,
    *,
    variance: float = 0.5,
    power: float = 0.8,
    confidence: float = 0.95,
) -> int:
    """Give how many problems it takes to see a difference in accuracy.

    Args:
        difference: the difference worth seeing, 0.03 for three points.
        variance: of one problem's difference. Two separate sets of
            problems: 2 p (1 - p), at most 0.5. The same problems for both:
            the share on which the two disagree, less difference**2.
        power: chance of seeing the difference when it is there.

    Source: Miller 2024, section 5; at least what an exact test takes when
    every disagreement is a win, so that no variance still needs problems.

    >>> problems_needed(0.05)
    1570
    """
    if difference == 0 or variance < 0:
        raise ValueError(
            "a difference of 0 cannot be seen; give one above 0, and a "
            f"variance of 0 or more, got {difference} and {variance}"
        )
    normal = NormalDist()
    z = normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)
    disagreements = ceil(log2(2 / (1 - confidence)))  # 2 / 2**n <= 5 %: 6
    return max(
        ceil(variance * (z / difference) ** 2),
        ceil(disagreements / (variance + difference**2)),
    )


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
    in one order. Whether a *method* is better asks what another seed would
    have given, so the error has two parts, from the spread of the seeds'
    means and from that of the problems' means:

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
    from mpmath import betainc

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
