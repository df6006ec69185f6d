"""The objective of GRPO and its family, as pure functions of tensors.

First the advantages, of rewards (prompts, rollouts): how much better a
rollout did than its comparison. Then the loss, where everything is
(rollouts, tokens); what stands outside the mask of completion tokens
(padding, -inf, NaN) reaches neither value nor gradient:

    J = 1/N sum_i sum_t w_it [ objective_it - beta KL_it ],    loss = -J

with r_it = pi(o_it) / pi_old(o_it) and the advantage A_i in the objective.
"""

import torch

from .config import ADVANTAGE_MODES

# exp(20) is far outside every clip range and still finite in float32.
MAX_LOG_RATIO = 20.0
STD_EPSILON = 1e-4  # added to a standard deviation, as DeepSeekMath's code


def group_advantages(rewards, mode="group_std"):
    """Compare each rollout with the others drawn for the same prompt.

    Args:
        rewards: (prompts, rollouts), one reward per completion, any scale.
        mode: what the rewards less their group's mean are divided by.
            "group_std": n - 1 standard deviation + 1e-4; "group_mean": 1;
            "rloo": 1 - 1/n, so that the others' mean is the baseline;
            "maxrl": the group's mean; "group_mean_batch_std": the batch's
            deviation; "batch_std": that, less the batch's mean.

    Returns:
        (prompts, rollouts), dtype kept. A row of equal rewards gives exact
        zeros (but for "batch_std"): such a prompt teaches nothing.

    Raises:
        ValueError: too few rollouts, a reward not finite, an unknown mode.

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
            f"to compare for each prompt, got shape {tuple(rewards.shape)}"
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
    """Normalise each reward inside its group before adding them up.

        A_i = whiten_batch( sum_n w_n (R_ni - mean_n) / (std_n + 1e-4) )

    of rewards (prompts, rollouts, num_rewards) and a weight for each.
    """
    combined = sum(
        weight * group_advantages(reward)
        for reward, weight in zip(rewards.unbind(-1), weights, strict=True)
    )
    # Every group's mean is 0, and so is the batch's: a flat group stays 0
    return whiten(combined).masked_fill(combined == 0, 0.0)


def grpo_loss(
    logprobs,
    *,
    old_logprobs,
    advantages,
    mask,
    config,
    ref_logprobs=None,
    sampler_logprobs=None,
    normaliser=None,
):
    """The loss whose gradient step makes good rollouts more likely.

    Args:
        logprobs: (rollouts, tokens), the policy's, with gradient.
        old_logprobs: the same when the batch was scored; for the first
            update `logprobs.detach()`.
        advantages: (rollouts,) or (rollouts, tokens).
        mask: (rollouts, tokens) bool, true on completion tokens.
        config: a `LossConfig`.
        ref_logprobs: the reference model's; measured whenever given.
        sampler_logprobs: as drawn; only tis_cap reads them.
        normaliser: N of the *global* batch (`loss_normaliser`); by default
            that of this call's own rows.

    Returns:
        (loss, metrics): a scalar, and detached scalars: means over this
        call's tokens (ratio, clip_share, kl_penalty) and num_tokens.

    Raises:
        ValueError: the config needs what was not given.
    """
    check_loss_inputs(config, advantages, ref_logprobs, sampler_logprobs)
    logprobs, old_logprobs, ref_logprobs, sampler_logprobs = (
        None if values is None else values.masked_fill(~mask, 0.0)
        for values in (logprobs, old_logprobs, ref_logprobs, sampler_logprobs)
    )
    if advantages.ndim == 1:
        advantages = advantages.unsqueeze(1)  # (rollouts, 1)
    advantages = advantages.expand(mask.shape).masked_fill(~mask, 0.0)
    # Stage 1: the objective of every token
    ratio = importance_ratio(logprobs, old_logprobs, mask, config.ratio)
    objective = policy_objective(ratio, logprobs, advantages, config)
    # Stage 2: less weight for what another policy wrote
    if config.tis_cap is not None:
        objective = objective * truncated_importance_weights(
            old_logprobs, sampler_logprobs, config.tis_cap
        )
    if config.off_policy_delta is not None:
        objective = objective * off_policy_mask(
            logprobs, old_logprobs, advantages, mask, config.off_policy_delta
        )
    # Stage 3: the pull towards the reference
    kl = None
    if ref_logprobs is not None:
        kl = kl_per_token(logprobs, ref_logprobs, config.kl_estimator)
        weight = config.kl_coef
        if config.kl_ratio_weighted:
            weight = weight * importance_ratio(logprobs, old_logprobs, mask)
        objective = objective - weight * kl
    # Stage 4: one number
    if normaliser is None:
        normaliser = loss_normaliser(mask, config)
    weights = token_weights(mask.to(objective.dtype), config)
    loss = -(weights * objective).sum() / normaliser
    return loss, loss_metrics(ratio, advantages, mask, config, kl=kl)


def importance_ratio(logprobs, old_logprobs, mask, level="token"):
    """How much likelier the policy finds a token than when it was scored.

    A "sequence" has the geometric mean of its tokens' ratios at each of them.
    """
    log_ratio = (logprobs - old_logprobs).masked_fill(~mask, 0.0)
    if level == "sequence":
        lengths = mask.sum(dim=1, keepdim=True).clamp(min=1)
        mean = log_ratio.sum(dim=1, keepdim=True) / lengths  # (rollouts, 1)
        log_ratio = mean.expand_as(log_ratio)
    return log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()


def policy_objective(ratio, logprobs, advantages, config):
    """The term to maximise, by token; (rollouts, tokens)."""
    if config.objective == "sapo":
        return sapo_objective(
            ratio,
            advantages,
            tau_positive=config.sapo_tau_positive,
            tau_negative=config.sapo_tau_negative,
        )
    clipped = clip_ratio(ratio, config.clip_low, config.clip_high)
    if config.objective == "cispo":
        # The clipped ratio is a weight, so no token loses its gradient
        return clipped.detach() * advantages * logprobs
    return clipped_objective(ratio, clipped, advantages)


def clip_ratio(ratio, clip_low=None, clip_high=None):
    """Hold the ratio in [1 - clip_low, 1 + clip_high]; None: no bound."""
    if clip_low is not None:
        ratio = ratio.clamp(min=1 - clip_low)
    if clip_high is not None:
        ratio = ratio.clamp(max=1 + clip_high)
    return ratio


def clipped_objective(ratio, clipped, advantages):
    """PPO's pessimistic term, min(r A, clip(r) A), for both signs of A."""
    return torch.minimum(ratio * advantages, clipped * advantages)


