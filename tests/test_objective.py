"""The mathematics of advantages and of the loss, worked by hand."""

import math
from dataclasses import replace

import pytest
import torch

from reasoning_from_scratch.cli.grpo import choose_reward, default_reward
from reasoning_from_scratch.training import (
    GRPO_VARIANTS,
    LossConfig,
    grpo_loss,
)
from reasoning_from_scratch.training.objective import (
    ADVANTAGE_MODES,
    group_advantages,
    importance_ratio,
    kl_per_token,
    loss_normaliser,
    off_policy_mask,
    per_reward_advantages,
    truncated_importance_weights,
)
from reasoning_from_scratch.training.rewards import overlong_length_term

ON = torch.tensor([[True]])
# Two rollouts of three and two tokens with advantages 1 and -2. The policy
# finds the tokens 1, 0.5, 2 and 0.5, 2 times as likely as when they were
# scored, half as likely as the reference does, and the sampler saw them 1.5
# and 4 times less likely than the scoring pass.
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


def loss_of(config, **changes):
    batch = {**example(), **changes}
    if config.kl_coef == 0:
        del batch["ref_logprobs"]
    return grpo_loss(batch.pop("logprobs"), config=config, **batch)


def loss_and_slopes(config, **changes):
    """Of the example, at its five tokens."""
    batch = {**example(), **changes}
    loss, _ = loss_of(config, **batch)
    (slopes,) = torch.autograd.grad(loss, batch["logprobs"])
    return loss.item(), slopes[batch["mask"]].tolist()


