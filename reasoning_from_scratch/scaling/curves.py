"""Accuracy for every number of samples, from one pool drawn once.

Averaging over all subsets of a pool, exactly, by counting, is unbiased, and
steadier than one subset at no cost in tokens.

Source: Chen et al. 2021 (arXiv 2107.03374), section 2.1, for the counting.
"""

from dataclasses import dataclass
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
    return exact_curve(
        pools,
        sizes,
        lambda pool, k: majority_at_k(pool.groups, pool.is_right, k),
    )


def pass_curve(pools, sizes):
    """Share of problems with a right sample among them: the ceiling."""
    return exact_curve(
        pools,
        sizes,
        lambda pool, k: pass_at_k(len(pool.groups), sum(pool.is_right), k),
    )


def exact_curve(pools, sizes, score):
    """One point per size; score(pool, size) is a problem's expected score."""
    tokens = fmean(
        fmean(sample.num_tokens for sample in pool.samples) for pool in pools
    )
    return [
        score_point(size, [score(pool, size) for pool in pools], size * tokens)
        for size in sizes
    ]
