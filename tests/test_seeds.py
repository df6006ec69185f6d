"""Differences over seeds and problems: by hand, by table, by simulation."""

import random

import pytest
from seeds import holm, seeded_difference, seeded_mean, t_quantile, t_tail


# From the tables of Student's distribution
@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.7062), (3, 3.18245), (10, 2.22814), (1e9, 1.95996)],
)
def test_student_quantiles_are_those_of_the_tables(degrees, quantile):
    assert t_quantile(0.975, degrees) == pytest.approx(quantile, rel=1e-4)
    assert t_tail(quantile, degrees) == pytest.approx(0.025, rel=1e-3)
    assert t_tail(0.0, degrees) == pytest.approx(0.5, rel=1e-6)


def test_a_mean_over_seeds_and_problems_is_worked_by_hand():
    # Seeds' means 0.5 and 0.7: variance 0.02, over 2: 0.01. Problems' means
    # 0.4 and 0.8: variance 0.08, over 2: 0.04. Error sqrt(0.05); degrees
    # 0.05^2 / (0.01^2 + 0.04^2) = 1.47059
    result = seeded_mean([[0.2, 0.8], [0.6, 0.8]])
    assert result.mean == pytest.approx(0.6)
    assert result.error == pytest.approx(0.05**0.5)
    assert result.degrees == pytest.approx(1.4705882)
    margin = result.error * t_quantile(0.975, result.degrees)
    assert result.high - 0.6 == pytest.approx(margin)
    assert 0.6 - result.low == pytest.approx(margin)
    # Equal methods differ by nothing
    scores = [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]
    result = seeded_difference(scores, scores)
    assert (result.mean, result.error, result.p_value) == (0.0, 0.0, 1.0)


def test_intervals_cover_the_truth_at_least_as_often_as_they_say():
    # Differences of mean 0.05 with spreads by seed, by problem and both
    rng = random.Random(0)
    covered = 0
    for _ in range(200):
        seeds = [rng.gauss(0, 0.03) for _ in range(3)]
        problems = [rng.gauss(0, 0.3) for _ in range(40)]
        scores = [
            [0.05 + s + p + rng.gauss(0, 0.2) for p in problems] for s in seeds
        ]
        result = seeded_mean(scores)
        covered += result.low <= 0.05 <= result.high
    assert covered >= 186  # 93 % of 200: 95 % less one standard error


def test_holm_is_worked_by_hand():
    # sorted 0.01, 0.02, 0.04 times 3, 2, 1; never falling
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("scores", [[[0.0, 1.0]], [[0.0, 1.0], [1.0]]])
def test_one_seed_or_other_problems_are_refused(scores):
    with pytest.raises(ValueError, match="two or more seeds with the same"):
        seeded_mean(scores)
