"""One step of learning from a batch of rollouts.

Advantages, scoring, and gradient steps by micro-batches of rows of like
length. Rows without an advantage are left out of the backward pass, but
count in the normaliser; a batch without any signal changes nothing, where
AdamW would go on drifting by its momentum. Rows are a dict of tensors by
name, laid out as in `rollouts`.
"""

import functools
import time
from contextlib import contextmanager

import torch
from torch.utils.checkpoint import checkpoint

from reasoning_from_scratch.llm.logprobs import hidden_logprobs

from .config import PER_REWARD
from .objective import (
    group_advantages,
    grpo_loss,
    loss_normaliser,
    per_reward_advantages,
)
from .optimization import scheduled_learning_rate
from .parallel import (
    gather_rows,
    process_rank,
    sum_gradients,
    sum_over_processes,
)

MEASURES = ("ratio", "clip_share", "mismatch", "kl_penalty")
LIKE_LENGTH = 0.75  # of the longest: shorter rows make another micro-batch


def update_policy(
    model,
    optimizer,
    rollouts,
    config,
    *,
    reference=None,
    loss_function=grpo_loss,
):
    """Make the rollouts with a positive advantage more likely.

    `reference` is the model that kl_coef pulls towards. Returns the metrics
    of `step_metrics` and seconds; `updates_skipped` counts those of the
    whole run whose gradient was not finite.
    """
    began = time.perf_counter()
    rows = training_rows(model, rollouts, config, reference=reference)
    scored = time.perf_counter()
    steps = []
    with checkpointed_layers(model, config.activation_checkpointing):
        for _ in range(config.epochs):
            # Equal parts, whole groups together
            size = len(rows["mask"]) // config.minibatches
            for start in range(0, size * config.minibatches, size):
                part = {k: v[start : start + size] for k, v in rows.items()}
                steps += learn_rows(
                    model, optimizer, part, config, loss_function
                )
    return {
        **step_metrics(steps),
        "updates_skipped": optimizer.num_skipped,
        "scoring_seconds": scored - began,
        "update_seconds": time.perf_counter() - scored,
    }


def training_rows(model, rollouts, config, *, reference=None):
    """All that the loss reads of a batch, as one dict of row tensors."""
    rows = rollouts.row_tensors
    advantages = rollout_advantages(rollouts, config)
    rows["advantages"] = advantages.flatten().to(rows["token_ids"].device)
    if not config.is_on_policy:  # else those of the update's forward pass
        rows["old_logprobs"] = score_rows(model, rows, config)
    if config.loss.kl_coef > 0:
        rows["ref_logprobs"] = score_rows(reference, rows, config)
    return rows


def rollout_advantages(rollouts, config):
    """(prompts, rollouts) advantages, by the statistics of all processes."""
    if config.advantages == PER_REWARD:
        parts = gather_rows(rollouts.reward_parts)
        advantages = per_reward_advantages(parts, [1.0] * parts.shape[-1])
    else:
        rewards = gather_rows(rollouts.rewards)
        advantages = group_advantages(rewards, config.advantages)
    count = rollouts.rewards.shape[0]
    return advantages[process_rank() * count :][:count]


def learn_rows(model, optimizer, rows, config, loss_function):
    """One optimizer step on one mini-batch, if any row has a signal.

    Returns a list of the step, or of none: (reports of its micro-batches,
    norm of the gradient, learning rate).
    """
    normaliser = sum_over_processes(loss_normaliser(rows["mask"], config.loss))
    is_useful = rows["advantages"] != 0
    if config.loss.kl_coef > 0:
        is_useful = torch.ones_like(is_useful)
    if sum_over_processes(is_useful.sum()) == 0:
        return []
    useful = {name: value[is_useful] for name, value in rows.items()}
    reports = []

    def losses():
        for micro in micro_batches(useful, config.micro_batch_size):
            logprobs = row_logprobs(model, micro, config.temperature)
            old_logprobs = micro.get("old_logprobs", logprobs.detach())
            mask, sampled = micro["mask"], micro["sampler_logprobs"]
            loss, metrics = loss_function(
                logprobs,
                old_logprobs=old_logprobs,
                advantages=micro["advantages"],
                mask=mask,
                config=config.loss,
                ref_logprobs=micro.get("ref_logprobs"),
                sampler_logprobs=sampled,
                normaliser=normaliser,
            )
            gap = (old_logprobs - sampled)[mask].abs()
            metrics |= {"mismatch": gap.mean(), "mismatch_max": gap.max()}
            yield loss
            metrics["loss"] = loss.detach()
            reports.append({k: float(v) for k, v in metrics.items()})

    rate = scheduled_learning_rate(
        optimizer.num_updates,
        peak=config.learning_rate,
        warmup_steps=config.warmup_steps,
        total_steps=config.num_updates if config.cosine_decay else None,
    )
    _, norm = gradient_step(optimizer, losses(), rate)
    return [(reports, norm, rate)]


