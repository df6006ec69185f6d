"""Confidence: windows, filters, and the vote of the sure."""

from math import exp

import pytest
from scripted import output_of
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import METHODS
from reasoning_from_scratch.scaling.choosing import (
    choose_by_confidence,
    probability_weight,
)
from reasoning_from_scratch.scaling.samples import make_sample
from reasoning_from_scratch.scaling.stopping import (
    keep_most_confident,
    lowest_window_score,
    window_means,
)

TOKENIZER = ByteTokenizer()


def sample_of(confidence, text="…"):
    statistics = {"topk_confidence": confidence}
    return make_sample(TOKENIZER, output_of(text, None, statistics))


def test_windows_slide_by_one_token():
    # (4+2)/2, (2+6)/2, (6+0)/2
    assert window_means([4.0, 2.0, 6.0, 0.0], window=2) == [3.0, 4.0, 3.0]


def test_a_trace_shorter_than_the_window_is_one_window():
    assert window_means([1.0, 3.0], window=16) == [2.0]


def test_the_lowest_window_scores_a_trace():
    sample = sample_of([4.0, 2.0, 6.0, 0.0])
    assert lowest_window_score(sample, window=2) == 3.0


def test_the_filter_keeps_the_best_share_in_the_order_drawn():
    assert keep_most_confident([1, 4, 3, 2], share=0.5) == [1, 2]
    assert keep_most_confident([1, 4, 3, 2], share=1.0) == [0, 1, 2, 3]


def test_the_filter_keeps_at_least_one_sample():
    assert keep_most_confident([1, 2], share=0.01) == [1]


def test_an_unsure_majority_is_outvoted_by_the_sure():
    unsure = [sample_of([1.0], r"\boxed{3}") for _ in range(3)]
    sure = [sample_of([9.0], r"\boxed{4}") for _ in range(2)]
    assert choose_by_confidence(unsure + sure, share=0.4) == 3


def test_confidence_weighs_the_votes_of_those_kept():
    # 1 + 1 against 3, all kept.
    samples = [
        sample_of([1.0], r"\boxed{3}"),
        sample_of([1.0], r"\boxed{3}"),
        sample_of([3.0], r"\boxed{4}"),
    ]
    assert choose_by_confidence(samples, share=1.0) == 2


def test_the_weight_of_a_vote_can_be_its_mean_probability():
    sample = make_sample(TOKENIZER, output_of("ab…", [-1.0, -3.0]))
    assert probability_weight(sample) == pytest.approx(exp(-2.0))


def test_scores_without_statistics_say_how_to_get_them():
    with pytest.raises(ValueError, match="statistics=True"):
        lowest_window_score(make_sample(TOKENIZER, output_of("a")))


def test_the_method_asks_the_model_for_statistics():
    (output,) = METHODS["confidence-vote"](
        tiny_model(),
        TOKENIZER,
        [Problem("a?", "1", id="a")],
        ["a?"],
        num_samples=3,
        sampling=SamplingConfig(temperature=1.0),
        max_new_tokens=5,
        seed=0,
    )
    for sample in output.samples:
        assert len(sample["confidence"]) == sample["num_tokens"]
