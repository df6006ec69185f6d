"""Every row of the family on one example, value and gradient by hand.

Two rollouts of three and two tokens with advantages 1 and -2. The policy
finds the tokens 1, 0.5, 2 and 0.5, 2 times as likely as when they were
scored, half as likely as the reference does, and the sampler saw them 1.5
and 4 times less likely than the scoring pass.
"""

import math

import pytest
import torch

from reasoning_from_scratch.cli.grpo import choose_reward, default_reward
from reasoning_from_scratch.training import (
    GRPO_VARIANTS,
    LossConfig,
    grpo_loss,
)
from reasoning_from_scratch.training.rewards import (
    overlong_length_term,
)

LOG_2 = math.log(2)
PROBABILITIES = [[0.5, 0.25, 0.5], [0.2, 0.5, 0.9]]
SCORED = [[0.5, 0.5, 0.25], [0.4, 0.25, 0.1]]

# r A is 1, 0.5, 2 and -1, -4. A clip of 0.2 takes min(2, 1.2) = 1.2 and
# min(-1, -1.6) = -1.6, both without gradient; elsewhere d(r A) = r A.
# A row here: loss, and d loss / d log pi of the five tokens.
EXPECTED = {
    # 1/2 (2.7 / 3 - 5.6 / 2) = -0.95
    "grpo": (0.95, [-1 / 6, -0.5 / 6, 0, 0, 4 / 4]),
    # x = 2: k3 = 2 - 1 - log 2 = 0.30685 at each token, its slope 1 - x = -1,
    # weighed by 1/3 and 1/2 of a rollout, by 1/2 of the batch
    "grpo_kl": (
        0.95 + 0.04 * (1 - LOG_2),
        [
            *(slope - 0.04 / 6 for slope in (-1 / 6, -0.5 / 6, 0)),
            *(slope - 0.04 / 4 for slope in (0, 1)),
        ],
    ),
    # 2.7 - 5.6 = -2.9, over 2 rollouts x 128
    "dr_grpo": (2.9 / 256, [-1 / 256, -0.5 / 256, 0, 0, 4 / 256]),
    # no clip: 1 + 0.5 + 2 - 1 - 4 = -1.5, over 5 tokens
    "rloo": (0.3, [-0.2, -0.1, -0.4, 0.2, 0.8]),
    "reinforce_pp": (2.9 / 5, [-0.2, -0.1, 0, 0, 0.8]),
    "lite_ppo": (2.9 / 5, [-0.2, -0.1, 0, 0, 0.8]),
    # the upper bound lies at 1.28: 1 + 0.5 + 1.28 - 1.6 - 4 = -2.82
    "dapo": (2.82 / 5, [-0.2, -0.1, 0, 0, 0.8]),
    # geometric means (1 x 0.5 x 2)^(1/3) = 1 and (0.5 x 2)^(1/2) = 1:
    # 1/2 (1 - 2) = -0.5; each token moves its mean by 1/3 and 1/2
    "gspo": (0.5, [-1 / 6, -1 / 6, -1 / 6, 2 / 4, 2 / 4]),
    # the ratios as weights of log pi = log 0.5, 0.25, 0.5, 0.2, 0.5:
    # r A log pi = -LOG_2 (1 + 0.5 x 2 + 2 - 4) - log 0.2
    "cispo": (math.log(0.2) / 5, [-0.2, -0.1, -0.4, 0.2, 0.8]),
    # 4 sigma(r - 1) = 2, 1.51016, 2.92423; 4/1.05 sigma(1.05 (r - 1)) =
    # 1.41594, 2.82200, times -2; slopes 4 sigma (1 - sigma) r A =
    # 1, 0.47001, 1.57290; -0.93414, -3.07244
    "sapo": (
        1.04657,
        [-1 / 6, -0.47001 / 6, -1.57290 / 6, 0.93414 / 4, 3.07244 / 4],
    ),
    "maxrl": (2.9 / 256, [-1 / 256, -0.5 / 256, 0, 0, 4 / 256]),
    # weights 1.5 and min(4, 2): 1.5 (1 + 0.5 + 1.272) + 2 (-1.6 - 4)
    "olmo3": (7.042 / 5, [-0.3, -0.15, 0, 0, 1.6]),
    # k3 weighed by r: its slope is r (k3 + 1 - x) = -r log 2
    "deepseek_v32": (
        0.95 + 0.001 * (1 - LOG_2) * (3.5 / 3 + 2.5 / 2) / 2,
        [
            -1 / 6 - 0.001 * LOG_2 / 6,
            -0.5 / 6 - 0.001 * 0.5 * LOG_2 / 6,
            -0.001 * 2 * LOG_2 / 6,
            -0.001 * 0.5 * LOG_2 / 4,
            1 - 0.001 * 2 * LOG_2 / 4,
        ],
    ),
    "gdpo": (0.95, [-1 / 6, -0.5 / 6, 0, 0, 4 / 4]),
    # 1/2 (1.5 x 0.9 - 2 x 2.8) = -2.125
    "grpo_tis": (2.125, [-1.5 / 6, -0.75 / 6, 0, 0, 2.0]),
}


