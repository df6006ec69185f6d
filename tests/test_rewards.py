"""Rewards: what earns what, and what a broken or hostile text can do."""

import math
from functools import partial

import pytest
import torch
from tiny import table, within

from reasoning_from_scratch.cli.grpo import LENGTH_REWARDS, choose_reward
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.training.rewards import (
    LENGTH_TERMS,
    RewardSet,
    accuracy_reward,
    easy_length_term,
    format_reward,
    group_length_term,
    length_penalty,
    overlong_length_term,
    partial_credit_reward,
    right_length_term,
    target_length_term,
)

HALF = Problem("What is 1/4 + 1/4?", r"\frac{1}{2}")
BOTH = RewardSet({"accuracy": accuracy_reward, "format": format_reward})
RIGHT = torch.tensor([[True, True, False, False]])
LENGTHS = torch.tensor([[10, 30, 20, 50]])


@pytest.mark.parametrize(
    ("text", "accuracy", "form", "partial"), table("rewarded_texts")
)
def test_what_a_text_earns(text, accuracy, form, partial):
    assert accuracy_reward(text, HALF) == accuracy
    assert format_reward(text, HALF) == form
    assert partial_credit_reward(text, HALF) == partial
    values, failures = BOTH.score([text], [HALF])
    assert values.tolist() == [[accuracy, form]] and failures == 0


def test_lengths_are_penalised_or_a_reward_of_their_own():
    lengths = [0, 10, 15, 20, 1000]
    penalties = [
        length_penalty("x" * n, HALF, free=10, limit=20) for n in lengths
    ]
    assert penalties == [0.0, 0.0, -0.5, -1.0, -1.0]
    with pytest.raises(ValueError, match="free < limit"):
        length_penalty("", HALF, free=5, limit=5)
    assert tuple(LENGTH_TERMS) == LENGTH_REWARDS
    for name in LENGTH_REWARDS:
        assert choose_reward(f"short-{name}").names == ["accuracy", "length"]
    # Right, 4 and 8 tokens: 1/2 and -1/2
    rewards = choose_reward("short-group")
    parts = rewards.with_length(torch.ones(1, 2, 1), torch.tensor([[4, 8]]))
    assert parts.tolist() == [[[1.0, 0.5], [1.0, -0.5]]]


def test_a_reward_that_fails_at_times_counts_as_zero_and_warns_once(recwarn):
    def moody(text, problem):
        return {"nan": math.nan, "inf": math.inf, "none": None, "1": 1}[text]

    rewards = RewardSet({"accuracy": accuracy_reward, "moody": moody})
    texts = ["nan", "inf", "none", "boom", "1"]
    for _ in range(2):
        values, failures = rewards.score(texts, [HALF] * 5)
        assert values[:, 1].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
        assert failures == 4
    (warning,) = recwarn
    assert "reward moody failed" in str(warning.message)
    assert "returned nan" in str(warning.message)


@pytest.mark.parametrize(
    ("reward", "error", "message"),
    [
        (lambda problem, text: problem.answer, AttributeError, "'str' object"),
        (lambda text, problem: problem.anwser, AttributeError, "anwser"),
        (lambda text: 1.0, TypeError, "positional argument"),
        (lambda text, problem: None, ValueError, "returned None"),
        (lambda text, problem: math.nan, ValueError, "returned nan"),
        (lambda text, problem: "good", ValueError, "returned 'good'"),
    ],
)
def test_a_broken_reward_ends_in_its_own_exception(reward, error, message):
    rewards = RewardSet({"accuracy": accuracy_reward, "broken": reward})
    with pytest.raises(error, match=message) as caught:
        rewards.score([r"\boxed{1/2}", "no"], [HALF] * 2)
    assert caught.value.__notes__ == ["reward broken failed on all texts"]
    with pytest.raises(ValueError, match="at least one"):
        RewardSet({})


