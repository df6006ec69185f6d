"""The loop around a training step: metrics, validation, checkpoints, resume.

What a step does comes in as a callable, so that distillation on traces and
on the student's own answers share everything else. Rows of metrics.jsonl:
one a step, and row 0 for the model before training.
"""

import contextlib
import re
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from reasoning_from_scratch.llm import load_model, save_model
from reasoning_from_scratch.plots import plot_curves

from .optimization import MasterAdamW

LOSS_CURVES = {"training": "loss", "validation": "validation_loss"}


@dataclass
class TrainingLoop:
    """Repeats a step and keeps what it reports.

    Args:
        model, tokenizer: the model is changed in place. To resume, pass the
            one that the run started from.
        optimizer: a `MasterAdamW` over its parameters.
        num_steps: steps of the whole run.
        evaluate: callable () -> dict with "accuracy" or "validation_loss",
            or both; the best checkpoint is chosen by the first it has.
        eval_every: steps between two evaluations; the last one always is.
            A checkpoint follows each.
        run: a `RunFolder`; one with a checkpoint is resumed from its last.
        name: stands before the progress bar.
        progress: show the bar.
    """

    model: torch.nn.Module
    tokenizer: object
    optimizer: MasterAdamW
    num_steps: int
    evaluate: object
    eval_every: int
    run: object = None
    name: str = "training"
    progress: bool = True
    rows: list = field(default_factory=list)

    def train(self, take_step):
        """Take all steps that are left.

        Args:
            take_step: callable (number of the step, from 0) -> dict.

        Returns:
            list of dicts, the rows of metrics.jsonl.

        Raises:
            KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
        """
        done = self._start()
        bar = tqdm(
            total=self.num_steps,
            initial=done,
            desc=self.name,
            unit="step",
            disable=not self.progress,
            file=sys.stderr,
        )
        with bar, deferred_interrupt() as interrupted:
            while done < self.num_steps and not interrupted.is_set():
                start = time.perf_counter()
                metrics = take_step(done)
                metrics["seconds"] = time.perf_counter() - start
                done += 1
                is_due = done % self.eval_every == 0 or done == self.num_steps
                if is_due:
                    metrics |= self.evaluate()
                self._add({"step": done, **metrics})
                if is_due or interrupted.is_set():
                    self._save(done)
                bar.update()
                bar.set_postfix_str(_summary(metrics))
        if done < self.num_steps:
            raise KeyboardInterrupt(self._how_to_go_on(done))
        return self.rows

    def _start(self):
        """Resume if there is something to; else measure the start."""
        done = 0
        if self.run is not None:
            done = resume_training(self.run, self.model, self.optimizer)
            self.rows = self.run.read("metrics.jsonl")
        if done == 0:
            self._add({"step": 0, **self.evaluate()})
        return done

    def _add(self, row):
        self.rows.append(row)
        if self.run is not None:
            self.run.append("metrics.jsonl", row)

    def _save(self, step):
        """Write a checkpoint, note the best so far, draw the curves."""
        if self.run is None:
            return
        save_checkpoint(
            self.run, step, self.model, self.tokenizer, self.optimizer
        )
        saved = self.run.checkpoint_steps()
        scored = [
            (score_of(row), row["step"])
            for row in self.rows
            if row["step"] in saved and score_of(row) is not None
        ]
        if scored:
            best_score, best_step = max(scored)
            self.run.set_best(best_step, best_score)
        prune_checkpoints(self.run)
        # Curves need matplotlib, training does not
        with contextlib.suppress(ImportError):
            plot_losses(self.rows, self.run.path / "plot.png")

    def _how_to_go_on(self, step):
        if self.run is None:
            return f"stopped after step {step}; without a run nothing is saved"
        return (
            f"stopped after step {step}, which is saved in {self.run.path}; "
            "the same command with --resume goes on"
        )


def score_of(row):
    """What makes one checkpoint better than another; None: not measured."""
    if "accuracy" in row:
        return row["accuracy"]
    return -row["validation_loss"] if "validation_loss" in row else None


def plot_losses(rows, path=None):
    """Draw the losses of a run over its steps.

    Args:
        rows: rows of metrics.jsonl.
        path: also save the picture there.
    """
    curves = {}
    for label, name in LOSS_CURVES.items():
        points = [(row["step"], row[name]) for row in rows if name in row]
        if points:
            curves[label] = tuple(zip(*points, strict=True))
    return plot_curves(
        curves, path, xlabel="step", ylabel="loss (nats a token)"
    )


def _summary(metrics):
    """The end of the progress bar's line."""
    text = f"loss {metrics['loss']:.3f}"
    if "accuracy" in metrics:
        text += f", validation {metrics['accuracy']:.0%}"
    return text


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


@contextlib.contextmanager
def deferred_interrupt():
    """Note the first Ctrl-C instead of raising; a second one raises.

    Yields a `threading.Event` that is set once the user asked to stop, so
    that a loop can finish its step and save. Outside the main thread, where
    no signal can be caught, it is never set.
    """
    requested = threading.Event()

    def note(signum, frame):
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    previous = signal.signal(signal.SIGINT, note)
    try:
        yield requested
    finally:
        signal.signal(signal.SIGINT, previous)


TEST_ID = re.compile(r"(^|[-/_])test([-/_]|$)", re.IGNORECASE)


def refuse_test_split(problems):
    """Raise ValueError when a problem's id says that it is a test problem.

    Training on the problems that a claim is measured on would make the
    claim worthless.
    """
    for problem in problems:
        if TEST_ID.search(problem.id):
            raise ValueError(
                f"problem {problem.id!r} belongs to a test split; train on "
                "split='train' and watch split='validation'"
            )


def shuffled_indices(num_items, start, count, *, seed):
    """Places `start` to `start + count` in an endless shuffled order.

    Every pass over the items is a permutation of its own, which depends on
    the seed and the number of the pass alone: a cursor is all that a
    resumed run needs.
    """
    indices = []
    for place in range(start, start + count):
        epoch, offset = divmod(place, num_items)
        if not indices or offset == 0:
            generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
            order = torch.randperm(num_items, generator=generator).tolist()
        indices.append(order[offset])
    return indices
