"""The mathematics of advantages and of the loss, worked by hand."""

import math
import re
from dataclasses import replace

import pytest
import torch
from tiny import DATA, table

from reasoning_from_scratch.cli.grpo import choose_reward, default_reward
from reasoning_from_scratch.training import (
    GRPO_VARIANTS,
    LossConfig,
    RewardSet,
    grpo_loss,
    objective,
)

# Two rollouts of three and two tokens with advantages 1 and -2. The policy
# finds the tokens 1, 0.5, 2 and 0.5, 2 times as likely as when they were
# scored, half as likely as the reference does, and the sampler saw them 1.5
# and 4 times less likely than the scoring pass.
LOG_2 = math.log(2)
PULL = 0.001 * LOG_2  # of deepseek_v32's KL
PROBABILITIES = [[0.5, 0.25, 0.5], [0.2, 0.5, 0.9]]
SCORED = [[0.5, 0.5, 0.25], [0.4, 0.25, 0.1]]

# {name of a variant: loss, and its slopes by the log-probs of the five tokens}
NAMES = {"LOG_2": LOG_2, "PULL": PULL, "log": math.log}
EXPECTED = {
    name: eval(values, NAMES)  # our own text
    for name, values in re.findall(
        r"(?m)^(\w+): (.*)", (DATA / "losses_by_hand.txt").read_text("utf-8")
    )
}


def example():
    logprobs = torch.tensor(PROBABILITIES, dtype=torch.float64).log()
    scored = torch.tensor(SCORED, dtype=torch.float64).log()
    mismatch = torch.tensor([[1.5], [4.0]], dtype=torch.float64).log()
    return {
        "logprobs": logprobs,
        "old_logprobs": scored,
        "ref_logprobs": logprobs + LOG_2,
        "sampler_logprobs": scored - mismatch,
        "advantages": torch.tensor([1.0, -2.0], dtype=torch.float64),
        "mask": torch.tensor([[True, True, True], [True, True, False]]),
    }


def slopes_of(config, batch=None, **changes):
    """Loss, its slopes by the log-probs of a batch, and the measures."""
    batch = {**(batch or example()), **changes}
    logprobs = batch.pop("logprobs").detach().requires_grad_()
    loss, metrics = grpo_loss(logprobs, config=config, **batch)
    return loss.detach(), torch.autograd.grad(loss, logprobs)[0], metrics


def of_row(name, **changes):
    """Loss and slopes of a variant at the example's five tokens."""
    batch = {**example(), **changes}
    config = GRPO_VARIANTS[name].loss
    if config.kl_coef == 0:
        del batch["ref_logprobs"]
    loss, slopes, _ = slopes_of(config, batch)
    return loss.item(), slopes[batch["mask"]].tolist()