def hostile_completions():
    """Texts that ask a careless reward to run, to hang or to fill memory."""
    bombs = [
        left * depth + core + right * depth
        for left, depth, core, right in table("hostile_answers")["rewards"]
    ]
    frames = r"\boxed{%s}", "%s", r"\boxed{1/3} \boxed{%s", r"so $%s$ \boxed{}"
    texts = [frame.replace("%s", bomb) for bomb in bombs for frame in frames]
    return [text * (1 + n % 3) for n in range(7) for text in texts][:500]


def test_five_hundred_hostile_completions_do_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = hostile_completions()
    assert len(texts) == 500
    accuracy_reward(r"\boxed{1}", HALF)  # imports aside
    score = RewardSet.of(accuracy_reward).score
    values, failures = within(0.005 * len(texts), score, texts, [HALF] * 500)
    assert failures == 0
    assert not values.any()
    assert not list(tmp_path.iterdir())


# What length adds, worked by hand for each family; of RIGHT two are right


ALL, NONE = RIGHT | ~RIGHT, RIGHT & ~RIGHT
TARGET = partial(target_length_term, target=20, slope=0.02)
FAR = partial(target_length_term, target=90, slope=0.02)
AMONG_RIGHT = partial(right_length_term, alpha=0.4)
EASY = partial(easy_length_term, beta=0.01)
# The paper's 20,480 tokens, the last 4,096 of them a ramp
RAMP = partial(overlong_length_term, limit=20_480, buffer=4096)


@pytest.mark.parametrize(
    ("term", "is_right", "lengths", "expected"),
    [
        # clip(0.02 (20 - n) + 0.5) - 1 of 0.7, 0.3, 0.5, and clipped at 0
        (TARGET, ALL, LENGTHS, [-0.3, -0.7, -0.5, -1]),
        # 0.02 (90 - n) + 0.5 is above 1; a wrong answer gets nothing
        (FAR, RIGHT, LENGTHS, [0, 0, 0, 0]),
        # min 10, max 50: 1/2, 0, 1/4, -1/2; the wrong ones' capped at 0
        (group_length_term, RIGHT, LENGTHS, [0.5, 0, 0, -0.5]),
        (group_length_term, RIGHT, [[7] * 4], [0, 0, 0, 0]),
        # Right: 10 and 30, mean 20, std 10; sigmoid(-1) and sigmoid(1)
        (
            *(AMONG_RIGHT, RIGHT, LENGTHS),
            [-0.4 / (1 + math.e), -0.4 / (1 + 1 / math.e), 0, 0],
        ),
        # p = 1/2: 0.01 n / 2; p = 0 is held at 1/G = 1/4; p = 1: 0.01 n
        (EASY, RIGHT, LENGTHS, [-0.05, -0.15, -0.1, -0.25]),
        (EASY, NONE, LENGTHS, [-0.025, -0.075, -0.05, -0.125]),
        (EASY, ALL, LENGTHS, [-0.1, -0.3, -0.2, -0.5]),
        (RAMP, ALL, [[100, 16_384, 18_432, 30_000]], [0, 0, -0.5, -1]),
    ],
)
def test_a_length_term_is_worked_by_hand(term, is_right, lengths, expected):
    found = term(is_right, torch.as_tensor(lengths)).tolist()
    assert found == [pytest.approx(expected, abs=1e-6)]


@pytest.mark.parametrize("name", LENGTH_TERMS)
def test_no_short_wrong_answer_beats_a_long_right_one(name):
    for num_right in range(1, 8):
        is_right = (torch.arange(8) < num_right).unsqueeze(0)
        lengths = torch.where(is_right, 100, 1)
        lengths[0, 0] = 60
        reward = is_right + LENGTH_TERMS[name](is_right, lengths)
        assert reward[is_right].min() >= reward[~is_right].max()
    # Nor does a group without a right answer break anything
    term = LENGTH_TERMS[name](NONE, LENGTHS)
    assert torch.isfinite(term).all() and (term <= 0).all()
