"""Pre-training of the pocket models, from random weights to a base model.

Every step draws its own batch from (seed, step), so an interrupted run goes
on to the same weights, bit for bit. Matrices learn by Muon, embeddings and
norms by AdamW; the step size warms up, stays, and falls to zero.
"""

from __future__ import annotations

import functools
import time

import torch
from torch.nn import functional as F

from reasoning_from_scratch.llm.qwen3 import Qwen3Model
from reasoning_from_scratch.llm.weights import load_model, save_model
from reasoning_from_scratch.pocket.muon import Muon
from reasoning_from_scratch.pocket.packing import IGNORE, draw_batch
from reasoning_from_scratch.pocket.problem_sets import held_out_keys
from reasoning_from_scratch.pocket.validation import measure


def pretrain(config, run, *, tokenizer, progress=None):
    """Train a model, going on after the last checkpoint of the run.

    Args:
        config: a `PretrainConfig`.
        run: a `RunFolder`; gets metrics.jsonl and checkpoints.
        tokenizer: a `Qwen3Tokenizer`.
        progress: called with each step's row of metrics.

    Returns:
        The trained `Qwen3Model`.
    """
    model = start_model(config)
    optimizers = build_optimizers(model, config)
    done = _restore(run, model, optimizers)
    compute_loss = functools.partial(packed_loss, model)
    if config.is_compiled:
        compute_loss = torch.compile(compute_loss)
    half = torch.autocast("cpu", torch.bfloat16, enabled=config.is_bfloat16)
    for step in range(done, config.steps):
        set_step_size(optimizers, config, step)
        batch = training_batch(config, tokenizer, step)
        row = {"step": step + 1}
        with half:
            row |= train_step(compute_loss, optimizers, batch)
        is_last = step + 1 == config.steps
        if is_last or (step + 1) % config.eval_every == 0:
            row |= measure(model, tokenizer, config)
        run.append("metrics.jsonl", row)
        if progress:
            progress(row)
        if is_last or (step + 1) % config.checkpoint_every == 0:
            _save(run, step + 1, model, tokenizer, optimizers)
    return model.eval()


def start_model(config):
    """New weights, or those of the model to continue from."""
    if config.init_from:
        model, _ = load_model(
            config.init_from, device="cpu", dtype=torch.float32
        )
        return model.train()
    model = Qwen3Model(config.model).init_weights(config.seed)
    for layer in model.layers:  # sharper attention: digits are to be copied
        for norm in (layer.self_attn.q_norm, layer.self_attn.k_norm):
            torch.nn.init.constant_(norm.weight, 1.5)
    return model.train()


def build_optimizers(model, config):
    """Muon for the matrices of the blocks, AdamW for everything else."""
    is_matrix = {
        name: p.dim() == 2 and name.startswith("layers.")
        for name, p in model.named_parameters()
    }
    matrices = [p for n, p in model.named_parameters() if is_matrix[n]]
    others = [p for n, p in model.named_parameters() if not is_matrix[n]]
    return [
        Muon(matrices, lr=config.matrix_lr),
        torch.optim.AdamW(
            others, lr=config.other_lr, betas=(0.9, 0.95), weight_decay=0.0
        ),
    ]


def train_step(compute_loss, optimizers, batch):
    """One update; returns loss and speed as fields of a metrics row."""
    started = time.perf_counter()
    loss = compute_loss(batch.token_ids, batch.targets, batch.document_ids)
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    num_tokens = int((batch.document_ids >= 0).sum())
    seconds = time.perf_counter() - started
    return {"loss": loss.item(), "tokens_per_second": num_tokens / seconds}


def step_size(config, step):
    """Share of the full step size: warm-up, plateau, linear decay to 0."""
    warmup = (step + 1) / max(1, config.warmup_steps)
    decay = (config.steps - step) / (config.decay_share * config.steps)
    return min(1.0, warmup, decay)


def set_step_size(optimizers, config, step):
    """Scale the step size of both optimizers for this step of the config."""
    share = step_size(config, step)
    full = [config.matrix_lr, config.other_lr]
    for optimizer, lr in zip(optimizers, full, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = lr * share


def training_batch(config, tokenizer, step):
    """The batch of a step, a pure function of (seed, step)."""
    return draw_batch(
        tokenizer.encode,
        mix=config.mix,
        seed=f"{config.name}-{config.seed}-{step}",
        num_rows=config.num_rows,
        row_tokens=config.row_tokens,
        held_out=held_out_keys(),
    )


def packed_loss(model, token_ids, targets, document_ids):
    """Mean cross-entropy per completion token over packed rows, in nats."""
    hidden = model.hidden_states(token_ids, document_ids=document_ids)
    logits = model.lm_logits(hidden).float()  # (rows, row_tokens, vocab)
    return F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE
    )


def _restore(run, model, optimizers):
    """Load the last checkpoint, if any; returns the steps done."""
    steps = run.checkpoint_steps()
    done = steps[-1] if steps else 0
    if done:
        saved, _ = load_model(run.checkpoint_path(done), device="cpu")
        model.load_state_dict(saved.state_dict())
        states = run.load_checkpoint_state(done)["optimizers"]
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.load_state_dict(state)
    rows = [r for r in run.read("metrics.jsonl") if r["step"] <= done]
    run.rewrite("metrics.jsonl", rows)
    return done


def _save(run, step, model, tokenizer, optimizers):
    run.save_checkpoint(
        step,
        lambda folder: save_model(model, tokenizer, folder),
        {"optimizers": [optimizer.state_dict() for optimizer in optimizers]},
    )
    run.prune_checkpoints({step})
