"""Rewards: what earns what, and what a broken or hostile text can do."""

import math
import time

import pytest
import torch

from reasoning_from_scratch.cli.grpo import LENGTH_REWARDS, choose_reward
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import GenerationOutput
from reasoning_from_scratch.training.rewards import (
    LENGTH_TERMS,
    RewardSet,
    accuracy_reward,
    easy_length_term,
    format_reward,
    group_length_term,
    length_penalty,
    partial_credit_reward,
    right_length_term,
    target_length_term,
)
from reasoning_from_scratch.training.rollouts import assemble_batch, lay_out

HALF = Problem("What is 1/4 + 1/4?", r"\frac{1}{2}")
RIGHT = torch.tensor([[True, True, False, False]])
LENGTHS = torch.tensor([[10, 30, 20, 50]])


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
    boxes = [r"\boxed{7}", r"\boxed{7}, as a \boxed answer"]
    assert [format_reward(text, HALF) for text in boxes] == [1.0, 1.0]
    mentions = ["7", r"in \boxed form", r"in \boxed.", r"\boxed", r"\boxed{}"]
    assert [format_reward(text, HALF) for text in mentions] == [0.0] * 5


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


def swapped(problem, text):
    return float(problem.answer in text)


def misspelt(text, problem):
    return float(problem.anwser in text)


BROKEN = {
    "swapped": (swapped, AttributeError, "'str' object has no attribute"),
    "misspelt": (misspelt, AttributeError, "anwser"),
    "signature": (lambda text: 1.0, TypeError, "positional argument"),
    "nothing": (lambda text, problem: None, ValueError, "returned None"),
    "nan": (lambda text, problem: math.nan, ValueError, "returned nan"),
    "words": (lambda text, problem: "good", ValueError, "returned 'good'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_reward_ends_in_its_own_exception(name):
    function, error, message = BROKEN[name]
    rewards = RewardSet({"accuracy": accuracy_reward, name: function})
    with pytest.raises(error, match=message) as caught:
        rewards.score([r"\boxed{1/2}", "no"], [HALF] * 2)
    assert caught.value.__notes__ == [f"reward {name} failed on all 2 texts"]


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


# What length adds, worked by hand for each family


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
