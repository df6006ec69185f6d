"""GRPO training: sample, compare, update, and again.

`train_grpo` is the loop; what it calls stands in `rollouts` (sampling and
rewards), `update` (advantages, loss, gradient step), `trainer` (data order,
evaluation, checkpoints) and `progress` (metrics and curves).

Source: Shao et al. 2024, arXiv 2402.03300; DeepSeek-AI 2025 (R1-Zero),
arXiv 2501.12948: reasoning from a right/wrong signal alone.
"""

from .data import refuse_test_split
from .grpo_loss import grpo_loss
from .interrupts import deferred_interrupt
from .progress import TrainingLog, throughput
from .rewards import accuracy_reward
from .trainer import Trainer
from .update import update_policy


def train_grpo(
    model,
    tokenizer,
    problems,
    config,
    *,
    reward=accuracy_reward,
    validation=None,
    run=None,
    loss_function=grpo_loss,
    watch=None,
    progress=True,
):
    """Train a model by reinforcement learning with verifiable rewards.

    Args:
        model, tokenizer: as `load_model` returns them; the model is changed
            in place. To resume, pass the model that the run started from.
        problems: list of `Problem` of a train split.
        config: a `GRPOConfig`, for example a row of `GRPO_VARIANTS`.
        reward: callable (text, problem) -> float, a mapping of them by
            name, or a `RewardSet`.
        validation: problems for the curve and the choice of the best step.
        run: a `RunFolder` for metrics, samples and checkpoints; one that
            has a checkpoint is resumed from its last.
        loss_function: called as `grpo_loss` is, and returns what it does;
            for a loss of one's own (or one that is wrong on purpose).
        watch: callable (rows so far), called after each step; for live
            curves.
        progress: show a bar.

    Returns:
        list of dicts, one a step: the rows of metrics.jsonl.

    Raises:
        ValueError: problems of a test split.
        KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
    """
    refuse_test_split([*problems, *(validation or [])])
    trainer = Trainer.start(model, tokenizer, config, run=run)
    log = TrainingLog(
        config, trainer.rows, run=run, watch=watch, progress=progress
    )
    if trainer.step == 0 and config.eval_every:
        log.show(trainer.add({"step": 0, **trainer.evaluate(validation)}))
    with deferred_interrupt() as interrupted:
        while trainer.step < config.steps and not interrupted.is_set():
            # Stage 1: rollouts and rewards
            rollouts, metrics = trainer.sample(problems, reward)
            # Stage 2: advantages, loss and gradient step
            metrics |= update_policy(
                model,
                trainer.optimizer,
                rollouts,
                config,
                reference=trainer.reference,
                loss_function=loss_function,
            )
            # Stage 3: measure and save
            trainer.step += 1
            metrics |= throughput(metrics) | trainer.measure(validation)
            row = trainer.add({"step": trainer.step, **metrics})
            log.show(row, rollouts)
            trainer.save_if_due(run, is_last=interrupted.is_set())
    log.close()
    if trainer.step < config.steps:
        raise KeyboardInterrupt(_how_to_go_on(run, trainer.step))
    return trainer.rows


def _how_to_go_on(run, step):
    if run is None:
        return f"stopped after step {step}; without a run nothing is saved"
    return (
        f"stopped after step {step}, which is saved in {run.path}; the same "
        "command with --resume goes on"
    )
