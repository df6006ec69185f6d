"""Saving a training run and going on with it.

A checkpoint is a model folder in the official layout, so every one can be
evaluated or exported, with the optimizer's state beside it. Data order and
sampling depend on the seed and the step alone, so that nothing else has to
be kept: a resumed run ends in the very weights of an uninterrupted one.
"""

import torch

from reasoning_from_scratch.llm import load_model, save_model


def save_checkpoint(run, step, model, tokenizer, optimizer):
    """Write a step of a run, all or nothing.

    Args:
        run: a `RunFolder`.
        step: how many steps are done.
        model, tokenizer: saved in the official layout.
        optimizer: a `MasterAdamW`.
    """
    run.save_checkpoint(
        step,
        lambda folder: save_model(model, tokenizer, folder),
        {"optimizer": optimizer.state_dict()},
    )


def resume_training(run, model, optimizer):
    """Put model and optimizer where the run's last checkpoint left them.

    Metrics of steps that will be done again are forgotten.

    Returns:
        how many steps are done; 0 when the run has no checkpoint yet.
    """
    step = max(run.checkpoint_steps(), default=0)
    rows = run.read("metrics.jsonl") if step else []
    run.rewrite("metrics.jsonl", [r for r in rows if r["step"] <= step])
    if step == 0:
        return 0
    saved, _ = load_model(
        run.checkpoint_path(step), device=model.device, dtype=model.dtype
    )
    with torch.no_grad():
        model.load_state_dict(saved.state_dict())
    state = run.load_checkpoint_state(step)
    optimizer.load_state_dict(state["optimizer"])
    return step


def prune_checkpoints(run):
    """Keep the last checkpoint, to resume, and the best, to use."""
    keep = {max(run.checkpoint_steps()), run.best_step()}
    run.prune_checkpoints(keep - {None})
