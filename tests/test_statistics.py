"""Statistics: hand-worked values, scipy and statsmodels as oracles."""

from itertools import combinations, product
from math import sqrt

import pytest
from check import load_exercises

from reasoning_from_scratch.evaluation.statistics import (
    majority_at_k,
    mcnemar_p_value,
    mean_and_error,
    paired_difference,
    pass_at_k,
    problems_needed,
    wilson_interval,
)


@pytest.mark.parametrize("counts", [(0, 10), (10, 10), (3, 7), (911, 2000)])
def test_wilson_interval_agrees_with_statsmodels(counts):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    expected = proportion.proportion_confint(*counts, method="wilson")
    assert wilson_interval(*counts) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson_interval(5, 4), "got 5 of 4"),
        (lambda: wilson_interval(0, 0), "num_total >= 1"),
        (lambda: pass_at_k(4, 1, 5), "draw more samples"),
        (lambda: majority_at_k([0], [True], 2), "k <= 1 samples, got k=2"),
        (lambda: mean_and_error([1]), "2 or more"),
        (lambda: paired_difference([1], [1, 0]), "lengths, got 1 and 2"),
        (lambda: problems_needed(0), "difference of 0"),
        (lambda: problems_needed(0.05, variance=-0.1), "variance of 0 or mo"),
    ],
)
def test_counts_that_cannot_be_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_pass_at_k_equals_the_share_of_subsets_with_a_right_sample():
    for num_samples, num_correct in product(range(1, 7), range(7)):
        if num_correct > num_samples:
            continue
        verdicts = [i < num_correct for i in range(num_samples)]
        for k in range(1, num_samples + 1):
            subsets = list(combinations(verdicts, k))
            share = sum(any(subset) for subset in subsets) / len(subsets)
            assert pass_at_k(num_samples, num_correct, k) == pytest.approx(
                share, abs=1e-12
            )
    # one right of 10,000; half of them drawn: found half of the time
    assert pass_at_k(10_000, 1, 5_000) == pytest.approx(0.5)


def vote_by_enumeration(answers, right, k):
    """Average over all subsets, ties shared; None votes for nothing."""
    shares = []
    for subset in combinations(answers, k):
        votes = [answer for answer in subset if answer is not None]
        most = max(map(votes.count, votes), default=0)
        tied = {answer for answer in votes if votes.count(answer) == most}
        shares.append((right in tied) / max(1, len(tied)))
    return sum(shares) / len(shares)


@pytest.mark.parametrize(
    "answers",
    ["aab", "aaabbc", "abcdef", "bbbaac", "aabbcc", "bbbbb", "abb--c"],
)
def test_majority_at_k_equals_the_vote_over_all_subsets(answers):
    groups = [None if a == "-" else a for a in answers]
    is_right = [group == "a" for group in groups]
    for k in range(1, len(answers) + 1):
        expected = vote_by_enumeration(groups, "a", k)
        found = majority_at_k(groups, is_right, k)
        assert found == pytest.approx(expected, abs=1e-12)


def test_errors_differences_and_sizes_by_hand():
    # 1 0 0 1: mean ½, squares 4 · ¼ = 1, error sqrt(1 / (4 · 3))
    assert mean_and_error([1, 0, 0, 1]) == pytest.approx((0.5, sqrt(1 / 12)))
    # differences 1 1 0 -1: mean ¼, squares 2·(¾)² + (¼)² + (5/4)² = 2.75,
    # error sqrt(2.75 / 12) = 0.47871; two wins, one loss: p = 1
    found = paired_difference([1, 1, 1, 0], [0, 0, 1, 1])
    assert found.difference == 0.25
    assert found.error == pytest.approx(0.47871, abs=1e-5)
    assert found.high - found.difference == pytest.approx(1.96 * 0.47871, 1e-4)
    assert (found.num_wins, found.num_losses, found.p_value) == (2, 1, 1.0)
    # of equal scores
    found = paired_difference([1, 0, 1], [1, 0, 1])
    assert found.difference == found.low == found.high == 0
    assert found.p_value == 1.0
    # 0.5 · (1.959964 + 0.841621)² / d² = 3.92444 / d²
    assert problems_needed(0.03) == 4361
    assert problems_needed(0.05) == 1570
    # paired, a fifth of the problems disagree: far fewer
    assert problems_needed(0.05, variance=0.2 - 0.05**2) == 621
    # all of 3 against none of 3: variance 0, but 2 / 2**6 is the first p
    # value of wins alone below 5 %; half as many disagree: twice the problems
    assert problems_needed(1.0, variance=0.0) == 6
    assert problems_needed(0.5, variance=0.25) == 12


def test_clustered_error_of_exercise_3_7_agrees_with_statsmodels():
    linear = pytest.importorskip("statsmodels.api")
    scores = [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
    values = [value for row in scores for value in row]
    clusters = [place for place, row in enumerate(scores) for _ in row]
    fit = linear.OLS(values, [1] * len(values)).fit(
        cov_type="cluster",
        cov_kwds={"groups": clusters, "use_correction": False},
    )
    found = load_exercises()["3.7"].reference(scores)
    assert found == pytest.approx(fit.bse[0])


@pytest.mark.parametrize(
    ("wins", "losses"), [(5, 0), (0, 5), (7, 7), (120, 90)]
)
def test_mcnemar_agrees_with_scipy(wins, losses):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(wins, wins + losses).pvalue
    assert mcnemar_p_value(wins, losses) == pytest.approx(expected)


def test_a_paired_difference_is_a_z_test_and_changes_sign():
    stats = pytest.importorskip("scipy.stats")
    first, second = [0.5, 0.75, 1.0, 0.25], [0.25, 0.5, 1.0, 0.5]
    found = paired_difference(first, second)
    back = paired_difference(second, first)
    assert found.difference == -back.difference
    assert found.low == pytest.approx(-back.high)
    expected = 2 * stats.norm.sf(abs(found.difference) / found.error)
    assert found.p_value == back.p_value == pytest.approx(expected)
