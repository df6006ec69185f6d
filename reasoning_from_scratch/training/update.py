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
from dataclasses import dataclass, field

import torch
from torch.utils.checkpoint import checkpoint

from reasoning_from_scratch.llm.logprobs import hidden_logprobs

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

SCORED = ("token_ids", "key_mask", "mask", "kept_ids")
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
    of `UpdateTotals.means`, tokens and seconds; `updates_skipped` counts
    those of the whole run whose gradient was not finite.
    """
    totals = UpdateTotals()
    began = time.perf_counter()
    rows = training_rows(model, rollouts, config, reference=reference)
    scored = time.perf_counter()
    passes = (not config.is_on_policy) + (config.loss.kl_coef > 0)
    with checkpointed_layers(model, config.activation_checkpointing):
        for _ in range(config.epochs):
            # Equal parts, whole groups together
            size = len(rows["mask"]) // config.minibatches
            for start in range(0, size * config.minibatches, size):
                part = {k: v[start : start + size] for k, v in rows.items()}
                learn_rows(
                    model, optimizer, part, config, totals, loss_function
                )
    return {
        **totals.means(),
        "updates_skipped": optimizer.num_skipped,
        "tokens_scored": passes * int(sum_over_processes(rows["mask"].sum())),
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
    if config.advantages == "per_reward":
        parts = gather_rows(rollouts.reward_parts)
        weights = rollouts.reward_set.weight_list
        advantages = per_reward_advantages(parts, weights)
    else:
        rewards = gather_rows(rollouts.rewards)
        advantages = group_advantages(rewards, config.advantages)
    count = rollouts.rewards.shape[0]
    return advantages[process_rank() * count :][:count]


def learn_rows(model, optimizer, rows, config, totals, loss_function):
    """One optimizer step on one mini-batch, if any row has a signal."""
    normaliser = sum_over_processes(loss_normaliser(rows["mask"], config.loss))
    is_useful = rows["advantages"] != 0
    if config.loss.kl_coef > 0:
        is_useful = torch.ones_like(is_useful)
    if sum_over_processes(is_useful.sum()) == 0:
        return
    useful = {name: value[is_useful] for name, value in rows.items()}

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
            totals.reports.append({k: float(v) for k, v in metrics.items()})

    totals.learning_rate = scheduled_learning_rate(
        optimizer.num_updates,
        peak=config.learning_rate,
        warmup_steps=config.warmup_steps,
        total_steps=config.num_updates if config.cosine_decay else None,
    )
    values, norm = gradient_step(optimizer, losses(), totals.learning_rate)
    totals.losses += values
    totals.grad_norms.append(norm)


def gradient_step(optimizer, losses, learning_rate):
    """One update; returns each loss's value and the norm of the gradient."""
    values = []
    for loss in losses:
        loss.backward()
        values.append(float(loss.detach()))
    sum_gradients(optimizer.parameters)
    return values, optimizer.step(learning_rate)


@dataclass
class UpdateTotals:
    """What the micro-batches of a step report."""

    losses: list = field(default_factory=list)  # one a micro-batch
    reports: list = field(default_factory=list)  # their metrics
    grad_norms: list = field(default_factory=list)  # one an optimizer step
    learning_rate: float = 0.0  # of the latest one

    def means(self):
        """Loss and gradient norm a step, measures a token, of all processes.

        mismatch: mean |log pi_old - log pi_sampler|, 0 if the engine that
        samples were the one that trains; clip_share: of tokens.
        """
        sums = [
            sum(
                each.get(name, 0.0) * each["num_tokens"]
                for each in self.reports
            )
            for name in MEASURES
        ]
        num_tokens = sum(each["num_tokens"] for each in self.reports)
        values = torch.tensor(
            [sum(self.losses), num_tokens, *sums], dtype=torch.float64
        )
        loss, num_tokens, *sums = sum_over_processes(values).tolist()
        largest = max([0.0, *(each["mismatch_max"] for each in self.reports)])
        num_updates = len(self.grad_norms)
        return {
            "loss": loss / max(num_updates, 1),
            "grad_norm": sum(self.grad_norms) / max(num_updates, 1),
            "learning_rate": self.learning_rate,
            "num_updates": num_updates,
            "tokens_learned": num_tokens,
            **{
                name: value / max(num_tokens, 1)
                for name, value in zip(MEASURES, sums, strict=True)
            },
            "mismatch_max": float(gather_rows(torch.tensor([largest])).max()),
        }


def row_logprobs(model, rows, temperature):
    """(rows, tokens - 1) float32 log-probs of completion tokens, 0 elsewhere.

    With `kept_ids` they are those over the kept tokens. Rows without
    key_mask begin in column 0: what pads their ends is never looked at.
    """
    mask = rows["mask"]
    kept_ids = rows.get("kept_ids")
    key_mask = rows.get("key_mask")
    hidden = model.hidden_states(rows["token_ids"], key_mask=key_mask)
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
    named = {name: rows[name] for name in SCORED if name in rows}
    named["row"] = torch.arange(len(logprobs), device=logprobs.device)
    for micro in micro_batches(named, config.micro_batch_size):
        values = row_logprobs(model, micro, config.temperature)
        logprobs[micro["row"][:, None], micro["columns"]] = values
    return logprobs


def micro_batches(rows, size):
    """Parts of at most `size` rows of like length, with little padding."""
    key_mask = rows["key_mask"]
    for part in like_lengths(key_mask.sum(dim=1).tolist(), max_rows=size):
        index = torch.tensor(part, device=key_mask.device)
        yield align({name: value[index] for name, value in rows.items()})


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


def align(rows):
    """The rows moved to begin in column 0, as wide as the longest.

        . . p p c c E .         p p c c E .     p prompt   c completion
        p p p p c E . .   ->    p p p p c E     E end token   . padding

    A causal model needs no key_mask for them. `columns` tells where column t
    of the mask stood; past a row's end it wraps around to its left padding.
    """
    key_mask = rows["key_mask"]
    width = int(key_mask.sum(dim=1).max())
    starts = key_mask.int().argmax(dim=1, keepdim=True)  # (rows, 1)
    steps = torch.arange(width, device=key_mask.device)
    aligned = {}
    for name, value in rows.items():
        if name == "key_mask":
            continue
        if value.dim() > 1:  # (rows, tokens, …), or one column less
            missing = key_mask.shape[1] - value.shape[1]
            columns = (starts + steps[: width - missing]) % value.shape[1]
            index = columns.view(*columns.shape, *[1] * (value.dim() - 2))
            value = value.take_along_dim(index, dim=1)
            if missing:
                aligned["columns"] = columns
        aligned[name] = value
    return aligned


@contextmanager
def checkpointed_layers(model, is_active=True):
    """Recompute each layer in the backward pass instead of keeping it."""
    if is_active:
        for layer in model.layers:
            layer.forward = functools.partial(
                checkpoint, layer.forward, use_reentrant=False
            )
    try:
        yield
    finally:
        if is_active:
            for layer in model.layers:
                del layer.forward  # the class's own shows again
