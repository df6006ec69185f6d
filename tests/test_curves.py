"""Curves over the number of samples, from one pool, and their picture."""

import itertools
import random
from statistics import fmean

import pytest
from frontier import CEILING, frontier_row, plot_frontier, plot_sizes
from resampling import best_of_n_curve, expected_best, sampled_curve
from scripted import sample_of

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.scaling import mean_logprob_score
from reasoning_from_scratch.scaling.choosing import choose_by_vote, pick_best
from reasoning_from_scratch.scaling.curves import (
    CurvePoint,
    grade_pools,
    pass_curve,
    vote_curve,
)
from reasoning_from_scratch.scaling.votes import is_decided


def pools_of(*answer_rows, reference="1"):
    """One pool per row of answers; a space is an unparsed sample."""
    dice = random.Random(0)
    rows = [
        [
            sample_of("?" if a == " " else rf"\boxed{{{a}}}", -dice.random())
            for a in answers
        ]
        for answers in answer_rows
    ]
    return grade_pools([Problem("?", reference) for _ in rows], rows)


def random_pools(answers, size, count):
    dice = random.Random(1)
    return pools_of(*(dice.choices(answers, k=size) for _ in range(count)))


def accuracies(curve):
    return [point.accuracy for point in curve]


def test_a_point_counts_samples_and_tokens_by_value():
    (pool,) = pools_of(["1/2", "0.5", "2", " "], reference=r"\frac12")
    assert pool.groups == [0, 0, 1, None]
    assert pool.is_right == [True, True, False, False]
    # "\boxed{1}" and the end are 10 tokens, "\boxed{22}" 11
    pools = pools_of(["1", "22"], ["1", "1"])
    assert vote_curve(pools, [2])[0].mean_tokens == pytest.approx(20.5)
    (point,) = vote_curve(pools_of("11", "22", "12"), [1])
    assert 0 <= point.low < point.accuracy < point.high <= 1


def test_a_vote_curve_is_the_mean_over_all_subsets():
    pools = pools_of("1123 2", "321 11")
    sizes = [1, 3, 6]
    by_hand = [
        fmean(
            pool.is_right[
                subset[choose_by_vote([pool.samples[i] for i in subset])]
            ]
            for pool in pools
            for subset in itertools.permutations(range(6), size)
        )
        for size in sizes
    ]
    assert accuracies(vote_curve(pools, sizes)) == pytest.approx(by_hand)


def test_expected_best_is_the_mean_over_all_subsets():
    scores, values = [5, 1, 4, 2, 3], [0, 1, 1, 0, 1]
    for size in range(1, 6):
        subsets = itertools.combinations(range(5), size)
        best = [values[max(s, key=lambda i: scores[i])] for s in subsets]
        found = expected_best(scores, values, size)
        assert found == pytest.approx(fmean(best))
    # Equal scores share their ranks
    assert expected_best([1, 1], [1, 0], 1) == pytest.approx(1 / 2)
    assert expected_best([1, 1], [1, 0], 2) == pytest.approx(1 / 2)


def test_random_subsets_agree_with_counting_all_below_the_ceiling():
    pools, sizes = random_pools("11234 ", 6, 30), [1, 3, 6]
    ceiling = accuracies(pass_curve(pools, sizes))
    # 30 problems x 100 orders: a standard error below 0.01
    for curve, choose in (
        (vote_curve(pools, sizes), choose_by_vote),
        (best_of_n_curve(pools, sizes, mean_logprob_score), pick_best),
    ):
        exact = accuracies(curve)
        found = sampled_curve(pools, sizes, choose, num_orders=100)
        assert accuracies(found) == pytest.approx(exact, abs=0.03)
        pairs = zip(exact, ceiling, strict=True)
        assert all(low <= high + 1e-12 for low, high in pairs)


def test_the_exact_stop_costs_fewer_tokens_for_the_same_answers():
    pools = random_pools("1112", 8, 20)
    full, stopped = (
        sampled_curve(pools, [8], choose_by_vote, stop_rule=rule)[0]
        for rule in (None, is_decided)
    )
    assert stopped.scores == full.scores
    assert stopped.mean_tokens < full.mean_tokens


# ---- The picture ----

VOTES = [
    CurvePoint(n, share, share - 0.1, share + 0.1, 50.0 * n, scores=[])
    for n, share in ((1, 0.4), (2, 0.5), (4, 0.6))
]


def test_the_frontier_has_two_log_axes_with_few_plain_ticks():
    rows = [
        frontier_row("greedy", VOTES[1:2], 0.01),
        frontier_row("vote", VOTES, 0.002),
    ]
    # 4 samples of 50 tokens at 2 ms a token
    assert rows[1]["points"][-1]["seconds"] == pytest.approx(0.4)
    figure = plot_frontier(rows, title="T")
    assert figure.alt_text == (
        "Accuracy against cost, log axes. T: greedy 50.0 % at 100 tokens; "
        "vote 40.0 % at 50 tokens to 60.0 % at 200 tokens."
    )
    # About a decade: matplotlib would write 2 x 10^-1 all over
    figure.canvas.draw()
    inside = ({"50", "100", "200"}, {"0.1", "0.2", "0.5", "1"})
    for axes, texts in zip(figure.axes, inside, strict=True):
        assert axes.get_xscale() == "log"
        low, high = axes.get_xlim()
        labels = axes.get_xticklabels() + axes.get_xticklabels(minor=True)
        shown = [t for t in labels if low <= t.get_position()[0] <= high]
        assert {t.get_text() for t in shown} - {""} == texts


def test_curves_over_samples_have_a_tick_at_every_size():
    curves = {"vote": VOTES, CEILING: VOTES}
    figure = plot_sizes(curves, references={"greedy": 0.5})
    ticks = figure.axes[0].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["1", "2", "4"]
    assert "vote 40.0 % at 1 to 60.0 % at 4" in figure.alt_text
    assert "greedy 50.0 %" in figure.alt_text
