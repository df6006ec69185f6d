"""What a training run tells while it runs: metrics, samples, curves."""

import sys
import time

import torch

from reasoning_from_scratch.evaluation import evaluate
from reasoning_from_scratch.plots import figure_style

from .objective import kl_per_token
from .parallel import num_processes, sum_over_processes

SAMPLES_PER_STEP = 4  # one completion of each of the first prompts
PANELS = {  # title -> the metrics drawn in it and their labels
    "right answers (share)": {
        "solve_rate": "samples at training",
        "accuracy": "greedy, validation",
        "direct_accuracy": "direct",
        "step_by_step_accuracy": "step by step",
    },
    "completion length (tokens)": {"length": ""},
    "entropy (nats a token)": {"entropy": ""},
    "KL to the start (nats a token)": {"kl": ""},
    "loss (nats a token)": {
        "loss": "training",
        "validation_loss": "validation",
    },
}
SUMMARY = {  # metric -> how the progress bar shows it
    "solve_rate": "solved {:.0%}",
    "length": "{:.0f} tokens",
    "loss": "loss {:.3f}",
    "tokens_per_second": "{:,.0f} tokens/s",
    "accuracy": "validation {:.0%}",
}


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


def measure_accuracy(model, tokenizer, problems, config):
    """Greedy accuracy with its interval; nothing without problems."""
    problems = list(problems or ())[: config.eval_problems]
    if not problems:
        return {}
    start = time.perf_counter()
    result = evaluate(
        model,
        tokenizer,
        problems,
        prompt=config.prompt,
        max_new_tokens=config.max_new_tokens,
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
    """Draw the curves of a run over its steps.

    A run of reinforcement learning shows right answers, length, entropy and
    KL; its loss says nothing. The others show what they measured.

    Args:
        rows: rows of metrics.jsonl.
        path: also save the picture there.
    """
    measured = set().union(*rows)
    panels = [
        (title, {n: label for n, label in labels.items() if n in measured})
        for title, labels in PANELS.items()
        if measured & labels.keys()
    ]
    with figure_style() as pyplot:
        shape = (2, 2) if len(panels) > 2 else (1, max(1, len(panels)))
        figure, axes = pyplot.subplots(
            *shape, figsize=(9, 3 * shape[0]), sharex=True, squeeze=False
        )
        for panel, (title, labels) in zip(axes.flat, panels, strict=False):
            for name, label in labels.items():
                x, y = zip(
                    *((r["step"], r[name]) for r in rows if name in r),
                    strict=True,
                )
                marker = "o" if "accuracy" in name else None
                panel.plot(x, y, marker=marker, label=label)
            panel.set_title(title)
            if any(labels.values()):
                panel.legend()
        for panel in axes.flat[len(panels) :]:
            panel.set_axis_off()
        for panel in axes[-1]:
            panel.set_xlabel("step")
        titles = [title for title, _ in panels]
        figure.alt_text = f"Training curves: {', '.join(titles)}."
        if path is not None:
            figure.savefig(path)
        pyplot.close(figure)
    return figure


def summary(metrics):
    """The end of the progress bar's line."""
    return ", ".join(
        text.format(metrics[name])
        for name, text in SUMMARY.items()
        if name in metrics
    )
