"""The failure gallery: training runs that go wrong on purpose, and cured.

    python ch07/failures.py
    python ch07/failures.py lr-times-30 max-in-clip
    python ch07/failures.py --record
    rfs report runs/failed-* runs/cured-*

Each failure is one change to a run that works, and each run is repeated
from its seed. The names, symptoms, causes and cures are in `FAILURES`; the
runs end in runs/failed-NAME and runs/cured-NAME, and what `rfs report` warns
of must include the warning named here.

It is a script beside its notebook and no `rfs` command because what it holds
is wrong: a mistaken loss or reward goes into `train_grpo` from outside, as
an argument, and no such code stands in the package.
"""

import argparse
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import torch

from reasoning_from_scratch import load_model, load_problems
from reasoning_from_scratch.files import atomic_write_text
from reasoning_from_scratch.plots import figure_style
from reasoning_from_scratch.results import FOLDER
from reasoning_from_scratch.runs import RunFolder, runs_root
from reasoning_from_scratch.training import (
    GRPOConfig,
    LossConfig,
    RewardSet,
    accuracy_reward,
    format_reward,
    train_grpo,
)
from reasoning_from_scratch.training.diagnosis import diagnose
from reasoning_from_scratch.training.grpo import SAMPLES_PER_STEP
from reasoning_from_scratch.training.objective import (
    clip_ratio,
    grpo_loss,
    importance_ratio,
    loss_metrics,
    token_weights,
)
from reasoning_from_scratch.training.report import (
    HEIGHT,
    PANELS,
    STYLE,
    WIDTH,
    describe_panel,
    fill_axes,
    look_of,
    panels_of,
    take_picture,
)
from reasoning_from_scratch.training.rewards import LENGTH_TERMS

# What all runs begin with: half a chapter's batch, an eighth of its steps
HEALTHY = GRPOConfig(
    steps=12,
    prompts_per_step=8,
    group_size=8,
    max_new_tokens=96,
    eval_every=1,  # so that its curve has as many points as the others
    eval_problems=100,
    checkpoint_every=1000,
    sample_every=4,
    prompt="step-by-step",
)
RECORD = FOLDER / "curves" / "ch07-failures.jsonl"  # what --record writes
LEFT_OUT = ("seconds", "per_second", "memory_gib")  # what no curve shows
FAST = {
    "steps": 2,
    "prompts_per_step": 4,
    "group_size": 2,
    "eval_problems": 16,
}


@dataclass(frozen=True)
class Setup:
    """What goes into `train_grpo`."""

    config: GRPOConfig = HEALTHY
    reward: object = accuracy_reward
    loss_function: Callable = grpo_loss
    wrap_tokenizer: Callable = field(default=lambda tokenizer: tokenizer)


@dataclass(frozen=True)
class Failure:
    """One mistake: what it looks like, why, and how to mend it."""

    change: str
    symptom: str  # in the curves
    cause: str
    cure: str
    warning: str  # of `diagnosis.RULES`
    wrong: Setup
    right: Setup  # the same run, cured


def max_clip_loss(
    logprobs,
    *,
    old_logprobs,
    advantages,
    mask,
    config,
    normaliser,
    **unused,
):
    """The clipped loss with the maximum, which is wrong: see `min`."""
    ratio = importance_ratio(logprobs, old_logprobs, mask)
    clipped = clip_ratio(ratio, config.clip_low, config.clip_high)
    advantages = advantages.unsqueeze(1).expand_as(ratio)
    objective = torch.maximum(ratio * advantages, clipped * advantages)
    weights = token_weights(mask.to(ratio.dtype), config)
    loss = -(weights * objective).sum() / normaliser
    return loss, loss_metrics(ratio, advantages, mask, config)


class WithoutEnd:
    """A tokenizer that has forgotten which token ends a text."""

    stop_ids = ()

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


def lines_reward(text, problem):
    """A tenth for every line of work: thinking longer must be better."""
    return 0.1 * text.count("\n")


def kl_setup(estimator):
    """A large step, held by nothing but the KL term."""
    loss = LossConfig(kl_coef=3.0, kl_estimator=estimator)
    return Setup(replace(HEALTHY, loss=loss, learning_rate=2e-3))