def sapo_objective(ratio, advantages, *, tau_positive, tau_negative):
    """A soft clip: (4 / tau) sigmoid(tau (r - 1)) A, of slope A at r = 1."""
    tau = torch.where(advantages > 0, tau_positive, tau_negative)
    tau = tau.to(ratio.dtype)
    return 4 / tau * torch.sigmoid(tau * (ratio - 1)) * advantages


def kl_per_token(logprobs, ref_logprobs, estimator="k3"):
    """Estimate KL(pi || ref) from one sampled token; x = pi_ref / pi.

        k1 = -log x        k2 = (log x)^2 / 2        k3 = x - 1 - log x

    As *losses*, on-policy, the expected gradient of k1 is zero, of k2 that of
    KL(pi || ref), of k3 that of KL(ref || pi); (pi / pi_old) k3 again gives
    that of KL(pi || ref).

    Sources: Schulman 2020, "Approximating KL divergence"; arXiv 2510.01555.
    """
    log_x = ref_logprobs - logprobs
    if estimator == "k1":
        return -log_x
    if estimator == "k2":
        return log_x.square() / 2
    log_x = log_x.clamp(max=MAX_LOG_RATIO)
    return log_x.expm1() - log_x


def truncated_importance_weights(old_logprobs, sampler_logprobs, cap):
    """min(pi_old / pi_sampler, cap): the trainer against its sampler."""
    log_weight = (old_logprobs - sampler_logprobs).detach()
    return log_weight.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp().clamp(max=cap)


def off_policy_mask(logprobs, old_logprobs, advantages, mask, delta):
    """M_i = 0 where A_i < 0 and mean_t log(pi_old / pi) > delta, else 1."""
    lengths = mask.sum(dim=1, keepdim=True).clamp(min=1)
    drift = (old_logprobs - logprobs).detach().masked_fill(~mask, 0.0)
    drift = drift.sum(dim=1, keepdim=True) / lengths  # (rollouts, 1)
    return ~((advantages < 0) & (drift > delta))


def token_weights(mask, config):
    """The weight of each token before dividing by `loss_normaliser`.

    1, so that tokens count alike; 1 / |o_i|, so that rollouts do; 1 / L, so
    that a long wrong answer is not cheaper per token.
    """
    if config.reduction == "sequence_mean":
        return mask / mask.sum(dim=1, keepdim=True).clamp(min=1)
    if config.reduction == "constant":
        return mask / config.constant_length
    return mask


def loss_normaliser(mask, config):
    """N of these rows: tokens for "token_mean", else rollouts."""
    if config.reduction == "token_mean":
        return mask.sum().clamp(min=1)
    return torch.tensor(max(mask.shape[0], 1), device=mask.device)


@torch.no_grad()
def loss_metrics(ratio, advantages, mask, config, *, kl=None):
    """Means over completion tokens, to be watched and never optimised."""
    num_tokens = mask.sum()
    is_clipped = torch.zeros_like(mask)
    if config.clip_high is not None:
        is_clipped |= (advantages > 0) & (ratio > 1 + config.clip_high)
    if config.clip_low is not None:
        is_clipped |= (advantages < 0) & (ratio < 1 - config.clip_low)
    values = {"ratio": ratio, "clip_share": is_clipped.to(ratio.dtype)}
    if kl is not None:
        values["kl_penalty"] = kl
    metrics = {
        name: value.masked_fill(~mask, 0.0).sum() / num_tokens.clamp(min=1)
        for name, value in values.items()
    }
    return metrics | {"num_tokens": num_tokens}


def check_loss_inputs(config, advantages, ref_logprobs, sampler_logprobs):
    """Raise ValueError when the configuration needs what was not given."""
    if config.kl_coef > 0 and ref_logprobs is None:
        raise ValueError("kl_coef > 0 needs ref_logprobs; or set kl_coef=0")
    if config.tis_cap is not None and sampler_logprobs is None:
        raise ValueError("tis_cap needs the sampler_logprobs recorded")
    if config.ratio == "sequence" and advantages.ndim != 1:
        raise ValueError(
            "a sequence ratio needs one advantage per rollout, got shape "
            f"{tuple(advantages.shape)}; use ratio='token'"
        )
