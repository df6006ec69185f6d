"""Choosing: what each scorer prefers, how votes are cast and drawn."""

import math

import pytest
from scripted import play, sample_of
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import best_of_n, self_consistency
from reasoning_from_scratch.scaling.choosing import (
    answer_logprob_score,
    choose_by_confidence,
    heuristic_score,
    mean_logprob_score,
    oracle_score,
    pick_best,
    probability_weight,
    self_certainty_score,
)
from reasoning_from_scratch.scaling.stopping import lowest_window_score
from reasoning_from_scratch.scaling.votes import is_decided

TOKENIZER = ByteTokenizer()
PROBLEMS = [Problem("a?", "1/2", id="a"), Problem("b?", "7", id="b")]
PROMPTS = ["a?", "b?"]
SAMPLING = SamplingConfig(temperature=1.0)


def boxed(answer):
    return f"so \\boxed{{{answer}}}"


def vote(monkeypatch, answers, **arguments):
    """Run a vote in which each prompt's samples have these answers."""
    script = play(
        monkeypatch, lambda prompt, number: boxed(answers[prompt][number])
    )
    outputs = self_consistency(
        None, TOKENIZER, PROBLEMS, PROMPTS, sampling=SAMPLING, **arguments
    )
    return outputs, script


def test_the_mean_logprob_does_not_prefer_short_samples():
    short = sample_of("ab…", [-0.5, -0.5])
    long = sample_of("abcd…", [-0.4] * 4)
    # By the sum, -1.0 against -1.6, the short one would win.
    assert mean_logprob_score(short) == -0.5
    assert pick_best([short, long]) == 1
    assert pick_best([short, short]) == 0  # a tie goes to the earliest


def test_the_answer_logprob_reads_the_tokens_of_the_answer_alone():
    # "\boxed{" is 7 bytes; then "42" with -0.1 and -0.3, "}" and the end.
    logprobs = [-9.0] * 7 + [-0.1, -0.3, -9.0, -9.0]
    sample = sample_of(r"\boxed{42}", logprobs)
    assert answer_logprob_score(sample) == pytest.approx(-0.2)


def test_the_answer_logprob_reads_the_last_place_of_the_answer():
    text = r"4 \boxed{4}"
    logprobs = [-5.0] * 9 + [-0.25, -5.0, -5.0]
    assert answer_logprob_score(sample_of(text, logprobs)) == -0.25
    assert answer_logprob_score(sample_of("none")) == -math.inf


def test_self_certainty_is_the_mean_over_the_tokens():
    sample = sample_of("ab…", confidence=[1.0, 2.0])
    assert self_certainty_score(sample) == 1.5


@pytest.mark.parametrize("score", [self_certainty_score, lowest_window_score])
def test_scores_without_statistics_say_how_to_get_them(score):
    with pytest.raises(ValueError, match="statistics=True"):
        score(sample_of("ab"))


@pytest.mark.parametrize(
    "text, score",
    [
        (r"3+4=7, 7+1=8 \boxed{8}", 3),  # finished, one box, a calculation
        (r"\boxed{8}", 2),  # no calculation
        (r"3+4=7 then \boxed{7} then \boxed{8}", 2),  # two boxes
        (r"so it is \boxed{8…", 1),  # cut off, no calculation
        ("…", 0),
    ],
)
def test_the_heuristic_counts_signs_of_a_solution(text, score):
    assert heuristic_score(sample_of(text)) == score


def test_the_oracle_is_right_when_any_sample_is():
    problem = Problem("?", "0.5")
    samples = [sample_of(r"\boxed{2}"), sample_of(r"\boxed{\frac12}")]
    assert pick_best(samples, problem, oracle_score) == 1


def test_best_of_n_takes_any_callable_as_its_scorer(monkeypatch):
    play(monkeypatch, lambda prompt, number: boxed(number))
    (output,) = best_of_n(
        None,
        TOKENIZER,
        [Problem("?", "2", id="a")],
        ["?"],
        num_samples=4,
        scorer=lambda sample, problem: sample.answer == problem.answer,
        sampling=SAMPLING,
    )
    assert output.response == boxed(2)
    assert output.num_tokens == 4 * len(boxed(2) + ".")


