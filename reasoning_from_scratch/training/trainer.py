"""What holds a training run together from step to step.

The data order, sampling a step's rollouts, evaluation on validation
problems, checkpoints, and going on after a kill to the same result: the
sampled tokens depend on the seed, the step and the problem, the data order
on a cursor, and nothing on the clock.
"""

import copy
import time
from dataclasses import dataclass

import torch

from reasoning_from_scratch.evaluation.evaluate import evaluate
from reasoning_from_scratch.llm import (
    SamplingConfig,
    load_model,
    save_model,
)

from .data import shuffled_indices
from .optimization import MasterAdamW
from .parallel import process_rank, share_of
from .progress import kl_to_start, peak_memory_gib, rollout_metrics
from .rollouts import ROW_TENSORS, collect_rollouts, join_rollouts
from .update import rollout_advantages, score_rows

KL_ROWS = 32  # rollouts a step whose distance to the start is measured
STEP_FILES = ("metrics.jsonl", "samples.jsonl")


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
    best: tuple = (0, -1.0)  # step and accuracy, by validation
    rows: tuple = ()  # metrics of the steps done before a resume

    @classmethod
    def start(cls, model, tokenizer, config, *, run=None):
        """Begin at step 0, or where the run's last checkpoint stands."""
        reference = None
        if config.track_kl or config.loss.kl_coef > 0:
            reference = copy.deepcopy(model).requires_grad_(False)
        steps = run.checkpoint_steps() if run is not None else []
        if steps:
            path = run.checkpoint_path(steps[-1])
            saved, _ = load_model(path, device=model.device, dtype=model.dtype)
            model.load_state_dict(saved.state_dict())
        optimizer = MasterAdamW(
            model,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
        )
        trainer = cls(model, tokenizer, config, optimizer, reference)
        if run is not None and process_rank() == 0:
            trainer.rewind_files(run, steps[-1] if steps else -1)
        if steps:
            trainer.restore(run, steps[-1])
        return trainer

    def restore(self, run, step):
        """Take up optimizer, cursor and best step as a checkpoint has them."""
        state = run.load_checkpoint_state(step)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.cursor = step, state["cursor"]
        self.best = tuple(state["best"])

    def rewind_files(self, run, step):
        """Drop the rows of steps that will be done again."""
        for file in STEP_FILES:
            rows = [row for row in run.read(file) if row["step"] <= step]
            run.rewrite(file, rows)
        self.rows = run.read("metrics.jsonl")

    def save(self, run):
        """Write a checkpoint; keep the best and the last."""
        if run is None or process_rank() > 0:
            return
        run.save_checkpoint(
            self.step,
            lambda folder: save_model(self.model, self.tokenizer, folder),
            {
                "optimizer": self.optimizer.state_dict(),
                "cursor": self.cursor,
                "best": self.best,
            },
        )
        best_step, accuracy = self.best
        if best_step > 0:
            run.set_best(best_step, accuracy)
        run.prune_checkpoints({self.step, best_step})

    def is_checkpoint_due(self):
        """After every so many steps, at a new best, and at the end."""
        return (
            self.step % self.config.checkpoint_every == 0
            or self.step == self.best[0]
            or self.step == self.config.steps
        )

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
        num_tokens = int(rollouts.mask.sum())
        for _ in range(config.dynamic_sampling):
            has_signal = rollout_advantages(rollouts, config).any(dim=1)
            num_missing = int((~has_signal).sum())
            if num_missing == 0:
                break
            kept = rollouts.select_prompts(has_signal.nonzero().flatten())
            more = self.collect(problems, num_missing, reward)
            num_tokens += int(more.mask.sum())
            rollouts = join_rollouts([kept, more])
        metrics["generation_seconds"] = time.perf_counter() - start
        metrics["tokens_generated"] = num_tokens
        if self.reference is not None:
            metrics["kl"] = self.measure_kl(rollouts)
        return rollouts, metrics

    def collect(self, problems, count, reward):
        """Rollouts of the next problems; this process's share of them."""
        config = self.config
        indices = shuffled_indices(
            len(problems), self.cursor, count, seed=config.seed
        )
        # A problem that comes again gets other random numbers
        seed = config.seed * 1_000_003 + self.cursor
        self.cursor += count
        return collect_rollouts(
            self.model,
            self.tokenizer,
            [problems[index] for index in share_of(indices)],
            prompt=config.prompt,
            group_size=config.group_size,
            sampling=SamplingConfig(temperature=config.temperature),
            max_new_tokens=config.max_new_tokens,
            reward=reward,
            require_end=config.require_end,
            seed=seed,
        )

    def measure_kl(self, rollouts):
        """Nats a token between the policy and the start, on some rows."""
        count = rollouts.mask.shape[0]
        rows = torch.arange(0, count, max(1, count // KL_ROWS))
        chosen = {name: getattr(rollouts, name)[rows] for name in ROW_TENSORS}
        ref_logprobs = score_rows(self.reference, chosen, self.config)
        return kl_to_start(chosen, ref_logprobs)

    def measure(self, validation):
        """What the step just done cost, and its accuracy when it is due."""
        metrics = {"peak_memory_gib": peak_memory_gib()}
        every = self.config.eval_every
        if every and (
            self.step % every == 0 or self.step == self.config.steps
        ):
            metrics |= self.evaluate(validation)
        if metrics.get("accuracy", -1.0) > self.best[1]:
            self.best = (self.step, metrics["accuracy"])
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
            "evaluation_seconds": time.perf_counter() - start,
        }