def example():
    logprobs = torch.tensor(PROBABILITIES, dtype=torch.float64).log()
    scored = torch.tensor(SCORED, dtype=torch.float64).log()
    mismatch = torch.tensor([[1.5], [4.0]], dtype=torch.float64).log()
    return {
        "logprobs": logprobs.requires_grad_(),
        "old_logprobs": scored,
        "ref_logprobs": logprobs.detach() + LOG_2,
        "sampler_logprobs": scored - mismatch,
        "advantages": torch.tensor([1.0, -2.0], dtype=torch.float64),
        "mask": torch.tensor([[True, True, True], [True, True, False]]),
    }


def loss_and_slopes(config, **changes):
    """Of the example, at its five tokens."""
    batch = {**example(), **changes}
    logprobs, mask = batch.pop("logprobs"), batch["mask"]
    if config.kl_coef == 0:
        del batch["ref_logprobs"]
    loss, _ = grpo_loss(logprobs, config=config, **batch)
    return loss.item(), torch.autograd.grad(loss, logprobs)[0][mask].tolist()


def test_every_row_is_worked_by_hand():
    assert EXPECTED.keys() == GRPO_VARIANTS.keys()


@pytest.mark.parametrize("name", GRPO_VARIANTS)
def test_a_row_has_the_value_and_gradient_worked_by_hand(name):
    loss, slopes = loss_and_slopes(GRPO_VARIANTS[name].loss)
    expected_loss, expected_slopes = EXPECTED[name]
    # sapo's numbers are worked to five digits, the others exactly
    assert loss == pytest.approx(expected_loss, abs=2e-5)
    assert slopes == pytest.approx(expected_slopes, abs=2e-6)


def test_gspo_stops_a_sequence_as_a_whole():
    # 0.001 a token is far inside a token's clip and outside GSPO's 0.0004
    old = example()["logprobs"].detach() - 0.001
    _, slopes = loss_and_slopes(GRPO_VARIANTS["gspo"].loss, old_logprobs=old)
    assert slopes[:3] == [0, 0, 0] and all(slopes[3:])
    _, slopes = loss_and_slopes(GRPO_VARIANTS["grpo"].loss, old_logprobs=old)
    assert all(slopes)


def test_cispo_weighs_no_token_by_more_than_its_bound():
    # ratios of 7 and 10, bound 1 + 5
    old = example()["logprobs"].detach() - math.log(7)
    _, slopes = loss_and_slopes(GRPO_VARIANTS["cispo"].loss, old_logprobs=old)
    assert slopes == pytest.approx([-6 / 5] * 3 + [12 / 5] * 2)


def test_deepseek_leaves_out_a_bad_rollout_that_has_become_unlikely():
    # The second is exp(-0.6) times as likely a token: beyond delta = 0.5
    old = example()["logprobs"].detach() + 0.6
    config = GRPO_VARIANTS["deepseek_v32"].loss
    _, slopes = loss_and_slopes(config, old_logprobs=old)
    # What is left of it is the pull of the KL: -beta r log 2 / 4
    pull = -0.001 * math.exp(-0.6) * LOG_2 / 4
    assert slopes[3:] == pytest.approx([pull, pull])
    assert max(slopes[:3]) < -0.05


def test_the_pull_of_the_kl_is_towards_the_reference():
    # The reference finds every token likelier; advantages are silent
    silent = torch.zeros(2, dtype=torch.float64)
    for estimator in ("k2", "k3"):
        config = LossConfig(kl_coef=1.0, kl_estimator=estimator)
        _, slopes = loss_and_slopes(config, advantages=silent)
        assert max(slopes) < 0


def test_the_overlong_ramp_is_the_papers():
    # 20,480 tokens, the last 4,096 of them a ramp: half way at 18,432
    lengths = torch.tensor([[100, 16_384, 18_432, 20_480, 30_000]])
    term = overlong_length_term(None, lengths, limit=20_480, buffer=4096)
    assert term.tolist() == [[0.0, 0.0, -0.5, -1.0, -1.0]]


def test_the_command_gives_gdpo_two_rewards_and_the_others_one():
    names = {
        name: choose_reward(default_reward(config))
        for name, config in GRPO_VARIANTS.items()
    }
    assert names.pop("gdpo").names == ["accuracy", "format"]
    assert {reward.__name__ for reward in names.values()} == {
        "accuracy_reward"
    }
