"""Accuracy for every number of samples, from one pool drawn once.

Averaging over all subsets of a pool (exactly, by counting) or over seeded
random ones is unbiased, and steadier than one subset at no cost in tokens.

Source: Chen et al. 2021 (arXiv 2107.03374), section 2.1, for the counting.
"""

import random
from dataclasses import dataclass
from itertools import groupby
from math import comb
from statistics import NormalDist, fmean

from reasoning_from_scratch.evaluation.grouping import (
    group_answers,
    same_answer,
)
from reasoning_from_scratch.evaluation.statistics import (
    majority_at_k,
    mean_and_error,
    pass_at_k,
)

from .votes import samples_needed


@dataclass(frozen=True)
class Pool:
    """The samples of one problem, graded."""

    samples: list
    groups: list  # which answers are equal, None where there is none
    is_right: list  # whether each answer equals the reference
    problem: object


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy in [0, 1] with its 95 % interval, at a cost in tokens."""

    num_samples: int
    accuracy: float
    low: float
    high: float
    mean_tokens: float  # generated per problem
    scores: list  # expected score of each problem, for paired comparisons


def score_point(num_samples, scores, mean_tokens):
    """Turn scores in [0, 1], one per problem, into a point of a curve."""
    accuracy, error = mean_and_error(scores)
    margin = NormalDist().inv_cdf(0.975) * error
    low, high = max(0.0, accuracy - margin), min(1.0, accuracy + margin)
    return CurvePoint(num_samples, accuracy, low, high, mean_tokens, scores)


def grade_pools(problems, pools):
    """Group and grade each problem's samples once for all curves."""
    graded = []
    for problem, samples in zip(problems, pools, strict=True):
        answers = [sample.answer for sample in samples]
        is_right = [
            answer is not None and same_answer(answer, problem.answer)
            for answer in answers
        ]
        pool = Pool(samples, group_answers(answers), is_right, problem)
        graded.append(pool)
    return graded


def vote_curve(pools, sizes):
    """Accuracy of a plain vote, averaged over all subsets exactly."""
    return _exact_curve(
        pools,
        sizes,
        lambda pool, k: majority_at_k(pool.groups, pool.is_right, k),
    )


def pass_curve(pools, sizes):
    """Share of problems with a right sample among them: the ceiling."""
    return _exact_curve(
        pools,
        sizes,
        lambda pool, k: pass_at_k(len(pool.groups), sum(pool.is_right), k),
    )


def best_of_n_curve(pools, sizes, scorer):
    """Accuracy of the best-scored sample, averaged over all subsets."""

    def score(pool, size):
        scores = [scorer(sample, pool.problem) for sample in pool.samples]
        return expected_best(scores, pool.is_right, size)

    return _exact_curve(pools, sizes, score)


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


def _exact_curve(pools, sizes, score):
    """One point per size from the expected score of each problem."""
    tokens = fmean(
        fmean(sample.num_tokens for sample in pool.samples) for pool in pools
    )
    return [
        score_point(size, [score(pool, size) for pool in pools], size * tokens)
        for size in sizes
    ]