STALE = replace(HEALTHY, minibatches=4, epochs=4, learning_rate=3e-4, steps=8)
BRIEF = replace(HEALTHY, learning_rate=5e-4, steps=16)
LONG = replace(HEALTHY, learning_rate=1e-3, require_end=False, steps=20)
LINES = RewardSet({"accuracy": accuracy_reward, "lines": lines_reward})

FAILURES = {
    "lr-times-30": Failure(
        change="learning rate 3e-3 instead of 1e-4",
        symptom="accuracy falls within three steps, KL passes 1",
        cause="each step leaves the region where the samples say anything",
        cure="back to 1e-4; clip the gradient; watch KL from step 1",
        warning="accuracy_drop",
        wrong=Setup(replace(HEALTHY, learning_rate=3e-3)),
        right=Setup(),
    ),
    "missing-end": Failure(
        change="the tokenizer's list of end tokens is empty",
        symptom="every answer runs to the token limit, no reward, no signal",
        cause="the sampler does not know when a text is over",
        cure="the end token of the chat or base format, in the tokenizer's "
        "files",
        warning="truncation",
        wrong=Setup(replace(HEALTHY, steps=8), wrap_tokenizer=WithoutEnd),
        right=Setup(),
    ),
    "k1-loss": Failure(
        change='KL term with kl_estimator="k1" in the loss',
        symptom="KL grows as if there were no KL term",
        cause="the expected gradient of k1 is zero: the term adds noise, "
        "and no pull",
        cure='kl_estimator="k2", or k3 with kl_ratio_weighted=True',
        warning="kl_runaway",
        wrong=kl_setup("k1"),
        right=kl_setup("k2"),
    ),
    "max-in-clip": Failure(
        change="max instead of min in the clipped objective",
        symptom="accuracy falls, though ratios look no wilder than before",
        cause="the maximum keeps the gradient just where the clip should "
        "end it",
        cure="torch.minimum, for both signs of the advantage",
        warning="accuracy_drop",
        wrong=Setup(STALE, loss_function=max_clip_loss),
        right=Setup(STALE),
    ),
    "format-reward": Failure(
        change="a reward for any box, the sooner the better",
        symptom="reward goes up, accuracy goes down",
        cause="the reward pays for the form, and the form is easy",
        cure="pay for form and brevity only when the answer is right",
        warning="reward_hacking",
        wrong=Setup(
            BRIEF,
            reward=RewardSet(
                {"format": format_reward}, length_term=LENGTH_TERMS["target"]
            ),
        ),
        right=Setup(
            BRIEF,
            reward=RewardSet(
                {"accuracy": accuracy_reward},
                length_term=LENGTH_TERMS["target"],
            ),
        ),
    ),
    "length-explosion": Failure(
        change="a tenth of a point for each line of work",
        symptom="answers grow until the token limit cuts them",
        cause="length pays, and nothing speaks against it",
        cure="overlong shaping: a ramp to -1 before the limit",
        warning="length_growth",
        wrong=Setup(LONG, reward=LINES),
        right=Setup(replace(LONG, overlong_share=0.5), reward=LINES),
    ),
}


@dataclass(frozen=True)
class Picture:
    """An SVG that a notebook shows by itself."""

    svg: str = field(repr=False)
    alt_text: str

    def _repr_svg_(self):
        return self.svg


