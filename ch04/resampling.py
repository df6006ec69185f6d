"""Curves for any way of choosing, from one pool of samples.

The best of some samples is averaged over all subsets by counting; any other
way of choosing over seeded random ones. Both are unbiased, and steadier than
one subset at no cost in tokens. Votes: `scaling.curves`.

Source: Chen et al. 2021 (arXiv 2107.03374), section 2.1, for the counting.
"""

import random
from itertools import groupby
from math import comb
from statistics import fmean

from reasoning_from_scratch.scaling.curves import exact_curve, score_point
from reasoning_from_scratch.scaling.votes import samples_needed


def best_of_n_curve(pools, sizes, scorer):
    """Accuracy of the best-scored sample, averaged over all subsets."""

    def score(pool, size):
        scores = [scorer(sample, pool.problem) for sample in pool.samples]
        return expected_best(scores, pool.is_right, size)

    return exact_curve(pools, sizes, score)


def expected_best(scores, values, size):
    """Mean value of the best-scored sample over all subsets of this size."""
    # Sample r, ranked from 0, is the best of C(N - 1 - r, size - 1) of the
    # C(N, size) subsets; samples with equal scores share their ranks
    pairs = zip(scores, values, strict=True)
    ranked = sorted(pairs, key=lambda pair: -pair[0])
    total, behind = 0.0, len(ranked)
    for _, tied in groupby(ranked, key=lambda pair: pair[0]):
        values = [value for _, value in tied]
        ways = sum(comb(behind - 1 - i, size - 1) for i in range(len(values)))
        behind -= len(values)
        total += ways * fmean(values)
    return total / comb(len(ranked), size)


def sampled_curve(
    pools, sizes, choose, *, stop_rule=None, num_orders=16, seed=0
):
    """Accuracy of any way of choosing, over seeded random subsets.

    `choose` is a callable (samples, problem) -> position of the answer. The
    first `size` samples of each of `num_orders` orders are a subset; those
    behind the stop (see `samples_needed`) are neither seen nor paid for.
    """
    dice = random.Random(seed)
    orders = [
        [dice.sample(range(len(pool.samples)), max(sizes)) for pool in pools]
        for _ in range(num_orders)
    ]
    points = []
    for size in sizes:
        trials = [
            [
                _run_once(pool, order[:size], choose, stop_rule)
                for order in pool_orders
            ]
            for pool, *pool_orders in zip(pools, *orders, strict=True)
        ]
        scores = [fmean(score for score, _ in trial) for trial in trials]
        tokens = fmean(fmean(cost for _, cost in trial) for trial in trials)
        points.append(score_point(size, scores, tokens))
    return points


def _run_once(pool, order, choose, stop_rule):
    """One subset in one order -> (is it answered right, tokens spent)."""
    if stop_rule is not None:
        numbers = {None: None}  # of the groups, by their first appearance
        groups = [
            numbers.setdefault(pool.groups[i], len(numbers) - 1) for i in order
        ]
        order = order[: samples_needed(groups, stop_rule)]
    samples = [pool.samples[i] for i in order]
    chosen = order[choose(samples, pool.problem)]
    return pool.is_right[chosen], sum(s.num_tokens for s in samples)
