"""The one loop around a training step: GRPO, distillation and pre-training.

What a step does comes in as a callable; shared are metrics.jsonl (one row a
step), validation, checkpoints (the best by it and the last), plot.png,
Ctrl-C, and going on after a kill to the weights of an uninterrupted run.
"""

import contextlib
import gc
import math
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from reasoning_from_scratch.evaluation import evaluate
from reasoning_from_scratch.llm import load_model, save_model
from reasoning_from_scratch.memory import (
    OutOfMemory,
    advised,
    decoding_advice,
    is_out_of_memory,
)
from reasoning_from_scratch.plots import figure_style
from reasoning_from_scratch.settings import get_settings

from .parallel import one_at_a_time, process_rank, sum_over_processes

# Metrics that plot.png shows, in the panels of the report
CURVES = ("accuracy", "step_by_step_accuracy", "direct_accuracy", "solve_rate")
CURVES += ("length", "entropy", "kl", "loss", "validation_loss")
# What the progress bar shows of a row
SUMMARY = ("solve_rate", "length", "loss", "tokens_per_second", "accuracy")


@dataclass
class TrainingLoop:
    """Repeats a step and keeps what it reports.

    A loop over a run that has a checkpoint begins where that left model,
    optimizer and rows. Pass the model that the run started from.
    """

    model: torch.nn.Module  # changed in place
    tokenizer: object
    optimizer: object  # has state_dict and load_state_dict
    num_steps: int  # of the whole run
    evaluate: object  # callable () -> dict of metrics, see `score_of`
    eval_every: int  # steps, and the last one; 0: never
    checkpoint_every: int  # steps; also the best, the last one and at Ctrl-C
    run: object = None  # a `RunFolder`
    name: str = "training"  # stands before the progress bar
    progress: bool = True  # show the bar
    watch: object = None  # callable (rows so far), after each step
    measures_start: bool = True  # row 0
    prefers_later: bool = False  # which of two equal checkpoints is better
    rows: list = field(default_factory=list)  # of metrics.jsonl
    done: int = 0  # steps

    def __post_init__(self):
        if self.run is not None:
            with one_at_a_time():
                self._resume()

    def train(self, take_step):
        """Call take_step(number from 0) -> metrics for all steps left.

        Returns the rows of metrics.jsonl. Raises ValueError where a loss, a
        gradient or a weight is not finite, before anything of that step is
        saved; KeyboardInterrupt after Ctrl-C, once the step is saved;
        OutOfMemory with what to try, once all whole steps are saved.
        """
        if self.done == 0 and self.measures_start and self.eval_every:
            self._add({"step": 0, **self._attempt(self._evaluate)})
        elif self.done and self._is_due(self.eval_every):
            self._catch_up()
        bar = tqdm(
            total=self.num_steps,
            initial=self.done,
            desc=self.name,
            unit="step",
            disable=not self.progress or process_rank() > 0,
            file=sys.stderr,
        )
        is_stopped = False
        with bar, deferred_interrupt(self.name) as interrupted:
            while self.done < self.num_steps and not is_stopped:
                row = self._step(take_step)
                bar.update()
                shown = [name for name in SUMMARY if name in row]
                bar.set_postfix({name: f"{row[name]:.3g}" for name in shown})
                is_evaluated = self._is_due(self.eval_every)
                is_saved = self._is_due(self.checkpoint_every)
                is_best = is_evaluated and self.done == self.best[0]
                # In any process, so that all stop together
                asked = torch.tensor(float(interrupted.is_set()))
                is_stopped = bool(sum_over_processes(asked))
                if is_saved or is_best or is_stopped:
                    self._save()
                if (is_evaluated or is_stopped) and self._writes:
                    # Curves need matplotlib, training does not
                    with contextlib.suppress(ImportError):
                        plot_training(self.rows, self.run.path / "plot.png")
        if self.done < self.num_steps:
            kept = "without a run nothing is saved"
            if self.run is not None:
                kept = f"saved in {self.run.path}; --resume goes on"
            raise KeyboardInterrupt(f"stopped after step {self.done}, {kept}")
        return self.rows

    def _step(self, take_step):
        """Take a step, evaluate where that is due, and note the row."""
        start = time.perf_counter()
        metrics = self._attempt(take_step, self.done)
        metrics["seconds"] = time.perf_counter() - start
        self._refuse_not_finite(metrics)
        self.done += 1
        row = {"step": self.done, **metrics}
        if self._is_due(self.eval_every):
            row |= self._attempt(self._evaluate, row=row)
        self._add(row)
        return row

    @property
    def _writes(self):
        """Whether this process keeps the files of a run."""
        return self.run is not None and process_rank() == 0

    @property
    def best(self):
        """Step and score of the best evaluation after the start."""
        scored = [
            (row["step"], score_of(row))
            for row in self.rows
            if row["step"] > 0 and score_of(row) is not None
        ]
        if self.prefers_later:
            scored.reverse()
        return max(scored, key=lambda pair: pair[1], default=(0, 0.0))

    def _is_due(self, every):
        is_last = self.done == self.num_steps
        return bool(every) and (self.done % every == 0 or is_last)

    def _refuse_not_finite(self, metrics):
        """Stop before a broken step is counted, let alone saved."""
        broken = [
            f"{name} is {metrics[name]}"
            for name in ("loss", "grad_norm")
            if not math.isfinite(metrics.get(name, 0.0))
        ]
        if not all(p.isfinite().all() for p in self.model.parameters()):
            broken.append("weights are not finite")
        if broken:
            raise ValueError(
                f"step {self.done + 1}: {' and '.join(broken)}; nothing of "
                "this step is saved. The learning rate may be too high: try "
                "a lower one under another --run name"
            )

    def _evaluate(self):
        return self.evaluate() if process_rank() == 0 else {}

    def _attempt(self, work, *arguments, row=None):
        """Do a part of a step; where memory ends, save what is whole.

        `row` is that of a step done, whose evaluation the part is.
        """
        num_updates = self.optimizer.num_updates
        try:
            return work(*arguments)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            advice = str(error)
            if not isinstance(error, OutOfMemory):
                advice = "out of memory; end other programs"
        # The error is gone, and with it what kept the activations
        for parameter in self.model.parameters():
            parameter.grad = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if row is not None:
            self._add(row)
        kept = "without a run nothing is saved"
        if self.run is not None:
            # A step half done is left out: the last checkpoint is before it
            is_whole = self.optimizer.num_updates == num_updates
            steps = self.run.checkpoint_steps()
            if is_whole and self.done and self.done not in steps:
                with contextlib.suppress(MemoryError, RuntimeError):
                    self._save()
            last = max(self.run.checkpoint_steps(), default=0)
            kept = f"the command with it and --resume goes on at step {last}"
        raise OutOfMemory(f"after step {self.done}: {advice}; {kept}")

    def _catch_up(self):
        """Evaluate the last step where memory ended before that was done."""
        if score_of(self.rows[-1]) is None:
            self.rows[-1] |= self._attempt(self._evaluate)
            if self._writes:
                self.run.rewrite("metrics.jsonl", self.rows)
                self._note_best()

    def _add(self, row):
        self.rows.append(row)
        if self._writes:
            self.run.append("metrics.jsonl", row)
        if self.watch is not None and process_rank() == 0:
            self.watch(self.rows)

    def _resume(self):
        """Take up the last checkpoint; steps after it are forgotten."""
        run = self.run
        self.done = max(run.checkpoint_steps(), default=0)
        for file in ("metrics.jsonl", "samples.jsonl"):
            rows = run.read(file)
            kept = [r for r in rows if self.done and r["step"] <= self.done]
            if kept != rows:
                run.rewrite(file, kept)
        if self.done == 0:
            return
        self.rows += run.read("metrics.jsonl")
        path = run.checkpoint_path(self.done)
        saved, _ = load_model(
            path, device=self.model.device, dtype=self.model.dtype
        )
        self.model.load_state_dict(saved.state_dict())
        state = run.load_checkpoint_state(self.done)
        self.optimizer.load_state_dict(state["optimizer"])
        self._note_best()  # the kill may have come just before

    def _save(self):
        """Write a checkpoint; keep it, to resume, and the best, to use."""
        if not self._writes:
            return
        self.run.save_checkpoint(
            self.done,
            lambda folder: save_model(self.model, self.tokenizer, folder),
            {"optimizer": self.optimizer.state_dict()},
        )
        self._note_best()
        self.run.prune_checkpoints({self.done, self.best[0]})

    def _note_best(self):
        step, score = self.best
        if step > 0:
            self.run.set_best(step, score)


