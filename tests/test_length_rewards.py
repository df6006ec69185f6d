"""What length adds to a reward, worked by hand for each family."""

import math

import pytest
import torch

from reasoning_from_scratch.cli.grpo import LENGTH_REWARDS, choose_reward
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import GenerationOutput
from reasoning_from_scratch.training.length_rewards import (
    LENGTH_TERMS,
    easy_length_term,
    group_length_term,
    right_length_term,
    target_length_term,
)
from reasoning_from_scratch.training.rewards import (
    RewardSet,
    accuracy_reward,
)
from reasoning_from_scratch.training.rollouts import (
    assemble_batch,
    lay_out,
)

RIGHT = torch.tensor([[True, True, False, False]])
LENGTHS = torch.tensor([[10, 30, 20, 50]])


def test_a_target_pays_half_at_the_target_and_clips_at_both_ends():
    lengths = torch.tensor([[10, 20, 30, 45, 60]])
    is_right = torch.tensor([[True, True, True, True, True]])
    term = target_length_term(is_right, lengths, target=20, slope=0.02)

    # clip(0.02 (20 - n) + 0.5): 0.7, 0.5, 0.3, 0.0, clipped to 0.0
    reward = is_right + term
    assert reward.tolist()[0] == pytest.approx([0.7, 0.5, 0.3, 0.0, 0.0])
    short = target_length_term(is_right, lengths, target=90, slope=0.02)
    assert short.tolist()[0] == pytest.approx([0, 0, 0, 0, 0])


def test_a_target_gives_a_wrong_answer_nothing():
    term = target_length_term(~RIGHT, LENGTHS, target=20, slope=0.02)
    assert term[0, :2].tolist() == [0.0, 0.0]


def test_the_group_praises_only_right_short_and_blames_every_long_answer():
    # min 10, max 50: lambda = 1/2, 0, 1/4, -1/2; the wrong ones' capped at 0
    term = group_length_term(RIGHT, LENGTHS)
    assert term.tolist()[0] == pytest.approx([0.5, 0.0, 0.0, -0.5])


def test_a_group_of_one_length_gets_no_length_term():
    term = group_length_term(RIGHT, torch.full((1, 4), 7))
    assert not term.any()


def test_right_answers_are_compared_with_right_answers():
    # Right: 10 and 30, mean 20, std 10; sigmoid(-1) and sigmoid(1)
    term = right_length_term(RIGHT, LENGTHS, alpha=0.4)
    low = 0.4 / (1 + math.exp(1))
    assert term.tolist()[0] == pytest.approx([-low, -(0.4 - low), 0.0, 0.0])


@pytest.mark.parametrize("name", LENGTH_TERMS)
def test_a_group_without_a_right_answer_stays_finite(name):
    wrong = torch.zeros(1, 4, dtype=torch.bool)
    term = LENGTH_TERMS[name](wrong, LENGTHS)
    assert torch.isfinite(term).all() and (term <= 0).all()


def test_a_token_costs_in_proportion_to_how_easy_the_problem_is():
    # p = 1/2: 0.01 n / 2; p = 0 is held at 1/G = 1/4; p = 1: 0.01 n
    half = easy_length_term(RIGHT, LENGTHS, beta=0.01)
    never = easy_length_term(torch.zeros_like(RIGHT), LENGTHS, beta=0.01)
    always = easy_length_term(torch.ones_like(RIGHT), LENGTHS, beta=0.01)
    assert half.tolist()[0] == pytest.approx([-0.05, -0.15, -0.1, -0.25])
    assert never.tolist()[0] == pytest.approx([-0.025, -0.075, -0.05, -0.125])
    assert always.tolist()[0] == pytest.approx([-0.1, -0.3, -0.2, -0.5])


@pytest.mark.parametrize("name", LENGTH_TERMS)
def test_no_short_wrong_answer_beats_a_long_right_one(name):
    for num_right in range(1, 8):
        is_right = (torch.arange(8) < num_right).unsqueeze(0)
        lengths = torch.where(is_right, 100, 1)
        lengths[0, 0] = 60
        reward = is_right + LENGTH_TERMS[name](is_right, lengths)
        assert reward[is_right].min() >= reward[~is_right].max()


def test_a_length_term_becomes_a_reward_part_of_its_own():
    rewards = RewardSet(
        {"accuracy": accuracy_reward},
        weights={"length": 2.0},
        length_term=group_length_term,
    )
    problem = Problem("What is 1 + 1?", "2")
    outputs = [
        GenerationOutput(
            text=text,
            token_ids=[5] * length,
            logprobs=[-0.1] * length,
            stop_reason="stop",
            num_prompt_tokens=1,
            statistics={},
        )
        for text, length in ((r"\boxed{2}", 4), (r"\boxed{2}", 8))
    ]
    tensors = lay_out([[1]] * 2, outputs, pad_id=0)
    batch = assemble_batch(
        [problem], outputs, tensors, reward_set=rewards, require_end=True
    )
    # Both right; lambda = 1/2 and -1/2, twice
    assert batch.reward_parts.tolist() == [[[1.0, 0.5], [1.0, -0.5]]]
    assert batch.rewards.tolist() == [[2.0, 0.0]]
    assert rewards.names == ["accuracy", "length"]


def test_every_length_term_has_a_reward_on_the_command_line():
    assert tuple(LENGTH_TERMS) == LENGTH_REWARDS
    for name in LENGTH_REWARDS:
        assert choose_reward(f"short-{name}").names == ["accuracy", "length"]
