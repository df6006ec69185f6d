"""Curves over the number of samples, from one pool."""

import itertools
import random
from statistics import fmean

import pytest
from resampling import best_of_n_curve, expected_best, sampled_curve
from scripted import output_of
from tiny import ByteTokenizer

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.scaling.choosing import choose_by_vote, pick_best
from reasoning_from_scratch.scaling.curves import (
    grade_pools,
    pass_curve,
    vote_curve,
)
from reasoning_from_scratch.scaling.samples import make_sample
from reasoning_from_scratch.scaling.votes import is_decided


def pools_of(*answer_rows, reference="1"):
    """One pool per row of answers; a space is an unparsed sample."""
    dice = random.Random(0)
    rows = []
    for answers in answer_rows:
        texts = ["?" if a == " " else f"\\boxed{{{a}}}" for a in answers]
        outputs = [
            output_of(t, [-dice.random()] * (len(t) + 1)) for t in texts
        ]
        rows.append([make_sample(ByteTokenizer(), o) for o in outputs])
    problems = [Problem("?", reference) for _ in rows]
    return grade_pools(problems, rows)


def accuracies(curve):
    return [point.accuracy for point in curve]


def test_pools_are_graded_by_value():
    (pool,) = pools_of(["1/2", "0.5", "2", " "], reference=r"\frac12")
    assert pool.groups == [0, 0, 1, None]
    assert pool.is_right == [True, True, False, False]


def test_the_ends_of_a_vote_curve_are_the_mean_and_the_full_vote():
    pools = pools_of("11123", "12223")
    # One sample: (3/5 + 1/5) / 2; all five: right, wrong.
    assert accuracies(vote_curve(pools, [1, 5])) == pytest.approx([0.4, 0.5])


def test_a_curve_is_the_mean_over_all_subsets():
    pools = pools_of("1123 2", "321 11")
    curve = vote_curve(pools, [3])
    by_hand = []
    for pool in pools:
        right = []
        for subset in itertools.permutations(range(6), 3):
            chosen = choose_by_vote([pool.samples[i] for i in subset])
            right.append(pool.is_right[subset[chosen]])
        by_hand.append(fmean(right))
    assert accuracies(curve) == pytest.approx([fmean(by_hand)])


@pytest.mark.parametrize(
    ("scores", "values", "size", "expected"),
    [
        ([3, 2, 1], [0, 1, 0], 2, 1 / 3),  # of the pairs, two hold the first
        ([1, 1], [1, 0], 1, 1 / 2),  # equal scores share their ranks
        ([1, 1], [1, 0], 2, 1 / 2),
    ],
)
def test_the_best_of_some_by_hand(scores, values, size, expected):
    assert expected_best(scores, values, size) == pytest.approx(expected)


def test_expected_best_is_the_mean_over_all_subsets():
    scores, values = [5, 1, 4, 2, 3], [0, 1, 1, 0, 1]
    for size in range(1, 6):
        subsets = itertools.combinations(range(5), size)
        best = [values[max(s, key=lambda i: scores[i])] for s in subsets]
        assert expected_best(scores, values, size) == pytest.approx(
            fmean(best)
        )


def test_the_ceiling_is_above_every_other_curve():
    dice = random.Random(1)
    pools = pools_of(*(dice.choices("1123 ", k=8) for _ in range(20)))
    sizes = [1, 2, 4, 8]
    ceiling = accuracies(pass_curve(pools, sizes))
    for curve in (
        vote_curve(pools, sizes),
        best_of_n_curve(pools, sizes, lambda s, p: s.mean_logprob),
    ):
        assert all(
            low <= high + 1e-12
            for low, high in zip(accuracies(curve), ceiling, strict=True)
        )


def test_random_subsets_agree_with_counting_all_of_them():
    dice = random.Random(2)
    pools = pools_of(*(dice.choices("11234 ", k=6) for _ in range(30)))
    exact = vote_curve(pools, [1, 3, 6])
    sampled = sampled_curve(pools, [1, 3, 6], choose_by_vote, num_orders=100)
    # 30 problems x 100 orders: a standard error below 0.01.
    assert accuracies(sampled) == pytest.approx(accuracies(exact), abs=0.03)
    best = best_of_n_curve(pools, [3], lambda s, p: s.mean_logprob)
    sampled = sampled_curve(pools, [3], pick_best, num_orders=100)
    assert accuracies(sampled) == pytest.approx(accuracies(best), abs=0.03)


def test_the_exact_stop_costs_fewer_tokens_for_the_same_answers():
    dice = random.Random(3)
    pools = pools_of(*(dice.choices("1112", k=8) for _ in range(20)))
    (full,) = sampled_curve(pools, [8], choose_by_vote)
    (stopped,) = sampled_curve(
        pools, [8], choose_by_vote, stop_rule=is_decided
    )
    assert stopped.scores == full.scores
    assert stopped.mean_tokens < full.mean_tokens


def test_a_point_counts_its_samples_tokens_and_its_interval_holds_it():
    # "\boxed{1}" and the end are 10 tokens, "\boxed{22}" 11.
    pools = pools_of(["1", "22"], ["1", "1"])
    assert vote_curve(pools, [2])[0].mean_tokens == pytest.approx(20.5)
    (point,) = vote_curve(pools_of("11", "22", "12"), [1])
    assert 0 <= point.low < point.accuracy < point.high <= 1
