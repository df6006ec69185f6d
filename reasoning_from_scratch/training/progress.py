"""What a training run tells while it runs: metrics, samples, curves.

    metrics.jsonl   one row a step
    samples.jsonl   some completions in full, for reading
    plot.png        redrawn at every evaluation

Row 0 holds the accuracy before the first step, where there is one.
"""

import contextlib
import sys

import torch
from tqdm import tqdm

from reasoning_from_scratch.plots import figure_style

from .objective import kl_per_token
from .parallel import num_processes, process_rank, sum_over_processes

SAMPLES_PER_STEP = 4  # one completion of each of the first prompts
PANELS = {  # title -> the metrics drawn in it
    "right answers (share)": ("solve_rate", "accuracy"),
    "completion length (tokens)": ("length",),
    "entropy (nats a token)": ("entropy",),
    "KL to the start (nats a token)": ("kl",),
}


class TrainingLog:
    """Writes a run's rows and samples and moves the progress bar.

    Args:
        config: a `GRPOConfig`.
        rows: the list that the trainer adds its rows to.
        run: a `RunFolder`, if files are wanted; the first process writes.
        watch: callable (rows), if somebody else draws them too.
        progress: show the bar.
    """

    def __init__(self, config, rows, *, run=None, watch=None, progress=True):
        is_first = process_rank() == 0
        self.config = config
        self.rows = rows
        self.run = run if is_first else None
        self.watch = watch if is_first else None
        self.bar = tqdm(
            total=config.steps,
            initial=rows[-1]["step"] if rows else 0,
            desc="grpo",
            unit="step",
            disable=not (progress and is_first),
            file=sys.stderr,
        )

    def show(self, row, rollouts=None):
        """Take in one step's row and, now and then, its texts."""
        if self.run is not None:
            self.run.append("metrics.jsonl", row)
            if rollouts is not None and self._is_sampled(row["step"]):
                for sample in reading_samples(row["step"], rollouts):
                    self.run.append("samples.jsonl", sample)
            if "accuracy" in row:
                self._draw()
        if self.watch is not None:
            self.watch(self.rows)
        if row["step"] > 0:
            self.bar.update()
            self.bar.set_postfix_str(_summary(row))

    def close(self):
        """Draw the last curve and leave the bar where it stands."""
        self.bar.close()
        if self.run is not None and self.rows:
            self._draw()

    def _is_sampled(self, step):
        return step == 1 or step % self.config.sample_every == 0

    def _draw(self):
        # Curves need matplotlib, training does not
        with contextlib.suppress(ImportError):
            plot_training(self.rows, self.run.path / "plot.png")


def rollout_metrics(rollouts):
    """What a batch of rollouts shows of the policy, over all processes.

    reward: mean; solve_rate: share whose first reward is 1 or more;
    no_signal: share of groups in which all rewards are equal; length: mean
    tokens; truncated: share; entropy: nats a token, estimated without bias
    by minus the mean log-prob of the sampled tokens.
    """
    rewards, mask = rollouts.rewards, rollouts.mask
    is_flat = (rewards == rewards[:, :1]).all(dim=1)
    values = {
        "reward": rewards.mean(),
        "solve_rate": solve_rates(rollouts).mean(),
        "no_signal": is_flat.float().mean(),
        "length": rollouts.lengths.float().mean(),
        "truncated": rollouts.truncated.float().mean(),
        "entropy": -rollouts.sampler_logprobs[mask].mean(),
        "reward_failures": rollouts.num_reward_failures * num_processes(),
    }
    names = rollouts.reward_set.names
    if len(names) > 1:
        for index, name in enumerate(names):
            values[f"reward_{name}"] = rollouts.reward_parts[..., index].mean()
    stacked = torch.tensor([float(value) for value in values.values()])
    means = sum_over_processes(stacked.double()) / num_processes()
    return dict(zip(values, means.tolist(), strict=True))


def solve_rates(rollouts):
    """(prompts,) share of a prompt's rollouts whose first reward is >= 1."""
    return (rollouts.reward_parts[..., 0] >= 1).float().mean(dim=1)


def throughput(metrics):
    """Tokens a second of a step's stages, over all processes.

    Generation includes the rewards. A stage that had nothing to do (scoring
    on-policy, an update without signal) shows 0.
    """
    counts = {
        "generation": metrics["tokens_generated"],
        "scoring": metrics["tokens_scored"],
        "update": metrics["tokens_learned"],
    }
    return {
        f"{stage}_tokens_per_second": count / metrics[f"{stage}_seconds"]
        for stage, count in counts.items()
    }


def kl_to_start(rows, ref_logprobs):
    """Mean k3 estimate of KL(policy || start), nats a token."""
    kl = kl_per_token(rows["sampler_logprobs"], ref_logprobs)
    return float(kl[rows["mask"]].mean())


def reading_samples(step, rollouts):
    """One completion of each of the first prompts, as rows for a file."""
    size = rollouts.group_size
    for group, problem in enumerate(rollouts.problems[:SAMPLES_PER_STEP]):
        yield {
            "step": step,
            "problem": problem.problem,
            "answer": problem.answer,
            "completion": rollouts.texts[group * size],
            "reward": float(rollouts.rewards[group, 0]),
            "group_mean": float(rollouts.rewards[group].mean()),
            "truncated": bool(rollouts.truncated[group * size]),
        }


def peak_memory_gib():
    """Most memory held so far: of the GPU if there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    try:
        import resource
    except ImportError:  # Windows does not tell
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes or KiB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * unit / 2**30


def plot_training(rows, path=None):
    """Draw four curves of a run: right answers, length, entropy, KL.

    Args:
        rows: rows of metrics.jsonl.
        path: also save the picture there.
    """
    with figure_style() as pyplot:
        figure, axes = pyplot.subplots(2, 2, figsize=(9, 6), sharex=True)
        panels = zip(axes.flat, PANELS.items(), strict=True)
        for panel, (title, names) in panels:
            for name in names:
                points = [(r["step"], r[name]) for r in rows if name in r]
                if points:
                    marker = "o" if name == "accuracy" else None
                    x, y = zip(*points, strict=True)
                    panel.plot(x, y, marker=marker, label=name)
            panel.set_title(title)
        for panel in axes[1]:
            panel.set_xlabel("step")
        axes[0, 0].legend(["samples at training", "greedy, validation"])
        figure.alt_text = "Four training curves: " + ", ".join(PANELS) + "."
        if path is not None:
            figure.savefig(path)
        pyplot.close(figure)
    return figure


def _summary(row):
    """The end of the progress bar's line."""
    text = f"solved {row['solve_rate']:.0%}, {row['length']:.0f} tokens"
    if "accuracy" in row:
        text += f", validation {row['accuracy']:.0%}"
    return text