def random_batch(rollouts=6, tokens=5, dtype=torch.float64, seed=0):
    """Log-probs, stale log-probs, advantages and an uneven mask."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    logprobs = -draw(rollouts, tokens).abs() - 0.1
    lengths = torch.arange(rollouts) % tokens + 1
    mask = torch.arange(tokens) < lengths[:, None]
    return {
        "logprobs": logprobs.requires_grad_(),
        "old_logprobs": logprobs.detach() + 0.2 * draw(rollouts, tokens),
        "advantages": draw(rollouts),
        "mask": mask,
    }


def gradient(config, batch, **changes):
    """Loss and its gradient with respect to the log-probs."""
    batch = {**batch, **changes}
    logprobs = batch.pop("logprobs").detach().clone().requires_grad_()
    loss, _ = grpo_loss(logprobs, config=config, **batch)
    return loss.detach(), torch.autograd.grad(loss, logprobs)[0]


def one_token(ratio, advantage=1.0, dtype=torch.float64):
    """A batch of one token, this much likelier than when it was scored."""
    old = torch.tensor([[-2.0]], dtype=dtype)
    return {
        "logprobs": old + math.log(ratio),
        "old_logprobs": old,
        "advantages": torch.tensor([advantage], dtype=dtype),
        "mask": ON,
    }


# Advantages


@pytest.mark.parametrize(
    ("mode", "rewards", "expected"),
    [
        # mean 0.5; squares 4 x 0.25, over n - 1 = 3: std 0.57735;
        # 0.5 / (0.57735 + 0.0001) = 0.86588
        ("group_std", [[1, 0, 1, 0]], [[0.86588, -0.86588] * 2]),
        ("group_mean", [[1, 0, 0, 0]], [[0.75, -0.25, -0.25, -0.25]]),
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
    advantages = group_advantages(rewards, mode)
    swapped = group_advantages(rewards.flip(1), mode).flip(1)
    for found in (advantages, swapped):
        assert found.dtype == torch.float64
        assert found.tolist() == [
            pytest.approx(row, abs=1e-5) for row in expected
        ]


def test_rloo_subtracts_the_mean_of_the_others():
    rewards = torch.rand(5, 7, dtype=torch.float64)
    by_hand = torch.empty_like(rewards)
    for row in range(5):
        for column in range(7):
            others = [rewards[row, i] for i in range(7) if i != column]
            by_hand[row, column] = rewards[row, column] - sum(others) / 6
    torch.testing.assert_close(group_advantages(rewards, "rloo"), by_hand)


def test_rloo_is_the_centred_reward_times_g_over_g_minus_1():
    rewards = torch.rand(3, 8, dtype=torch.float64)
    torch.testing.assert_close(
        group_advantages(rewards, "rloo"),
        8 / 7 * group_advantages(rewards, "group_mean"),
    )


@pytest.mark.parametrize(
    "mode", [mode for mode in ADVANTAGE_MODES if mode != "batch_std"]
)
def test_equal_rewards_give_exact_zeros_whatever_the_rounding(mode):
    rewards = torch.tensor([[0.1] * 7, [0.0, 1.0] * 3 + [0.0]])
    assert not group_advantages(rewards, mode)[0].any()


def test_flat_groups_of_several_rewards_are_exact_zeros():
    generator = torch.Generator().manual_seed(0)
    rewards = torch.rand(600, 8, 2, generator=generator)
    rewards[::2] = rewards[::2, :1]  # every second group is flat
    advantages = per_reward_advantages(rewards, [1.0, 0.5])
    assert not advantages[::2].any()
    assert advantages[1::2].any(dim=1).all()


def test_advantages_refuse_what_they_cannot_compare():
    with pytest.raises(ValueError, match="at least two rollouts"):
        group_advantages(torch.ones(3, 1))
    with pytest.raises(ValueError, match="NaN"):
        group_advantages(torch.tensor([[1.0, math.nan]]))
    with pytest.raises(ValueError, match="group_std, group_mean"):
        group_advantages(torch.ones(3, 2), mode="z-score")


def test_per_reward_advantages_tell_apart_what_a_sum_collapses():
    # Three rollouts with (right, well-formed) = (1, 0), (0, 1), (0, 1):
    # their sums are all 1, so the summed reward teaches nothing.
    rewards = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    assert not group_advantages(rewards.sum(-1)).any()
    advantages = per_reward_advantages(rewards, [2.0, 1.0])
    assert advantages[0, 0] > 0 > advantages[0, 1]


# The loss


def test_the_measures_of_the_example_by_hand():
    loss, metrics = loss_of(LossConfig())
    # min(1, 1), min(0.5, 0.8), min(2, 1.2), min(-1, -1.6), min(-4, -2.4)
    assert loss.item() == pytest.approx(-(1 + 0.5 + 1.2 - 1.6 - 4) / 5)
    # Clipped: r = 2 with A > 0, and r = 0.5 with A < 0
    assert metrics["clip_share"].item() == pytest.approx(2 / 5)
    assert metrics["ratio"].item() == pytest.approx(6 / 5)
    assert metrics["num_tokens"].item() == 5
    # x = ref / pi = 2 everywhere: k3 = 2 - 1 - log 2
    _, metrics = loss_of(LossConfig(kl_coef=0.5))
    assert metrics["kl_penalty"].item() == pytest.approx(1 - LOG_2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("advantage", "ratio", "value", "has_gradient"),
    [
        (1.0, 1.5, 1.2, False),  # good, already likelier: stop
        (1.0, 0.5, 0.5, True),  # good, become rarer: pull back
        (-1.0, 0.5, -0.8, False),  # bad, already rarer: stop
        (-1.0, 1.5, -1.5, True),  # bad, become likelier: push down
    ],
)
def test_four_quadrants_of_clipping(
    dtype, advantage, ratio, value, has_gradient
):
    batch = one_token(ratio, advantage, dtype)
    loss, slope = gradient(LossConfig(), batch)
    assert loss.dtype == slope.dtype == dtype
    assert loss.item() == pytest.approx(-value, rel=1e-6)
    # d(-r A) / d log pi = -r A where the gradient stays
    expected = -ratio * advantage if has_gradient else 0.0
    assert slope.item() == pytest.approx(expected, rel=1e-6)


def test_unequal_clips_bound_each_side_by_its_own_number():
    for low, high, is_inside in ((0.2, 0.28, True), (0.28, 0.2, False)):
        config = LossConfig(clip_low=low, clip_high=high)
        _, slope = gradient(config, one_token(1.27))
        assert bool(slope) == is_inside


def test_on_policy_gradient_is_reinforce():
    batch = random_batch()
    batch["old_logprobs"] = batch["logprobs"].detach()
    _, slope = gradient(LossConfig(), batch)
    logprobs = batch["logprobs"]
    terms = batch["advantages"][:, None] * logprobs * batch["mask"]
    reinforce = -terms.sum() / batch["mask"].sum()
    expected = torch.autograd.grad(reinforce, logprobs)[0]
    torch.testing.assert_close(slope, expected)


@pytest.mark.parametrize(
    "config",
    [
        LossConfig(),
        LossConfig(reduction="sequence_mean", ratio="sequence"),
        LossConfig(objective="cispo"),
        LossConfig(objective="sapo", clip_low=None, clip_high=None),
        LossConfig(clip_low=None, clip_high=None, reduction="sequence_mean"),
    ],
)
def test_zero_advantages_give_zero_gradient(config):
    batch = random_batch()
    loss, slope = gradient(
        config, batch, advantages=torch.zeros(6, dtype=torch.float64)
    )
    assert loss == 0 and not slope.any()


REDUCTIONS = [
    LossConfig(),
    LossConfig(reduction="sequence_mean"),
    LossConfig(reduction="constant", constant_length=7),
]


@pytest.mark.parametrize("config", REDUCTIONS)
@pytest.mark.parametrize("garbage", [math.nan, -math.inf, math.inf, 1e30])
def test_padding_never_leaks(config, garbage):
    config = replace(config, kl_coef=0.1, tis_cap=2.0, off_policy_delta=0.1)
    batch = random_batch()
    batch["ref_logprobs"] = batch["old_logprobs"] - 0.1
    batch["sampler_logprobs"] = batch["old_logprobs"] + 0.1
    clean = gradient(config, batch)
    dirty = {
        name: value.detach().masked_fill(~batch["mask"], garbage)
        if name.endswith("logprobs")
        else value
        for name, value in batch.items()
    }
    torch.testing.assert_close(gradient(config, dirty), clean)
    assert not clean[1][~batch["mask"]].any()


@pytest.mark.parametrize("config", REDUCTIONS)
def test_wider_padding_changes_nothing(config):
    batch = random_batch()
    wide = {
        name: torch.nn.functional.pad(value.detach(), (2, 3))
        if value.ndim == 2
        else value
        for name, value in batch.items()
    }
    loss, slope = gradient(config, batch)
    wide_loss, wide_slope = gradient(config, wide)
    torch.testing.assert_close(wide_loss, loss)
    torch.testing.assert_close(wide_slope[:, 2:-3], slope)


@pytest.mark.parametrize("config", REDUCTIONS)
def test_micro_batches_sum_to_the_whole_batch(config):
    batch = random_batch()
    loss, slope = gradient(config, batch)
    normaliser = loss_normaliser(batch["mask"], config)
    parts = [
        gradient(
            config,
            {name: value[rows] for name, value in batch.items()},
            normaliser=normaliser,
        )
        for rows in (slice(0, 1), slice(1, 4), slice(4, 6))
    ]
    torch.testing.assert_close(sum(part[0] for part in parts), loss)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), slope)


@pytest.mark.parametrize("config", REDUCTIONS)
def test_the_order_of_rollouts_does_not_matter(config):
    batch = random_batch()
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    loss, slope = gradient(config, batch)
    shuffled = {name: value[order] for name, value in batch.items()}
    shuffled_loss, shuffled_slope = gradient(config, shuffled)
    torch.testing.assert_close(shuffled_loss, loss)
    torch.testing.assert_close(shuffled_slope, slope[order])


def test_the_gradient_equals_finite_differences():
    batch = random_batch()
    batch["ref_logprobs"] = batch["old_logprobs"] - 0.1
    logprobs = batch.pop("logprobs")
    config = LossConfig(
        kl_coef=0.3, ratio="sequence", reduction="sequence_mean"
    )
    assert torch.autograd.gradcheck(
        lambda x: grpo_loss(x, config=config, **batch)[0], (logprobs,)
    )


# Kullback-Leibler: what each estimator pulls towards


def softmax_pair():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, generator=generator, dtype=torch.float64)
    reference = torch.randn(6, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), reference.log_softmax(0)


def expected_gradient(estimator, *, ratio_weighted=False):
    """E_{a ~ pi} of the gradient of an estimator, exactly, as a loss."""
    logits, reference = softmax_pair()
    logprobs = logits.log_softmax(0)
    values = kl_per_token(logprobs, reference, estimator)
    if ratio_weighted:
        values = (logprobs - logprobs.detach()).exp() * values
    expectation = (logprobs.detach().exp() * values).sum()
    return torch.autograd.grad(expectation, logits)[0]


def finite_difference(function, step=1e-6):
    """Central differences of a function of the six logits."""
    logits, reference = softmax_pair()
    slopes = []
    for index in range(6):
        shift = torch.zeros(6, dtype=torch.float64)
        shift[index] = step
        up = function((logits.detach() + shift).log_softmax(0), reference)
        down = function((logits.detach() - shift).log_softmax(0), reference)
        slopes.append((up - down) / (2 * step))
    return torch.stack(slopes)


def reverse_kl(logprobs, reference):
    return (logprobs.exp() * (logprobs - reference)).sum()


def forward_kl(logprobs, reference):
    return (reference.exp() * (reference - logprobs)).sum()


@pytest.mark.parametrize(
    ("estimator", "ratio_weighted", "divergence"),
    [
        ("k1", False, None),  # pulls nowhere
        ("k2", False, reverse_kl),
        ("k3", False, forward_kl),  # the other divergence
        ("k1", True, reverse_kl),  # the weight restores it
        ("k3", True, reverse_kl),
    ],
)
def test_what_an_estimator_pulls_towards_as_a_loss(
    estimator, ratio_weighted, divergence
):
    expected = torch.zeros(6, dtype=torch.float64)
    if divergence is not None:
        expected = finite_difference(divergence)
    found = expected_gradient(estimator, ratio_weighted=ratio_weighted)
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-5)


def test_k1_and_k3_estimate_the_divergence_without_bias():
    logits, reference = softmax_pair()
    logprobs = logits.detach().log_softmax(0)
    for estimator in ("k1", "k3"):
        values = kl_per_token(logprobs, reference, estimator)
        torch.testing.assert_close(
            (logprobs.exp() * values).sum(), reverse_kl(logprobs, reference)
        )
    assert (kl_per_token(logprobs, reference, "k3") >= 0).all()


# The rest of the family


def test_sequence_ratio_is_the_geometric_mean():
    # Ratios 1, 0.5, 2: product 1; and 0.5, 2: product 1
    batch = example()
    ratio = importance_ratio(
        batch["logprobs"],
        batch["old_logprobs"] - torch.tensor([[0.3], [0.0]]),
        batch["mask"],
        level="sequence",
    )
    expected = torch.tensor([[math.exp(0.3)] * 3, [1.0] * 3]).double()
    torch.testing.assert_close(ratio, expected, rtol=1e-6, atol=0)


def test_fresh_sequence_ratios_have_the_gradient_of_grpo():
    batch = random_batch()
    batch["old_logprobs"] = batch["logprobs"].detach()
    token = LossConfig(reduction="sequence_mean")
    _, grpo = gradient(token, batch)
    _, gspo = gradient(replace(token, ratio="sequence"), batch)
    torch.testing.assert_close(gspo, grpo)


def test_off_policy_mask_drops_bad_rollouts_that_became_unlikely():
    old = torch.zeros(3, 2)
    new = torch.tensor([[-1.0, -1.0], [-1.0, -1.0], [-0.1, -0.1]])
    advantages = torch.tensor([[-1.0], [1.0], [-1.0]]).expand(3, 2)
    mask = torch.ones(3, 2, dtype=torch.bool)
    kept = off_policy_mask(new, old, advantages, mask, 0.5)
    assert kept[:, 0].tolist() == [False, True, True]


def test_truncated_importance_weights_stop_at_the_cap():
    old = torch.tensor([[0.0, 0.0]]) + math.log(0.5)
    sampler = torch.tensor([[1.0, 0.1]]).log()
    weights = truncated_importance_weights(old, sampler, 2.0)
    torch.testing.assert_close(weights, torch.tensor([[0.5, 2.0]]))


def test_the_mismatch_weight_scales_the_gradient():
    batch = random_batch()
    batch["sampler_logprobs"] = batch["old_logprobs"] - math.log(1.5)
    _, plain = gradient(LossConfig(), batch)
    _, corrected = gradient(LossConfig(tis_cap=2.0), batch)
    torch.testing.assert_close(corrected, 1.5 * plain)


def test_token_advantages_are_used_token_by_token():
    batch = example()
    advantages = torch.tensor([[1.0, 0, 0], [0, 0, 5.0]]).double()
    loss, _ = grpo_loss(
        batch["logprobs"],
        old_logprobs=batch["logprobs"],
        advantages=advantages,
        mask=batch["mask"],
        config=LossConfig(),
    )
    assert loss.item() == pytest.approx(-1 / 5)  # the masked 5.0 is unseen


@pytest.mark.parametrize("distance", [1e-4, 1.0, 30.0, 200.0])
def test_k3_pulls_back_however_far_the_policy_rose(distance):
    # k3 = x - 1 - log x with log x = -distance; d k3 / d log pi = 1 - x
    logprobs = torch.zeros(1, 1, requires_grad=True)
    kl = kl_per_token(logprobs, torch.full((1, 1), -distance), "k3")
    kl.sum().backward()
    exact = math.expm1(-distance) + distance
    # In float32 the value holds its digits near 0, the gradient 1e-7 of 1
    assert kl.item() == pytest.approx(exact, rel=1e-3)
    slope = -math.expm1(-distance)
    assert logprobs.grad.item() == pytest.approx(slope, abs=2e-7)


def test_extreme_ratios_stay_finite():
    batch = random_batch(dtype=torch.float32)
    batch["old_logprobs"] = batch["logprobs"].detach() - 500
    loss, slope = gradient(LossConfig(clip_low=None, clip_high=None), batch)
    assert torch.isfinite(loss) and torch.isfinite(slope).all()


# The rows of GRPO_VARIANTS


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


# Refusals


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"ratio": "word"}, "ratio must be one of token, sequence"),
        ({"clip_low": -0.1}, "clip_low must be >= 0"),
        ({"reduction": "constant"}, "set it, for example to max_new_tokens"),
        ({"constant_length": 5}, "only read by reduction 'constant'"),
        ({"objective": "sapo"}, "clip_low=None"),
        ({"objective": "cispo", "ratio": "sequence"}, "token ratios"),
        (
            {"objective": "cispo", "clip_low": None, "clip_high": None},
            "set clip_high",
        ),
        ({"kl_ratio_weighted": True}, "needs kl_coef > 0"),
        (
            {"kl_ratio_weighted": True, "kl_coef": 1, "kl_estimator": "k2"},
            "right without it",
        ),
        ({"tis_cap": 0.0}, "tis_cap must be > 0"),
    ],
)
def test_invalid_combinations_are_refused_with_the_reason(settings, reason):
    with pytest.raises(ValueError, match=reason):
        LossConfig(**settings)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (LossConfig(kl_coef=0.1), "ref_logprobs is None"),
        (LossConfig(tis_cap=2.0), "sampler_logprobs is None"),
    ],
)
def test_missing_logprobs_are_named(config, reason):
    with pytest.raises(ValueError, match=reason):
        gradient(config, random_batch())


def test_sequence_ratio_refuses_token_advantages():
    batch = random_batch()
    advantages = torch.ones(6, 5, dtype=torch.float64)
    with pytest.raises(ValueError, match="one advantage per rollout"):
        gradient(LossConfig(ratio="sequence"), batch, advantages=advantages)
