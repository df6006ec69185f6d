"""Votes and scores: who wins, when to stop drawing, what is drawn."""

import itertools
import math
import random
from functools import partial

import pytest
from scripted import play, sample_of
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem, group_answers
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import (
    best_of_n,
    choosing,
    heuristic_score,
    mean_logprob_score,
    self_consistency,
)
from reasoning_from_scratch.scaling.choosing import (
    answer_logprob_score,
    self_certainty_score,
)
from reasoning_from_scratch.scaling.stopping import lowest_window_score
from reasoning_from_scratch.scaling.votes import (
    count_votes,
    is_decided,
    is_likely_decided,
    leader_probability,
    majority_vote,
    samples_needed,
)

PROBLEMS = [Problem("a?", "1/2", id="a"), Problem("b?", "7", id="b")]


def test_answers_of_one_value_are_one_group():
    answers = ["1/2", None, "2", "0.5", r"\frac12", "0.3333", "1/3", "2/6"]
    assert group_answers(answers) == [0, None, 1, 0, 0, 2, 3, 3]  # exactly
    assert group_answers(["1/0", "1", "(1, 2)", "(1,2)"]) == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("groups", "weights", "winner"),
    [
        # By string 3 leads with two votes; by value one half has three
        (group_answers(["3", "3", "1/2", "0.5", r"\frac12"]), None, 1),
        ([0, 1, 1, 0], None, 0),  # a tie goes to the first
        ([None, 0, None], None, 0),  # no answer is no vote
        ([None, None], None, None),
        ([0, 0, 1], [0.2, 0.2, 0.5], 1),
    ],
)
def test_the_group_of_most_votes_wins(groups, weights, winner):
    assert majority_vote(groups, weights) == winner
    num_voters = sum(group is not None for group in groups)
    assert sum(count_votes(groups).values()) == num_voters


def test_the_exact_stop_comes_when_nothing_can_change_the_answer():
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
    dice = random.Random(0)
    for _ in range(300):
        answers = [dice.choice(["1", "2", "3", None]) for _ in range(9)]
        groups = group_answers(answers)
        drawn = samples_needed(groups, is_decided)
        assert majority_vote(groups[:drawn]) == majority_vote(groups)
        assert samples_needed(groups, is_likely_decided) <= drawn


def test_the_leaders_chance_by_hand():
    # 3 votes to 1: P(Binomial(5, 1/2) <= 3) = 26/32
    assert leader_probability([0, 0, 1, 0]) == 26 / 32
    # No votes: nothing is known of either candidate
    assert leader_probability([]) == 0.5
    assert leader_probability([0, None, None]) == leader_probability([0])
    # 1 - 1/2^3 = 0.875 after two equal votes, then 0.9375, then 0.969
    for threshold, drawn in ((0.9, 3), (0.95, 4)):
        rule = partial(is_likely_decided, threshold=threshold)
        assert samples_needed([0] * 16, rule) == drawn


# ---- Scores ----

# "\boxed{" is 7 bytes; then "42" with -0.1 and -0.3, "}" and the end
OF_42 = [-9.0] * 7 + [-0.1, -0.3, -9.0, -9.0]
OF_THE_LAST_4 = [-5.0] * 9 + [-0.25, -5.0, -5.0]
SCORES = [
    (mean_logprob_score, sample_of("ab…", [-0.5, -0.25]), -0.375),
    (answer_logprob_score, sample_of(r"\boxed{42}", OF_42), -0.2),
    (answer_logprob_score, sample_of(r"4 \boxed{4}", OF_THE_LAST_4), -0.25),
    (answer_logprob_score, sample_of("none"), -math.inf),
    (self_certainty_score, sample_of("a…", confidence=[1.0, 2]), 1.5),
    (choosing.probability_weight, sample_of("ab…", [-1, -3]), math.exp(-2)),
    # finished, one box, a calculation
    (heuristic_score, sample_of(r"3+4=7, 7+1=8 \boxed{8}"), 3),
    (heuristic_score, sample_of(r"\boxed{8}"), 2),
    (heuristic_score, sample_of(r"3+4=7 \boxed{7} or \boxed{8}"), 2),
    (heuristic_score, sample_of(r"so it is \boxed{8…"), 1),
    (heuristic_score, sample_of("…"), 0),
]


@pytest.mark.parametrize(("score", "sample", "expected"), SCORES)
def test_scores_by_hand(score, sample, expected):
    assert score(sample) == pytest.approx(expected)