def plot_runs(runs, metrics):
    """Draw the report's panels of some metrics on one white sheet.

    `runs` maps a name to its rows of metrics.jsonl; returns a `Picture`.
    """
    known = [panel.metric for panel in PANELS]
    if unknown := set(metrics) - set(known):
        raise ValueError(
            f"no panel shows {', '.join(sorted(unknown))}; "
            f"there are {', '.join(known)}"
        )
    panels = [panel for panel in panels_of(runs) if panel.metric in metrics]
    if not panels:
        raise ValueError("none of these metrics was measured in these runs")
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    size = (columns * WIDTH / 72, (rows * (HEIGHT + 30) + 30) / 72)
    with figure_style() as pyplot, pyplot.rc_context(STYLE):
        figure, grid = pyplot.subplots(
            rows, columns, figsize=size, squeeze=False
        )
        notes = []
        for axes, panel in zip(grid.flat, panels, strict=False):
            axes.set_title(f"{panel.title}, {panel.unit}")
            notes += fill_axes(axes, panel, runs)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        marks = [
            pyplot.Line2D([], [], color=color, linewidth=4, linestyle=dash)
            for color, dash in map(look_of, range(len(runs)))
        ]
        legend = figure.legend(
            marks, list(runs), loc="outside upper left", ncols=len(runs)
        )
        figure.get_layout_engine().set(hspace=0.05, wspace=0.05)
        for text in legend.get_texts():
            text.set_parse_math(False)
        words = " ".join(describe_panel(panel, runs) for panel in panels)
        return Picture(take_picture(figure, words, notes, "#ffffff"), words)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help=", ".join(FAILURES))
    parser.add_argument("--record", action="store_true", help="keep curves")
    args = parser.parse_args()
    card = {}
    for name in args.names or FAILURES:
        for run_name, rows in run_pair(name).items():
            found = [finding.name for finding in diagnose(rows)]
            card[run_name] = found
            print(f"{run_name:24} {', '.join(found) or 'nothing'}")
        if args.record:
            kept = recorded() | {key: record(key) for key in card}
            lines = (json.dumps(entry) + "\n" for entry in kept.values())
            atomic_write_text(RECORD, "".join(lines))
    print(json.dumps(card))


def record(run_name):
    """What is kept of a finished run: config, rounded curves, samples."""
    run = RunFolder.open(runs_root() / run_name)
    rows = [
        {
            key: float(f"{value:.5g}") if isinstance(value, float) else value
            for key, value in row.items()
            if not key.endswith(LEFT_OUT)
        }
        for row in run.read("metrics.jsonl")
    ]
    samples = run.read("samples.jsonl")[-SAMPLES_PER_STEP:]
    kept = {"config": run.config, "rows": rows, "samples": samples}
    return {"run": run_name} | kept


def recorded():
    """The runs that `--record` kept: name -> what `record` returns."""
    if not RECORD.exists():
        return {}
    lines = map(json.loads, RECORD.read_text("utf-8").splitlines())
    return {line["run"]: line for line in lines}


def run_pair(name, *, is_fast=None):
    """A failure and its cure, each from its seed.

    Args:
        name: a key of `FAILURES`.
        is_fast: a few small steps; None asks the environment's RFS_FAST.

    Returns:
        name of the run -> rows of its metrics. What was run before is read
        from its folder.
    """
    if is_fast is None:
        is_fast = os.environ.get("RFS_FAST") == "1"
    failure = FAILURES[name]
    setups = {
        f"failed-{name}": (failure.wrong, failure.change),
        cured_name(name): (failure.right, "cured"),
    }
    return {
        run_name: train(run_name + "-fast" * is_fast, *setup, is_fast)
        for run_name, setup in setups.items()
    }


def cured_name(name):
    """The run that cures it; failures with one cure share its run."""
    right = FAILURES[name].right
    return next(f"cured-{n}" for n, f in FAILURES.items() if f.right == right)


def train(run_name, setup, change, is_fast=False):
    """Run one setup, or go on with it; returns the rows of its metrics."""
    config = replace(setup.config, **FAST) if is_fast else setup.config
    about = {"command": "failures", "model": "pocket", "change": change}
    run = RunFolder.create(run_name, about | asdict(config), resume=True)
    if run.checkpoint_steps()[-1:] == [config.steps]:
        return run.read("metrics.jsonl")
    model, tokenizer = load_model("pocket")
    return train_grpo(
        model,
        setup.wrap_tokenizer(tokenizer),
        load_problems("pocketmath", split="train"),
        config,
        reward=setup.reward,
        validation=load_problems("pocketmath", split="validation"),
        loss_function=setup.loss_function,
        run=run,
        progress=False,
    )


if __name__ == "__main__":
    main()