def random_batch(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(6, 11, generator=generator, dtype=dtype)
    logprobs = -drawn[:, :5].abs() - 0.1
    return {
        "logprobs": logprobs,
        "old_logprobs": logprobs + 0.2 * drawn[:, 5:10],
        "advantages": drawn[:, 10],
        "mask": torch.arange(5) < (torch.arange(6) % 5 + 1)[:, None],
    }


# Advantages


@pytest.mark.parametrize(
    ("mode", "rewards", "expected"),
    [
        # mean 0.5; squares 4 x 0.25, over n - 1 = 3: std 0.57735;
        # 0.5 / (0.57735 + 0.0001) = 0.86588
        ("group_std", [[1, 0, 1, 0]], [[0.86588, -0.86588] * 2]),
        ("group_mean", [[1, 0, 0, 0]], [[0.75, -0.25, -0.25, -0.25]]),
        # each less the mean of the other three, 1/3
        ("rloo", [[1, 0, 1, 0]], [[2 / 3, -2 / 3] * 2]),
        # p = 0.25: right (1 - p) / p = 3, wrong -p / p = -1; never right: 0
        ("maxrl", [[1, 0, 0, 0], [0] * 4], [[3, -1, -1, -1], [0] * 4]),
        # mean 0.5, n - 1 std 0.57735: equal groups still carry a signal
        ("batch_std", [[1, 1], [0, 0]], [[0.86588] * 2, [-0.86588] * 2]),
        # centred: 0.5, -0.5, 0.1, -0.1; n - 1 std sqrt(0.52 / 3) = 0.41633,
        # with the epsilon 0.41643
        (
            "group_mean_batch_std",
            [[1, 0], [0.6, 0.4]],
            [[1.20068, -1.20068], [0.24014, -0.24014]],
        ),
    ],
)
def test_advantages_worked_by_hand(mode, rewards, expected):
    rewards = torch.tensor(rewards, dtype=torch.float64)
    advantages = objective.group_advantages(rewards, mode)
    swapped = objective.group_advantages(rewards.flip(1), mode).flip(1)
    for found in (advantages, swapped):
        assert found.dtype == torch.float64
        assert found.tolist() == [
            pytest.approx(row, abs=1e-5) for row in expected
        ]


@pytest.mark.parametrize(
    "mode", [mode for mode in objective.ADVANTAGE_MODES if mode != "batch_std"]
)
def test_equal_rewards_give_exact_zeros_whatever_the_rounding(mode):
    rewards = torch.tensor([[0.1] * 7, [0.0, 1.0] * 3 + [0.0]])
    assert not objective.group_advantages(rewards, mode)[0].any()


def test_several_rewards_are_told_apart_and_flat_groups_stay_zero():
    # Three rollouts with (right, well-formed) = (1, 0), (0, 1), (0, 1):
    # their sums are all 1, so the summed reward teaches nothing.
    rewards = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    assert not objective.group_advantages(rewards.sum(-1)).any()
    advantages = objective.per_reward_advantages(rewards, [2.0, 1.0])
    assert advantages[0, 0] > 0 > advantages[0, 1]
    generator = torch.Generator().manual_seed(0)
    rewards = torch.rand(600, 8, 2, generator=generator)
    rewards[::2] = rewards[::2, :1]  # every second group is flat
    advantages = objective.per_reward_advantages(rewards, [1.0, 0.5])
    assert not advantages[::2].any()
    assert advantages[1::2].any(dim=1).all()


# The loss


def test_measures_and_token_advantages_by_hand():
    loss, _, metrics = slopes_of(LossConfig())
    # min(1, 1), min(0.5, 0.8), min(2, 1.2), min(-1, -1.6), min(-4, -2.4)
    assert loss.item() == pytest.approx(-(1 + 0.5 + 1.2 - 1.6 - 4) / 5)
    # Clipped: r = 2 with A > 0, and r = 0.5 with A < 0
    assert metrics["clip_share"].item() == pytest.approx(2 / 5)
    assert metrics["ratio"].item() == pytest.approx(6 / 5)
    assert metrics["num_tokens"].item() == 5
    # x = ref / pi = 2 everywhere: k3 = 2 - 1 - log 2
    assert metrics["kl_penalty"].item() == pytest.approx(1 - LOG_2)
    advantages = torch.tensor([[1.0, 0, 0], [0, 0, 5.0]]).double()
    loss, _, _ = slopes_of(
        LossConfig(), advantages=advantages, old_logprobs=example()["logprobs"]
    )
    assert loss.item() == pytest.approx(-1 / 5)  # the masked 5.0 is unseen


def test_fresh_gradients_are_reinforce_and_gspos_are_grpos():
    batch = random_batch()
    fresh = {"old_logprobs": batch["logprobs"]}
    _, slope, _ = slopes_of(LossConfig(), batch, **fresh)
    logprobs = batch["logprobs"].requires_grad_()
    terms = batch["advantages"][:, None] * logprobs * batch["mask"]
    reinforce = -terms.sum() / batch["mask"].sum()
    expected = torch.autograd.grad(reinforce, logprobs)[0]
    torch.testing.assert_close(slope, expected)
    batch = random_batch()
    batch["old_logprobs"] = batch["logprobs"]
    token = LossConfig(reduction="sequence_mean")
    _, grpo, _ = slopes_of(token, batch)
    _, gspo, _ = slopes_of(replace(token, ratio="sequence"), batch)
    torch.testing.assert_close(gspo, grpo)


@pytest.mark.parametrize("name", GRPO_VARIANTS)
def test_zero_advantages_give_zero_gradient(name):
    config = GRPO_VARIANTS[name].loss
    config = replace(config, kl_coef=0.0, kl_ratio_weighted=False)
    silent = torch.zeros(2, dtype=torch.float64)
    loss, slope, _ = slopes_of(config, advantages=silent)
    assert loss == 0 and not slope.any()


every_reduction = pytest.mark.parametrize(
    "config",
    [
        LossConfig(),
        LossConfig(reduction="sequence_mean"),
        LossConfig(reduction="constant", constant_length=7),
    ],
)


@every_reduction
@pytest.mark.parametrize("garbage", [math.nan, -math.inf, math.inf, 1e30])
def test_padding_never_leaks(config, garbage):
    config = replace(config, kl_coef=0.1, tis_cap=2.0, off_policy_delta=0.1)
    batch = random_batch()
    batch["ref_logprobs"] = batch["old_logprobs"] - 0.1
    batch["sampler_logprobs"] = batch["old_logprobs"] + 0.1
    clean = slopes_of(config, batch)
    dirty = {
        name: value.masked_fill(~batch["mask"], garbage)
        if name.endswith("logprobs")
        else value
        for name, value in batch.items()
    }
    torch.testing.assert_close(slopes_of(config, dirty), clean)
    assert not clean[1][~batch["mask"]].any()


@every_reduction
def test_padding_order_and_pieces_change_nothing(config):
    batch = random_batch()
    loss, slope, _ = slopes_of(config, batch)
    wide = {
        name: torch.nn.functional.pad(value, (2, 3))
        if value.ndim == 2
        else value
        for name, value in batch.items()
    }
    wide_loss, wide_slope, _ = slopes_of(config, wide)
    torch.testing.assert_close(wide_loss, loss)
    torch.testing.assert_close(wide_slope[:, 2:-3], slope)
    # Micro-batches of all rows, in another order, add up
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    normaliser = objective.loss_normaliser(batch["mask"], config)
    losses, slopes = [], []
    for rows in order.split([1, 3, 2]):
        part = {name: value[rows] for name, value in batch.items()}
        found = slopes_of(config, part, normaliser=normaliser)
        losses.append(found[0])
        slopes.append(found[1])
    torch.testing.assert_close(sum(losses), loss)
    torch.testing.assert_close(torch.cat(slopes), slope[order])


def test_gradients_equal_finite_differences_and_stay_finite():
    batch = random_batch()
    batch["ref_logprobs"] = batch["old_logprobs"] - 0.1
    logprobs = batch.pop("logprobs").requires_grad_()
    config = LossConfig(
        kl_coef=0.3, ratio="sequence", reduction="sequence_mean"
    )
    assert torch.autograd.gradcheck(
        lambda x: grpo_loss(x, config=config, **batch)[0], (logprobs,)
    )
    batch = random_batch(dtype=torch.float32)
    batch["old_logprobs"] = batch["logprobs"] - 500
    config = LossConfig(clip_low=None, clip_high=None)
    loss, slope, _ = slopes_of(config, batch)
    assert torch.isfinite(loss) and torch.isfinite(slope).all()
    assert loss.dtype == slope.dtype == torch.float32


# Kullback-Leibler: what each estimator pulls towards


@pytest.mark.parametrize(
    ("estimator", "ratio_weighted", "divergence"),
    [
        ("k1", False, None),  # pulls nowhere
        ("k2", False, "reverse"),
        ("k3", False, "forward"),  # the other divergence
        ("k1", True, "reverse"),  # the weight restores it
        ("k3", True, "reverse"),
    ],
)
def test_what_an_estimator_measures_and_pulls_towards(
    estimator, ratio_weighted, divergence
):
    generator = torch.Generator().manual_seed(1)
    pair = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    logits, reference = pair[0].requires_grad_(), pair[1].log_softmax(0)
    logprobs = logits.log_softmax(0)
    distances = {
        "reverse": (logprobs.exp() * (logprobs - reference)).sum(),
        "forward": (reference.exp() * (reference - logprobs)).sum(),
        None: 0.0 * logits.sum(),
    }
    values = objective.kl_per_token(logprobs, reference, estimator)
    # E_{a ~ pi} of the estimator: without bias, k3 never below 0
    mean = (logprobs.detach().exp() * values).sum()
    if estimator != "k2":
        torch.testing.assert_close(mean, distances["reverse"])
    assert estimator == "k1" or (values >= 0).all()
    # and of its gradient, exactly
    if ratio_weighted:
        values = (logprobs - logprobs.detach()).exp() * values
        mean = (logprobs.detach().exp() * values).sum()
    found, expected = (
        torch.autograd.grad(value, logits, retain_graph=True)[0]
        for value in (mean, distances[divergence])
    )
    torch.testing.assert_close(found, expected)


# The rest of the family


@pytest.mark.parametrize("distance", [1e-4, 1.0, 30.0, 200.0])
def test_k3_pulls_back_however_far_the_policy_rose(distance):
    # k3 = x - 1 - log x with log x = -distance; d k3 / d log pi = 1 - x
    logprobs = torch.zeros(1, 1, requires_grad=True)
    kl = objective.kl_per_token(logprobs, torch.full((1, 1), -distance), "k3")
    kl.sum().backward()
    exact = math.expm1(-distance) + distance
    # In float32 the value holds its digits near 0, the gradient 1e-7 of 1
    assert kl.item() == pytest.approx(exact, rel=1e-3)
    slope = -math.expm1(-distance)
    assert logprobs.grad.item() == pytest.approx(slope, abs=2e-7)


# The rows of GRPO_VARIANTS


@pytest.mark.parametrize("name", GRPO_VARIANTS)
def test_a_row_has_the_value_and_gradient_worked_by_hand(name):
    loss, slopes = of_row(name)
    expected_loss, expected_slopes = EXPECTED[name]
    # sapo's numbers are worked to five digits, the others exactly
    assert loss == pytest.approx(expected_loss, abs=2e-5)
    assert slopes == pytest.approx(expected_slopes, abs=2e-6)


def test_what_gspo_cispo_and_deepseek_leave_out():
    # 0.001 a token is far inside a token's clip and outside GSPO's 0.0004
    old = example()["logprobs"] - 0.001
    _, slopes = of_row("gspo", old_logprobs=old)
    assert slopes[:3] == [0, 0, 0] and all(slopes[3:])
    _, slopes = of_row("grpo", old_logprobs=old)
    assert all(slopes)
    # ratios of 7, bound 1 + 5
    old = example()["logprobs"] - math.log(7)
    _, slopes = of_row("cispo", old_logprobs=old)
    assert slopes == pytest.approx([-6 / 5] * 3 + [12 / 5] * 2)
    # The second is exp(-0.6) times as likely a token: beyond delta = 0.5
    old = example()["logprobs"] + 0.6
    _, slopes = of_row("deepseek_v32", old_logprobs=old)
    # What is left of it is the pull of the KL: -beta r log 2 / 4
    assert slopes[3:] == pytest.approx([-PULL * math.exp(-0.6) / 4] * 2)
    assert max(slopes[:3]) < -0.05


def test_the_command_gives_gdpo_two_rewards_and_the_others_one():
    rewards = {
        name: RewardSet.of(choose_reward(default_reward(config))).names
        for name, config in GRPO_VARIANTS.items()
    }
    assert rewards.pop("gdpo") == ["accuracy", "format"]
    assert all(names == ["accuracy_reward"] for names in rewards.values())


# Refusals


@pytest.mark.parametrize(("settings", "reason"), table("refused_losses"))
def test_what_cannot_be_computed_is_refused_with_the_reason(settings, reason):
    batch = random_batch()
    batch["advantages"] = batch["advantages"][:, None]
    with pytest.raises(ValueError, match=reason):
        slopes_of(LossConfig(**settings), batch)


@pytest.mark.parametrize(
    ("rewards", "mode", "reason"),
    [
        ([[1.0]], "group_std", "at least two rollouts"),
        ([[1.0, math.nan]], "group_std", "NaN"),
        ([[1.0, 0.0]], "z-score", "group_std, group_mean"),
    ],
)
def test_rewards_that_cannot_be_compared_are_refused(rewards, mode, reason):
    with pytest.raises(ValueError, match=reason):
        objective.group_advantages(torch.tensor(rewards), mode)