@pytest.mark.parametrize("score", [self_certainty_score, lowest_window_score])
def test_scores_without_statistics_say_how_to_get_them(score):
    with pytest.raises(ValueError, match="statistics=True"):
        score(sample_of("ab"))


def test_the_best_score_is_picked_and_a_tie_goes_to_the_earliest():
    short = sample_of("ab…", [-0.5, -0.5])
    long = sample_of("abcd…", [-0.4] * 4)
    # By the sum, -1.0 against -1.6, the short one would win
    assert choosing.pick_best([short, long]) == 1
    assert choosing.pick_best([short, short]) == 0
    samples = [sample_of(r"\boxed{2}"), sample_of(r"\boxed{\frac12}")]
    oracle = partial(choosing.pick_best, scorer=choosing.oracle_score)
    assert oracle(samples, Problem("?", "0.5")) == 1


@pytest.mark.parametrize(
    ("confidences", "answers", "share", "chosen"),
    [
        ([1, 1, 1, 9, 9], "33344", 0.4, 3),  # the unsure majority is out
        ([1, 1, 3], "334", 1.0, 2),  # 1 + 1 against 3, all kept
    ],
)
def test_a_vote_by_confidence(confidences, answers, share, chosen):
    samples = [
        sample_of(rf"\boxed{{{answer}}}", topk_confidence=[confidence])
        for answer, confidence in zip(answers, confidences, strict=True)
    ]
    assert choosing.choose_by_confidence(samples, share=share) == chosen


# ---- What is drawn ----


def boxed(answer):
    return f"so \\boxed{{{answer}}}"


def ask(method, model=None, **arguments):
    question = (model, ByteTokenizer(), PROBLEMS, ["a?", "b?"])
    sampling = SamplingConfig(temperature=1.0)
    return method(*question, sampling=sampling, **arguments)


def vote(monkeypatch, a, b, **arguments):
    """Run a vote in which the samples of a and b have these answers."""

    def write(prompt, number):
        answer = (a if prompt == "a?" else b)[number]
        return boxed(answer) if answer else f"no idea {number}"

    calls = play(monkeypatch, write)
    return ask(self_consistency, **arguments), calls


def test_scorers_and_weights_are_plain_callables(monkeypatch):
    play(monkeypatch, lambda prompt, number: boxed(number))
    outputs = ask(
        best_of_n,
        num_samples=8,
        scorer=lambda sample, problem: sample.answer == problem.answer,
    )
    assert [output.response for output in outputs] == [boxed(0), boxed(7)]
    options = {"weigh": lambda sample, problem: sample.num_tokens - 12}
    a = ["3", "3", "long"]  # 1 + 1 tokens of weight for "3", 4 for "long"
    outputs, _ = vote(monkeypatch, a, "778", num_samples=3, **options)
    assert outputs[0].response == boxed("long")


def test_the_response_is_the_first_sample_with_the_winning_value(monkeypatch):
    a = ["3", "0.5", "3", r"\frac12", "1/2"]
    outputs, calls = vote(monkeypatch, a, "77788", num_samples=5)
    assert [o.response for o in outputs] == [boxed("0.5"), boxed("7")]
    assert len(calls) == 1
    # All are kept and paid for: 12 bytes and an end token each
    assert [s["answer"] for s in outputs[1].samples] == list("77788")
    assert outputs[1].num_tokens == 5 * 13
    outputs, _ = vote(monkeypatch, ["", ""], "78", num_samples=2)
    assert outputs[0].response == "no idea 0"  # where none has an answer


def test_decided_problems_leave_the_batch_and_keep_what_was_drawn(monkeypatch):
    options = {"num_samples": 7, "stop_rule": is_decided, "round_size": 2}
    outputs, calls = vote(monkeypatch, "1111111", "1212121", **options)
    # a: 2, then 4 equal votes of 7; b: to the end, in a last round of 1
    asked = [call["prompts"] for call in calls]
    assert asked == [["a?", "b?"], ["a?", "b?"], ["b?"], ["b?"]]
    assert [len(output.samples) for output in outputs] == [4, 7]
    # Drawn in rounds, a vote is a beginning of the full one
    monkeypatch.undo()
    options = {"num_samples": 6, "max_new_tokens": 12, "seed": 3}
    rounds = {"stop_rule": lambda groups, n: len(groups) >= 4, "round_size": 2}
    full, part = (
        [
            [sample["text"] for sample in output.samples]
            for output in ask(self_consistency, tiny_model(), **options, **how)
        ]
        for how in ({}, rounds)
    )
    assert part == [texts[:4] for texts in full]
    assert all(len(set(texts)) > 1 for texts in full)