def gradient_step(optimizer, losses, learning_rate):
    """One update; returns each loss's value and the norm of the gradient."""
    values = []
    for loss in losses:
        loss.backward()
        values.append(float(loss.detach()))
    sum_gradients(optimizer.parameters)
    return values, optimizer.step(learning_rate)


def step_metrics(steps):
    """Loss and gradient norm a step, measures a token, of all processes.

    mismatch: mean |log pi_old - log pi_sampler|, 0 if the engine that
    samples were the one that trains; clip_share: of tokens.
    """
    reports = [report for reports, _, _ in steps for report in reports]
    sums = dict.fromkeys(("loss", "num_tokens", *MEASURES), 0.0)
    for report in reports:
        sums["loss"] += report["loss"]
        sums["num_tokens"] += report["num_tokens"]
        for name in MEASURES:
            sums[name] += report.get(name, 0.0) * report["num_tokens"]
    values = torch.tensor(list(sums.values()), dtype=torch.float64)
    loss, num_tokens, *measured = sum_over_processes(values).tolist()
    largest = max((each["mismatch_max"] for each in reports), default=0.0)
    num_updates = max(len(steps), 1)
    return {
        "loss": loss / num_updates,
        "grad_norm": sum(norm for _, norm, _ in steps) / num_updates,
        "learning_rate": steps[-1][2] if steps else 0.0,
        "num_updates": len(steps),
        "tokens_learned": num_tokens,
        **{
            name: value / max(num_tokens, 1)
            for name, value in zip(MEASURES, measured, strict=True)
        },
        "mismatch_max": float(gather_rows(torch.tensor([largest])).max()),
    }


def row_logprobs(model, rows, temperature):
    """(rows, tokens - 1) float32 log-probs of completion tokens, 0 elsewhere.

    With `kept_ids` they are those over the kept tokens.
    """
    mask, kept_ids = rows["mask"], rows.get("kept_ids")
    hidden = model.hidden_states(rows["token_ids"])
    logprobs, _ = hidden_logprobs(
        model,
        hidden[:, :-1][mask],
        rows["token_ids"][:, 1:][mask],
        temperature=temperature,
        kept_ids=None if kept_ids is None else kept_ids[mask],
    )
    blank = torch.zeros(mask.shape, device=mask.device)
    return blank.masked_scatter(mask, logprobs)


@torch.no_grad()
def score_rows(model, rows, config):
    """`row_logprobs` of all rows without gradient, by micro-batches."""
    logprobs = torch.zeros(rows["mask"].shape, device=rows["mask"].device)
    places = torch.arange(len(logprobs), device=logprobs.device)
    for micro in micro_batches(
        {**rows, "place": places}, config.micro_batch_size
    ):
        values = row_logprobs(model, micro, config.temperature)
        logprobs[micro["place"], : values.shape[1]] = values
    return logprobs


def micro_batches(rows, size):
    """Parts of at most `size` rows of like length, as wide as the longest."""
    key_mask = rows["key_mask"]
    lengths = key_mask.sum(dim=1).tolist()
    for part in like_lengths(lengths, max_rows=size):
        chosen = torch.tensor(part, device=key_mask.device)
        # From the end: masks and log-probs have a column less than tokens
        padding = key_mask.shape[1] - lengths[part[0]]
        yield {
            name: value[chosen]
            if value.dim() == 1
            else value[chosen, : value.shape[1] - padding]
            for name, value in rows.items()
        }


def like_lengths(lengths, *, max_rows=None, max_tokens=None):
    """Yield places of rows of like length, that pass through a model together.

    max_tokens counts padding. The longest come first: what does not fit
    memory fails at once.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while order:
        longest = lengths[order[0]]
        limit = max_rows or max(1, max_tokens // longest)
        is_like = [lengths[p] >= LIKE_LENGTH * longest for p in order[:limit]]
        part, order = order[: sum(is_like)], order[sum(is_like) :]
        yield part


@contextmanager
def checkpointed_layers(model, is_active=True):
    """Recompute each layer in the backward pass instead of keeping it."""
    layers = model.layers if is_active else ()
    for layer in layers:
        layer.forward = functools.partial(
            checkpoint, layer.forward, use_reentrant=False
        )
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # the class's own shows again
