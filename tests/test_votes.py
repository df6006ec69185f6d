"""Votes: equivalence, ties, weights, and when to stop drawing."""

import itertools
import random
from functools import partial

import pytest

from reasoning_from_scratch.evaluation import group_answers
from reasoning_from_scratch.scaling.votes import (
    count_votes,
    is_decided,
    is_likely_decided,
    leader_probability,
    majority_vote,
    samples_needed,
)


@pytest.mark.parametrize(
    ("answers", "groups"),
    [
        (["1/2", "2", "0.5", r"\frac12", r"\frac{1}{2}"], [0, 1, 0, 0, 0]),
        (["0.3333", "1/3", "2/6", "-0.0", "0"], [0, 1, 1, 2, 2]),  # exactly
        (["1/0", "1"], [0, 1]),
        (["(1, 2)", "(1,2)", "x=5", "5"], [0, 0, 1, 1]),
        ([None, "1", None], [None, 0, None]),
    ],
)
def test_answers_of_one_value_are_one_group(answers, groups):
    assert group_answers(answers) == groups


@pytest.mark.parametrize(
    ("groups", "weights", "winner"),
    [
        # By string 3 leads with two votes; by value one half has three
        (group_answers(["3", "3", "1/2", "0.5", r"\frac12"]), None, 1),
        ([0, 1, 1, 0], None, 0),  # a tie goes to the first
        ([None, 0, None], None, 0),  # no answer is no vote
        ([None, None], None, None),
        ([0, 0, 1], None, 0),
        ([0, 0, 1], [0.2, 0.2, 0.5], 1),
    ],
)
def test_the_group_of_most_votes_wins(groups, weights, winner):
    assert majority_vote(groups, weights) == winner
    num_voters = sum(group is not None for group in groups)
    assert sum(count_votes(groups).values()) == num_voters


def test_the_exact_rule_stops_exactly_when_no_continuation_matters():
    # Brute force: every continuation over the seen groups and two new ones
    candidates = [None, "a", "b", "c", "d"]
    for drawn in itertools.product(candidates[:3], repeat=3):
        for remaining in (0, 1, 2):
            winners = {
                majority_vote(group_answers(drawn + rest))
                for rest in itertools.product(candidates, repeat=remaining)
            }
            decided = is_decided(group_answers(drawn), 3 + remaining)
            assert decided is (len(winners) == 1)


def test_early_stops_never_change_the_answer_or_come_no_later():
    dice = random.Random(0)
    for _ in range(300):
        answers = [dice.choice(["1", "2", "3", None]) for _ in range(9)]
        groups = group_answers(answers)
        drawn = samples_needed(groups, is_decided)
        assert majority_vote(groups[:drawn]) == majority_vote(groups)
        assert samples_needed(groups, is_likely_decided) <= drawn


def test_leader_probability_by_hand():
    # 3 votes to 1: P(Binomial(5, 1/2) <= 3) = 26/32
    assert leader_probability([0, 0, 1, 0]) == 26 / 32
    # No votes: nothing is known of either candidate
    assert leader_probability([]) == 0.5
    assert leader_probability([0, None, None]) == leader_probability([0])


@pytest.mark.parametrize(("threshold", "drawn"), [(0.9, 3), (0.95, 4)])
def test_equal_answers_are_likely_enough_at_a_threshold(threshold, drawn):
    # 1 - 1/2^3 = 0.875 after two equal votes, then 0.9375, then 0.969
    rule = partial(is_likely_decided, threshold=threshold)
    assert samples_needed([0] * 16, rule) == drawn