def test_an_unsure_majority_is_outvoted_by_the_sure():
    unsure = [sample_of(r"\boxed{3}", topk_confidence=[1.0])] * 3
    sure = [sample_of(r"\boxed{4}", topk_confidence=[9.0])] * 2
    assert choose_by_confidence(unsure + sure, share=0.4) == 3


def test_confidence_weighs_the_votes_of_those_kept():
    # 1 + 1 against 3, all kept.
    unsure = [sample_of(r"\boxed{3}", topk_confidence=[1.0])] * 2
    sure = sample_of(r"\boxed{4}", topk_confidence=[3.0])
    assert choose_by_confidence([*unsure, sure], share=1.0) == 2


def test_the_weight_of_a_vote_can_be_its_mean_probability():
    sample = sample_of("ab…", [-1.0, -3.0])
    assert probability_weight(sample) == pytest.approx(math.exp(-2.0))


def test_the_response_is_the_first_sample_with_the_winning_value(monkeypatch):
    answers = {"a?": ["3", "0.5", "3", r"\frac12", "1/2"], "b?": "77788"}
    outputs, _ = vote(monkeypatch, answers, num_samples=5)
    assert [o.response for o in outputs] == [boxed("0.5"), boxed("7")]


def test_all_samples_are_drawn_in_one_call_kept_and_paid_for(monkeypatch):
    answers = {"a?": ["1", "23"], "b?": "78"}
    outputs, script = vote(monkeypatch, answers, num_samples=2)
    assert len(script.calls) == 1
    assert [s["answer"] for s in outputs[1].samples] == ["7", "8"]
    # "so \boxed{1}" is 12 bytes and an end token, "so \boxed{23}" one more.
    assert [output.num_tokens for output in outputs] == [13 + 14, 13 + 13]


def test_without_any_answer_the_first_sample_is_the_response(monkeypatch):
    play(monkeypatch, lambda prompt, number: f"no idea {'ab'[number]}")
    (output,) = self_consistency(
        None, TOKENIZER, PROBLEMS[:1], ["a?"], num_samples=2, sampling=SAMPLING
    )
    assert output.response == "no idea a"
    assert [s["answer"] for s in output.samples] == [None, None]


def test_weights_come_from_a_plain_callable(monkeypatch):
    outputs, _ = vote(
        monkeypatch,
        {"a?": ["3", "3", "long"], "b?": "778"},
        num_samples=3,
        weigh=lambda sample, problem: sample.num_tokens - 12,
    )
    # Problem a: 1 + 1 tokens of weight for "3", 4 for "long".
    assert outputs[0].response == boxed("long")


def test_decided_problems_leave_the_batch(monkeypatch):
    outputs, script = vote(
        monkeypatch,
        {"a?": "11111111", "b?": "12121212"},
        num_samples=8,
        stop_rule=is_decided,
        round_size=2,
    )
    # a: 2, then 4 equal votes of 8, at most tied; b: to the end.
    asked = [call["prompts"] for call in script.calls]
    assert asked == [["a?", "b?"], ["a?", "b?"], ["b?"], ["b?"]]
    assert [len(output.samples) for output in outputs] == [4, 8]


def test_the_last_round_is_cut_to_the_number_of_samples(monkeypatch):
    answers = {"a?": "12345", "b?": "12345"}
    outputs, _ = vote(
        monkeypatch,
        answers,
        num_samples=5,
        stop_rule=is_decided,
        round_size=4,
    )
    assert [len(output.samples) for output in outputs] == [5, 5]


def test_a_vote_drawn_in_rounds_is_a_beginning_of_the_full_one():
    full, rounds = (
        self_consistency(
            tiny_model(),
            TOKENIZER,
            PROBLEMS,
            PROMPTS,
            num_samples=6,
            sampling=SAMPLING,
            max_new_tokens=12,
            seed=3,
            **extra,
        )
        for extra in (
            {},
            {"stop_rule": lambda groups, n: len(groups) >= 4, "round_size": 2},
        )
    )
    for whole, part in zip(full, rounds, strict=True):
        texts = [sample["text"] for sample in whole.samples]
        assert [sample["text"] for sample in part.samples] == texts[:4]
        assert len(set(texts)) > 1
