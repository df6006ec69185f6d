"""Best-of-n: what each scorer prefers."""

import math

import pytest
from scripted import output_of, play
from tiny import ByteTokenizer

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.scaling.choosing import (
    answer_logprob_score,
    best_of_n,
    heuristic_score,
    mean_logprob_score,
    oracle_score,
    pick_best,
    self_certainty_score,
)
from reasoning_from_scratch.scaling.samples import make_sample

TOKENIZER = ByteTokenizer()


def sample_of(text, logprobs=None, statistics=None):
    return make_sample(TOKENIZER, output_of(text, logprobs, statistics))


def test_the_mean_logprob_does_not_prefer_short_samples():
    short = sample_of("ab…", [-0.5, -0.5])
    long = sample_of("abcd…", [-0.4] * 4)
    # By the sum, -1.0 against -1.6, the short one would win.
    assert mean_logprob_score(short) == -0.5
    assert pick_best([short, long]) == 1


def test_the_answer_logprob_reads_the_tokens_of_the_answer_alone():
    # "\boxed{" is 7 bytes; then "42" with -0.1 and -0.3, "}" and the end.
    logprobs = [-9.0] * 7 + [-0.1, -0.3, -9.0, -9.0]
    sample = sample_of(r"\boxed{42}", logprobs)
    assert answer_logprob_score(sample) == pytest.approx(-0.2)


def test_the_answer_logprob_reads_the_last_place_of_the_answer():
    text = r"4 \boxed{4}"
    logprobs = [-5.0] * 9 + [-0.25, -5.0, -5.0]
    assert answer_logprob_score(sample_of(text, logprobs)) == -0.25


def test_a_sample_without_an_answer_has_the_worst_answer_score():
    assert answer_logprob_score(sample_of("none")) == -math.inf


def test_self_certainty_is_the_mean_over_the_tokens():
    sample = sample_of("ab…", None, {"confidence": [1.0, 2.0]})
    assert self_certainty_score(sample) == 1.5


def test_self_certainty_without_statistics_says_how_to_get_them():
    with pytest.raises(ValueError, match="statistics=True"):
        self_certainty_score(sample_of("ab"))


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


def test_a_tie_goes_to_the_earliest_sample():
    assert pick_best([sample_of("a"), sample_of("b")]) == 0


def test_best_of_n_takes_any_callable_as_its_scorer(monkeypatch):
    play(monkeypatch, lambda prompt, number: f"\\boxed{{{number}}}")
    (output,) = best_of_n(
        None,
        TOKENIZER,
        [Problem("?", "2", id="a")],
        ["?"],
        num_samples=4,
        scorer=lambda sample, problem: sample.answer == problem.answer,
    )
    assert output.response == r"\boxed{2}"
    assert output.num_tokens == 4 * len(r"\boxed{2}.")
