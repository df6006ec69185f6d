"""GRPO training: sample, compare, update, and again.

`train_grpo` is the loop; what it calls stands in `rollouts` (sampling and
rewards), `update` (advantages, loss, gradient step), `trainer` (data order,
evaluation, checkpoints) and `progress` (metrics and curves).

Source: Shao et al. 2024, arXiv 2402.03300; DeepSeek-AI 2025 (R1-Zero),
arXiv 2501.12948: reasoning from a right/wrong signal alone.
"""

import copy
import functools
import time
from dataclasses import dataclass, field, replace

import torch

from reasoning_from_scratch.evaluation.evaluate import evaluate
from reasoning_from_scratch.llm import SamplingConfig

from .config import PER_REWARD
from .curriculum import Curriculum
from .loop import (
    deferred_interrupt,
    prune_checkpoints,
    refuse_test_split,
    resume_training,
    save_checkpoint,
    shuffled_indices,
)
from .objective import grpo_loss
from .optimization import MasterAdamW
from .parallel import (
    gather_rows,
    num_processes,
    one_at_a_time,
    process_rank,
    share_of,
    sum_over_processes,
)
from .progress import (
    TrainingLog,
    kl_to_start,
    peak_memory_gib,
    rollout_metrics,
    solve_rates,
    throughput,
)
from .rewards import RewardSet, accuracy_reward, overlong_length_term
from .rollouts import collect_rollouts, join_rollouts
from .update import rollout_advantages, score_rows, update_policy


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


KL_ROWS = 32  # rollouts a step whose distance to the start is measured


