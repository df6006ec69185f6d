"""Advantages: how much better a rollout did than its comparison.

Rewards come as (prompts, rollouts): one row a prompt, one column a
completion drawn for it. Every mode subtracts a baseline, which leaves the
expected gradient unchanged and lowers its noise; the modes differ in the
baseline and in what they divide by. Only tensors here: where the rewards
come from is the business of `rewards` and `rollouts`.

Sources, by mode:
    group_std             Shao et al. 2024 (DeepSeekMath), arXiv 2402.03300
    group_mean            Liu et al. 2025 (Dr. GRPO), arXiv 2503.20783
    rloo                  Ahmadian et al. 2024, arXiv 2402.14740
    batch_std             Hu 2025 (REINFORCE++), arXiv 2501.03262
    group_mean_batch_std  Liu et al. 2025 (Tricks or Traps), arXiv 2508.08221
    maxrl                 MaxRL 2026, arXiv 2602.02710
    per reward            GDPO 2026, arXiv 2601.05242
"""

import torch

from .config import ADVANTAGE_MODES

STD_EPSILON = 1e-4  # added to a standard deviation, as DeepSeekMath's code


def group_advantages(rewards, mode="group_std"):
    """Compare each rollout with the others drawn for the same prompt.

    With R = [1, 0, 0, 1]: mean 0.5, standard deviation (n - 1) 0.577, so
    "group_std" gives +-0.866, "group_mean" +-0.5 and "rloo" +-0.667.

    Args:
        rewards: (prompts, rollouts), one reward per completion, any scale.
        mode: "group_std" subtracts the group's mean and divides by its n - 1
            standard deviation + 1e-4; "group_mean" only subtracts; "rloo"
            subtracts the mean of the *other* rollouts; "maxrl" divides by
            the group's mean; "group_mean_batch_std" divides by the standard
            deviation over the batch; "batch_std" takes mean and standard
            deviation from the batch, so no group is compared by itself.

    Returns:
        (prompts, rollouts), dtype kept. A row of equal rewards gives exact
        zeros (but for "batch_std"): such a prompt teaches nothing.

    Raises:
        ValueError: fewer than two rollouts, a reward that is not finite, or
            an unknown mode.

    >>> group_advantages(torch.tensor([[1.0, 0.0]]), mode="group_mean")
    tensor([[ 0.5000, -0.5000]])
    """
    check_rewards(rewards, mode)
    mean = rewards.mean(dim=1, keepdim=True)  # (prompts, 1)
    centred = rewards - mean
    # Rounding must not turn equal rewards into a small signal.
    is_flat = (rewards == rewards[:, :1]).all(dim=1, keepdim=True)
    centred = centred.masked_fill(is_flat, 0.0)
    if mode == "group_std":
        return centred / (rewards.std(dim=1, keepdim=True) + STD_EPSILON)
    if mode == "rloo":
        group_size = rewards.shape[1]
        return centred * group_size / (group_size - 1)
    if mode == "maxrl":
        return torch.where(mean > 0, centred / mean, 0.0)
    if mode == "group_mean_batch_std":
        return centred / (centred.std() + STD_EPSILON)
    if mode == "batch_std":
        return whiten(rewards)
    return centred  # group_mean


def check_rewards(rewards, mode="group_std"):
    """Raise ValueError for rewards that no advantage can be taken of."""
    if mode not in ADVANTAGE_MODES:
        raise ValueError(
            f"advantage mode must be one of {', '.join(ADVANTAGE_MODES)}, "
            f"got {mode!r}"
        )
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(
            "rewards must be (prompts, rollouts) with at least two rollouts "
            f"a prompt, got shape {tuple(rewards.shape)}; one rollout has "
            "nothing to be compared with"
        )
    if not torch.isfinite(rewards).all():
        raise ValueError(
            "rewards hold NaN or infinity, which would spread over the whole "
            "group; guard the reward function (see RewardSet)"
        )


def whiten(values):
    """Shift and scale all values to mean 0 and standard deviation 1."""
    if bool((values == values.reshape(-1)[0]).all()):
        return torch.zeros_like(values)
    return (values - values.mean()) / (values.std() + STD_EPSILON)


def per_reward_advantages(rewards, weights):
    """Normalise each reward inside its group before adding them up (GDPO).

    Summed first, the rewards (0, 1) and (1, 0) collapse to one advantage;
    taken apart, each keeps its own scale.

        A_i = whiten_batch( sum_n w_n (R_ni - mean_n) / (std_n + 1e-4) )

    Args:
        rewards: (prompts, rollouts, num_rewards).
        weights: one number a reward.

    Returns:
        (prompts, rollouts).
    """
    if rewards.ndim != 3 or rewards.shape[2] != len(weights):
        raise ValueError(
            "rewards must be (prompts, rollouts, num_rewards) with one weight "
            f"a reward, got {tuple(rewards.shape)} and {len(weights)} weights"
        )
    combined = sum(
        weight * group_advantages(rewards[..., index])
        for index, weight in enumerate(weights)
    )
    return whiten(combined)
