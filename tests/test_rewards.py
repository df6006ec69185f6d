"""Rewards: what earns what, and what a broken or hostile text can do."""

import math
import time

import pytest
import torch

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.training.rewards import (
    RewardSet,
    accuracy_reward,
    format_reward,
    length_penalty,
    partial_credit_reward,
)

HALF = Problem("What is 1/4 + 1/4?", r"\frac{1}{2}")


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        (r" \boxed{1/2}", 1.0),
        (r" 1/4+1/4=2/4 so \boxed{0.5}", 1.0),
        (r" \boxed{1/3}, no: \boxed{1/2}", 1.0),  # the last box counts
        (r" \boxed{1/2}, no: \boxed{1/3}", 0.0),
        (" 1/2", 0.0),
        ("", 0.0),
    ],
)
def test_accuracy_counts_the_last_boxed_answer_alone(text, reward):
    assert accuracy_reward(text, HALF) == reward


def test_format_earns_with_any_box_and_not_without():
    assert format_reward(r"\boxed{7}", HALF) == 1.0
    assert format_reward("7", HALF) == 0.0


def test_partial_credit_climbs_with_each_step_to_the_goal():
    texts = ["no idea", r"\boxed{3}", "The answer is 1/2", r"\boxed{1/2}"]
    rewards = [partial_credit_reward(text, HALF) for text in texts]
    assert rewards == [0.0, 0.1, 0.5, 1.0]


def test_length_penalty_falls_in_a_line_and_stops_at_minus_one():
    lengths = [0, 10, 15, 20, 1000]
    penalties = [
        length_penalty("x" * n, HALF, free=10, limit=20) for n in lengths
    ]
    assert penalties == [0.0, 0.0, -0.5, -1.0, -1.0]
    with pytest.raises(ValueError, match="free < limit"):
        length_penalty("", HALF, free=5, limit=5)


def test_a_reward_set_adds_weighted_rewards():
    rewards = RewardSet(
        {"accuracy": accuracy_reward, "format": format_reward},
        weights={"format": 0.5},
    )
    values, failures = rewards.score(
        [r"\boxed{1/2}", r"\boxed{9}", ""], [HALF] * 3
    )
    assert values.tolist() == [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    assert rewards.total(values).tolist() == [1.5, 0.5, 0.0]
    assert failures == 0


def test_a_reward_that_raises_or_is_not_finite_counts_as_zero():
    def broken(text, problem):
        return {"nan": math.nan, "inf": math.inf}[text]

    values, failures = RewardSet.of(broken).score(
        ["nan", "inf", "boom"], [HALF] * 3
    )
    assert not values.any() and torch.isfinite(values).all()
    assert failures == 3


def test_a_reward_set_refuses_weights_it_cannot_use():
    with pytest.raises(ValueError, match="unknown rewards: speed"):
        RewardSet({"format": format_reward}, weights={"speed": 1.0})
    with pytest.raises(ValueError, match="must be finite"):
        RewardSet({"format": format_reward}, weights={"format": math.nan})
    with pytest.raises(ValueError, match="at least one"):
        RewardSet({})


def hostile_completions():
    """Texts that ask a careless reward to run, to hang or to fill memory."""
    bombs = [
        "__import__('os').system('touch owned')",
        "exec(\"open('owned', 'w').write('x')\")",
        "9**9**9**9",
        "2^{2^{2^{2^{2^{99}}}}}",
        "factorial(10**9)",
        r"\frac{" * 400 + "1" + "}{2}" * 400,
        "(" * 5000 + "1" + ")" * 5000,
        "1e999999999",
        "9" * 20_000,
        r"\input{/etc/passwd}",
        "lambda: 0",
        "\x00\udcff\u202e",
        "{" * 3000,
        r"\sqrt[" * 200,
        "x" * 50_000,
        "[x for x in ().__class__.__base__.__subclasses__()]",
        "1/0",
        "-".join("1" * 2000),
        r"\binom{10^9}{5*10^8}",
        "%s%n{0.__class__}",
    ]
    frames = [
        r"\boxed{%s}",
        "%s",
        r"\boxed{1/3} \boxed{%s",
        r"so $%s$ \boxed{}",
    ]
    texts = [frame.replace("%s", bomb) for bomb in bombs for frame in frames]
    return [text * (1 + n % 3) for n in range(7) for text in texts][:500]


def test_five_hundred_hostile_completions_do_nothing_and_take_no_time(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    texts = hostile_completions()
    assert len(texts) == 500
    accuracy_reward(r"\boxed{1}", HALF)  # imports and worker start aside
    start = time.process_time()
    values, failures = RewardSet.of(accuracy_reward).score(texts, [HALF] * 500)
    seconds = time.process_time() - start
    assert failures == 0
    assert not values.any()
    assert not list(tmp_path.iterdir())
    # Time on the processor, so that a busy machine does not fail the test
    assert seconds / len(texts) < 0.005