def score_of(row):
    """What makes one checkpoint better than another; None: not measured."""
    if "accuracy" in row:
        return row["accuracy"]
    return -row["validation_loss"] if "validation_loss" in row else None


@contextlib.contextmanager
def deferred_interrupt(name="training"):
    """Yield an event that the first Ctrl-C sets; a second one raises."""
    requested = threading.Event()

    def note(signum, frame):
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()
        message = "stopping after this step; Ctrl-C again stops at once"
        with contextlib.suppress(RuntimeError):  # the bar is being written
            print(f"\n{name}: {message}", file=sys.stderr, flush=True)

    if threading.current_thread() is not threading.main_thread():
        yield requested  # no signal can be caught here
        return
    previous = signal.signal(signal.SIGINT, note)
    try:
        yield requested
    finally:
        signal.signal(signal.SIGINT, previous)


def shuffled_indices(num_items, start, count, *, seed):
    """Places `start` to `start + count` in an endless shuffled order.

    Every pass is a permutation that seed and number of the pass alone decide.
    """
    indices = []
    for place in range(start, start + count):
        epoch, offset = divmod(place, num_items)
        if not indices or offset == 0:
            generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
            order = torch.randperm(num_items, generator=generator).tolist()
        indices.append(order[offset])
    return indices


def measure_accuracy(model, tokenizer, problems, config):
    """Greedy accuracy with its interval; nothing without problems."""
    problems = list(problems or ())[: config.eval_problems]
    if not problems:
        return {}
    start = time.perf_counter()
    rows = config.decoding_batch_size or get_settings(model).batch_size
    with advised(decoding_advice(min(rows, len(problems)))):
        result = evaluate(
            model,
            tokenizer,
            problems,
            prompt=config.prompt,
            max_new_tokens=config.max_new_tokens,
            batch_size=rows,
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


def plot_training(rows, path=None):
    """Draw what the rows of metrics.jsonl measured, and save it at `path`."""
    from .report import describe_panel, fill_axes, panels_of

    runs = {"the run": rows}
    panels = [each for each in panels_of(runs) if each.metric in CURVES]
    height = max(1, math.ceil(len(panels) / 2))
    with figure_style() as pyplot:
        figure, grid = pyplot.subplots(
            height, 2, figsize=(9, 2.6 * height), squeeze=False
        )
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid.flat, panels, strict=False):
            axes.set(title=f"{panel.title}, {panel.unit}", xlabel="step")
            fill_axes(axes, panel, runs)
        words = " ".join(describe_panel(panel, runs) for panel in panels)
        figure.alt_text = f"Training curves. {words}"
        if path is not None:
            figure.savefig(path)
        pyplot.close(figure)
    return figure
