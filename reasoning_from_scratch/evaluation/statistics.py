"""How sure a measured accuracy is, and whether two of them differ.

A score is a number between 0 and 1 for one problem: 1 when the answer is
right, or the share of right samples. Counts that cannot be raise ValueError.

Sources: Wilson 1927, "Probable inference"; McNemar 1947, in its exact binomial
form; Chen et al. 2021 (arXiv 2107.03374), section 2.1, for pass@k; Miller 2024
(arXiv 2411.00640), "Adding Error Bars to Evals", section 5, for sizes.
"""

from collections import Counter
from functools import lru_cache
from math import ceil, comb, sqrt
from statistics import NormalDist
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

    Unlike accuracy +- 2 standard errors, (low, high) stay inside [0, 1] and
    keep a width when nothing or everything is right.

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


def majority_at_k(groups: list, is_right: list[bool], k: int) -> float:
    """Give the chance that a vote among k of the drawn samples is right.

    `groups` says which answer each sample gives, `is_right` its verdict. All
    subsets of k samples are counted; a tie shares the win, and a sample
    without an answer (None) takes a place but votes for nothing.

    >>> majority_at_k(["4", "4", "5"], [True, True, False], 1)  # 2/3
    0.6666666666666666
    """
    if not 1 <= k <= len(groups):
        raise ValueError(
            f"maj@k needs 1 <= k <= {len(groups)} samples, got k={k}"
        )
    counts = Counter(groups)
    num_unparsed = counts.pop(None, 0)
    right_subsets = 0.0
    for winner, count in counts.items():
        if is_right[groups.index(winner)]:
            rivals = tuple(sorted(n for g, n in counts.items() if g != winner))
            for votes in range(1, min(k, count) + 1):
                right_subsets += comb(count, votes) * _winning_ways(
                    rivals, num_unparsed, k - votes, votes
                )
    return right_subsets / comb(len(groups), k)


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


def mcnemar_p_value(num_wins: int, num_losses: int) -> float:
    """Give the two-sided exact p-value of wins against losses.

    Were two methods equally good, each problem on which they disagree would
    be a fair coin.
    """
    n = num_wins + num_losses
    tail = sum(comb(n, i) for i in range(min(num_wins, num_losses) + 1))
    return min(1.0, 2 * tail / 2**n)


def paired_difference(
    first: list[float], second: list[float], confidence: float = 0.95
) -> PairedDifference:
    """Compare two methods by their scores on the same problems.

    The scores are in [0, 1], one for each problem, in the same order. The
    p-value is McNemar's exact one if all differences are -1, 0 or 1, else that
    of a z-test.
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


def problems_needed(difference: float, *, variance: float = 0.5) -> int:
    """Give how many problems show a difference in accuracy 4 times out of 5.

    `variance` is that of one problem's difference: of two separate sets
    2 p (1 - p), at most 0.5; of the same problems the share on which the two
    disagree, less difference**2.

    >>> problems_needed(0.05)
    1570
    """
    if difference == 0 or variance < 0:
        raise ValueError(
            "a difference of 0 cannot be seen; give one above 0, and a "
            f"variance of 0 or more, got {difference} and {variance}"
        )
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    # Six wins alone are needed: 2 / 2**6 is the first p-value below 5 %
    least = ceil(6 / (variance + difference**2))
    return max(least, ceil(variance * (z / difference) ** 2))