@dataclass
class Trainer:
    """All that changes from step to step, and what it is made of."""

    model: torch.nn.Module
    tokenizer: object
    config: object
    optimizer: MasterAdamW
    reference: torch.nn.Module | None  # the start, frozen
    step: int = 0  # steps done
    cursor: int = 0  # problems drawn from the shuffled order
    rows: list = field(default_factory=list)  # of metrics.jsonl
    curriculum: Curriculum | None = None  # made when problems are known

    @classmethod
    def start(cls, model, tokenizer, config, *, run=None):
        """Begin at step 0, or where the run's last checkpoint stands."""
        if config.dynamic_sampling and num_processes() > 1:
            raise ValueError(
                "dynamic_sampling draws other problems in each process; use "
                "it with one process, or set it to 0"
            )
        reference = None
        if config.track_kl or config.loss.kl_coef > 0:
            reference = copy.deepcopy(model).requires_grad_(False)
        optimizer = MasterAdamW(
            model,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            moment_dtype=getattr(torch, config.moments),
        )
        trainer = cls(model, tokenizer, config, optimizer, reference)
        if run is not None:
            with one_at_a_time():
                trainer.resume(run)
        return trainer

    def resume(self, run):
        """Take up weights, optimizer, rows and cursor of the last step."""
        self.step = resume_training(run, self.model, self.optimizer)
        self.rows = run.read("metrics.jsonl")
        samples = run.read("samples.jsonl")
        run.rewrite(
            "samples.jsonl", [s for s in samples if s["step"] <= self.step]
        )
        if self.step > 0:
            self.cursor = self.rows[-1]["problems_drawn"]
            self.note_best(run)  # the kill may have come just before

    def add(self, row):
        """Keep a step's row; its last fields are the state of the data."""
        state = {} if self.curriculum is None else self.curriculum.state
        self.rows.append({**row, **state, "problems_drawn": self.cursor})
        return self.rows[-1]

    def save_if_due(self, run, *, is_last=False):
        """Write a checkpoint every so many steps, at a new best, at the end.

        The best by validation and the last are kept.
        """
        if run is None or process_rank() > 0:
            return
        if not (
            is_last
            or self.step % self.config.checkpoint_every == 0
            or self.step in (self.best[0], self.config.steps)
        ):
            return
        save_checkpoint(
            run, self.step, self.model, self.tokenizer, self.optimizer
        )
        self.note_best(run)
        prune_checkpoints(run)

    def note_best(self, run):
        """Tell the run which step validation liked best, if any."""
        best_step, accuracy = self.best
        if best_step > 0:
            run.set_best(best_step, accuracy)

    @property
    def best(self):
        """Step and accuracy of the best evaluation after the start."""
        scored = [
            (row["step"], row["accuracy"])
            for row in self.rows
            if "accuracy" in row and row["step"] > 0
        ]
        return max(scored, key=lambda pair: pair[1], default=(0, 0.0))

    def sample(self, problems, reward):
        """Draw the next problems and collect this step's rollouts.

        With dynamic sampling, groups without signal are replaced by those
        of further problems, for so many rounds (DAPO, arXiv 2503.14476).

        Returns:
            (rollouts, metrics); the metrics are of all that was sampled.
        """
        start = time.perf_counter()
        config = self.config
        rollouts = self.collect(problems, config.prompts_per_step, reward)
        metrics = rollout_metrics(rollouts)
        num_tokens = rollouts.mask.sum()
        for _ in range(config.dynamic_sampling):
            has_signal = rollout_advantages(rollouts, config).any(dim=1)
            num_missing = int((~has_signal).sum())
            if num_missing == 0:
                break
            kept = rollouts.select_prompts(has_signal.nonzero().flatten())
            more = self.collect(problems, num_missing, reward)
            num_tokens = num_tokens + more.mask.sum()
            rollouts = join_rollouts([kept, more])
        metrics["generation_seconds"] = time.perf_counter() - start
        metrics["tokens_generated"] = int(sum_over_processes(num_tokens))
        if self.reference is not None:
            metrics["kl"] = self.measure_kl(rollouts)
        return rollouts, metrics

    def collect(self, problems, count, reward):
        """Rollouts of the next problems; this process's share of them."""
        config = self.config
        indices = self.choose(problems, count)
        # A problem that comes again gets other random numbers
        seed = config.seed * 1_000_003 + self.cursor
        self.cursor += count
        rollouts = collect_rollouts(
            self.model,
            self.tokenizer,
            [problems[index] for index in share_of(indices)],
            prompt=config.prompt,
            group_size=config.group_size,
            sampling=SamplingConfig(
                temperature=config.temperature,
                top_p=config.top_p,
                top_k=config.top_k,
            ),
            keep_sampling_mask=config.keep_sampling_mask,
            max_new_tokens=config.max_new_tokens,
            reward=reward_of(config, reward),
            require_end=config.require_end,
            seed=seed,
        )
        if self.curriculum is not None:
            levels = [problems[index].level for index in indices]
            solved = gather_rows(solve_rates(rollouts)).tolist()
            self.curriculum.update(levels, solved)
        return rollouts

    def choose(self, problems, count):
        """Places of the next problems: in order, or by the curriculum."""
        target, seed = self.config.curriculum, self.config.seed
        if target is None:
            return shuffled_indices(
                len(problems), self.cursor, count, seed=seed
            )
        if self.curriculum is None:
            row = self.rows[-1] if self.rows else None
            self.curriculum = Curriculum.of(
                problems, target, seed=seed, row=row
            )
        return self.curriculum.draw(count, self.cursor)

    def measure_kl(self, rollouts):
        """Nats a token between the policy and the start, on some rows."""
        count = rollouts.mask.shape[0]
        rows = torch.arange(0, count, max(1, count // KL_ROWS))
        chosen = {
            name: values[rows] for name, values in rollouts.row_tensors.items()
        }
        ref_logprobs = score_rows(self.reference, chosen, self.config)
        return kl_to_start(chosen, ref_logprobs)

    def measure(self, validation):
        """What the step just done cost, and its accuracy when it is due."""
        metrics = {"peak_memory_gib": peak_memory_gib()}
        every = self.config.eval_every
        is_last = self.step == self.config.steps
        if every and (self.step % every == 0 or is_last):
            metrics |= self.evaluate(validation)
        return metrics

    def evaluate(self, validation):
        """Greedy accuracy on validation problems; {} without any."""
        if not validation or process_rank() > 0:
            return {}
        start = time.perf_counter()
        result = evaluate(
            self.model,
            self.tokenizer,
            validation[: self.config.eval_problems],
            prompt=self.config.prompt,
            max_new_tokens=self.config.max_new_tokens,
            progress=False,
        )
        return {
            "accuracy": result.accuracy,
            "accuracy_low": result.low,
            "accuracy_high": result.high,
            "greedy_length": result.mean_tokens,
            "greedy_truncated": result.truncated,
            "evaluation_seconds": time.perf_counter() - start,
        }


def reward_of(config, reward):
    """The rewards of a run: those given and what the config adds to them.

    Raises:
        ValueError: one reward where several are to be told apart, or a
            second term for the length.
    """
    rewards = RewardSet.of(reward)
    if config.overlong_share > 0:
        if rewards.length_term is not None:
            raise ValueError(
                "overlong_share adds a reward for the length, and this one "
                "has a length_term already; leave out one of them"
            )
        buffer = max(1, round(config.overlong_share * config.max_new_tokens))
        term = functools.partial(
            overlong_length_term, limit=config.max_new_tokens, buffer=buffer
        )
        rewards = replace(rewards, length_term=term)
    if config.advantages == PER_REWARD and len(rewards.names) < 2:
        raise ValueError(
            "advantages 'per_reward' normalise several rewards apart, got "
            f"only {rewards.names[0]}; give a mapping of two or more, or "
            "use 'group_mean_batch_std'"
        )
    return rewards
