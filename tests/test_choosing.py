"""Choosing: what each scorer prefers, how votes are cast and drawn."""

import math

import pytest
from scripted import play, sample_of
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import (
    best_of_n,
    heuristic_score,
    mean_logprob_score,
    self_consistency,
)
from reasoning_from_scratch.scaling.choosing import (
    answer_logprob_score,
    choose_by_confidence,
    oracle_score,
    pick_best,
    probability_weight,
    self_certainty_score,
)
from reasoning_from_scratch.scaling.stopping import lowest_window_score
from reasoning_from_scratch.scaling.votes import is_decided

PROBLEMS = [Problem("a?", "1/2", id="a"), Problem("b?", "7", id="b")]


def boxed(answer):
    return f"so \\boxed{{{answer}}}"


def ask(method, model=None, **arguments):
    """Answer both problems by samples at temperature 1."""
    question = (model, ByteTokenizer(), PROBLEMS, ["a?", "b?"])
    sampling = SamplingConfig(temperature=1.0)
    return method(*question, sampling=sampling, **arguments)


def vote(monkeypatch, answers, **arguments):
    """Run a vote in which each prompt's samples have these answers."""

    def write(prompt, number):
        answer = answers[prompt][number]
        return boxed(answer) if answer else f"no idea {number}"

    calls = play(monkeypatch, write)
    return ask(self_consistency, **arguments), calls


# "\boxed{" is 7 bytes; then "42" with -0.1 and -0.3, "}" and the end
OF_42 = [-9.0] * 7 + [-0.1, -0.3, -9.0, -9.0]


@pytest.mark.parametrize(
    ("score", "sample", "expected"),
    [
        (mean_logprob_score, sample_of("ab…", [-0.5, -0.25]), -0.375),
        (answer_logprob_score, sample_of(r"\boxed{42}", OF_42), -0.2),
        (  # the last place of the answer
            answer_logprob_score,
            sample_of(r"4 \boxed{4}", [-5.0] * 9 + [-0.25, -5.0, -5.0]),
            -0.25,
        ),
        (answer_logprob_score, sample_of("none"), -math.inf),
        (self_certainty_score, sample_of("ab…", confidence=[1.0, 2.0]), 1.5),
        (probability_weight, sample_of("ab…", [-1.0, -3.0]), math.exp(-2)),
        # finished, one box, a calculation
        (heuristic_score, sample_of(r"3+4=7, 7+1=8 \boxed{8}"), 3),
        (heuristic_score, sample_of(r"\boxed{8}"), 2),
        (heuristic_score, sample_of(r"3+4=7 \boxed{7} or \boxed{8}"), 2),
        (heuristic_score, sample_of(r"so it is \boxed{8…"), 1),
        (heuristic_score, sample_of("…"), 0),
    ],
)
def test_scores_by_hand(score, sample, expected):
    assert score(sample) == pytest.approx(expected)


@pytest.mark.parametrize("score", [self_certainty_score, lowest_window_score])
def test_scores_without_statistics_say_how_to_get_them(score):
    with pytest.raises(ValueError, match="statistics=True"):
        score(sample_of("ab"))


def test_the_mean_logprob_does_not_prefer_short_samples():
    short = sample_of("ab…", [-0.5, -0.5])
    long = sample_of("abcd…", [-0.4] * 4)
    # By the sum, -1.0 against -1.6, the short one would win
    assert pick_best([short, long]) == 1
    assert pick_best([short, short]) == 0  # a tie goes to the earliest


def test_the_oracle_is_right_when_any_sample_is():
    samples = [sample_of(r"\boxed{2}"), sample_of(r"\boxed{\frac12}")]
    assert pick_best(samples, Problem("?", "0.5"), oracle_score) == 1


@pytest.mark.parametrize(
    ("confidences", "answers", "share", "chosen"),
    [
        ([1, 1, 1, 9, 9], "33344", 0.4, 3),  # the unsure majority is out
        ([1, 1, 3], "334", 1.0, 2),  # 1 + 1 against 3, all kept
    ],
)
def test_a_vote_by_confidence(confidences, answers, share, chosen):
    samples = [
        sample_of(boxed(answer), topk_confidence=[confidence])
        for answer, confidence in zip(answers, confidences, strict=True)
    ]
    assert choose_by_confidence(samples, share=share) == chosen


def test_scorers_and_weights_are_plain_callables(monkeypatch):
    play(monkeypatch, lambda prompt, number: boxed(number))
    outputs = ask(
        best_of_n,
        num_samples=8,
        scorer=lambda sample, problem: sample.answer == problem.answer,
    )
    assert [output.response for output in outputs] == [boxed(0), boxed(7)]
    outputs, _ = vote(
        monkeypatch,
        {"a?": ["3", "3", "long"], "b?": "778"},
        num_samples=3,
        weigh=lambda sample, problem: sample.num_tokens - 12,
    )
    # Problem a: 1 + 1 tokens of weight for "3", 4 for "long"
    assert outputs[0].response == boxed("long")


def test_the_response_is_the_first_sample_with_the_winning_value(monkeypatch):
    answers = {"a?": ["3", "0.5", "3", r"\frac12", "1/2"], "b?": "77788"}
    outputs, calls = vote(monkeypatch, answers, num_samples=5)
    assert [o.response for o in outputs] == [boxed("0.5"), boxed("7")]
    assert len(calls) == 1
    # All are kept and paid for: 12 bytes and an end token each
    assert [s["answer"] for s in outputs[1].samples] == list("77788")
    assert outputs[1].num_tokens == 5 * 13
    outputs, _ = vote(monkeypatch, {"a?": ["", ""], "b?": "78"}, num_samples=2)
    assert outputs[0].response == "no idea 0"  # where none has an answer


def test_decided_problems_leave_the_batch(monkeypatch):
    answers = {"a?": "1111111", "b?": "1212121"}
    rule = {"stop_rule": is_decided, "round_size": 2}
    outputs, calls = vote(monkeypatch, answers, num_samples=7, **rule)
    # a: 2, then 4 equal votes of 7; b: to the end, in a last round of 1
    asked = [call["prompts"] for call in calls]
    assert asked == [["a?", "b?"], ["a?", "b?"], ["b?"], ["b?"]]
    assert [len(output.samples) for output in outputs] == [4, 7]


def test_a_vote_drawn_in_rounds_is_a_beginning_of_the_full_one():
    options = {"num_samples": 6, "max_new_tokens": 12, "seed": 3}
    full, rounds = (
        ask(self_consistency, tiny_model(), **options, **extra)
        for extra in (
            {},
            {"stop_rule": lambda groups, n: len(groups) >= 4, "round_size": 2},
        )
    )
    for whole, part in zip(full, rounds, strict=True):
        texts = [sample["text"] for sample in whole.samples]
        assert [sample["text"] for sample in part.samples] == texts[:4]
        assert len(set(texts)) > 1
