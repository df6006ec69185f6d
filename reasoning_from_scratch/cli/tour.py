"""The whole book in five minutes: one model, each way to better reasoning.

    rfs tour
    RFS_FAST=1 rfs tour

Loads the built-in model, shows one problem answered directly and step by
step, measures each of STAGES, and ends in a table and a picture in
runs/tour-N. A stage's name is that of the chapter's full run in results/, so
the two stand side by side.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reasoning_from_scratch.cli.flags import printable
from reasoning_from_scratch.settings import ModelSettings, get_settings

NEXT_STEPS = """
What to do next:
  rfs ask "What is 1/2 + 1/3?"       ask it yourself
  jupyter lab ch02/ch02_main.ipynb   build the model, then measure it (ch03)
  rfs --help                         every command, with an example"""
MODEL = "pocket"
SEED = 0
NUM_VOTED = 200  # problems of a vote: sixteen answers each take their time
GRPO_STEPS = 25  # a taste; the chapter's run is longer
POLISH_STEPS = 8  # of GRPO behind distillation


@dataclass(frozen=True)
class Tour:
    """What the stages share: a model, its settings and its problems."""

    settings: ModelSettings
    model: object
    tokenizer: object
    problems: list
    students: dict = field(default_factory=dict)  # stage -> what it trained

    @classmethod
    def start(cls):
        """Load the model and the problems of a quick look."""
        from reasoning_from_scratch.evaluation import load_problems
        from reasoning_from_scratch.llm import load_model

        settings = get_settings(MODEL)
        model, tokenizer = load_model(MODEL)
        problems = load_problems(
            settings.problems, limit=settings.num_quick_problems
        )
        return cls(settings, model, tokenizer, problems)

    @property
    def has_progress(self) -> bool:
        """Bars are for people."""
        return sys.stderr.isatty()

    def evaluate(self, *, model=None, problems=None, **options):
        """Measure a model (None: the base) as all stages do."""
        from reasoning_from_scratch.evaluation import evaluate

        return evaluate(
            model or self.model,
            self.tokenizer,
            problems or self.problems,
            seed=SEED,
            batch_size=self.settings.batch_size,
            max_new_tokens=self.settings.max_new_tokens,
            progress=self.has_progress,
            **options,
        )


@dataclass(frozen=True)
class Stage:
    """One row of the tour."""

    name: str
    chapter: str
    seconds: int  # on two cores, about
    idea: str
    measure: Callable  # Tour -> EvalResult


def answer_directly(tour):
    """The base model's first guess."""
    return tour.evaluate(prompt="direct")


def answer_step_by_step(tour):
    """The same weights, asked to write the way down."""
    return tour.evaluate(prompt="step-by-step")


def answer_by_vote(tour):
    """The same weights again: many ways, one vote each."""
    from reasoning_from_scratch.llm import SamplingConfig
    from reasoning_from_scratch.scaling import METHODS

    return tour.evaluate(
        problems=tour.problems[:NUM_VOTED],
        prompt="step-by-step",
        method=METHODS["self-consistency"],
        num_samples=tour.settings.num_samples,
        sampling=SamplingConfig(temperature=tour.settings.temperature),
    )


def learn_from_right_and_wrong(tour):
    """A little reinforcement learning, then the direct prompt again."""
    model = reinforce(tour, tour.model, GRPO_STEPS)
    return tour.evaluate(model=model, prompt="direct")


def reinforce(tour, model, steps):
    """A copy of the model after some steps of chapter 5's GRPO."""
    import copy

    from reasoning_from_scratch.evaluation import load_problems
    from reasoning_from_scratch.training import (
        GRPOConfig,
        train_grpo,
        variant_config,
    )

    config = variant_config("grpo", **tour.settings.grpo.of(GRPOConfig))
    steps = min(steps, config.steps)
    model = copy.deepcopy(model)
    train_grpo(
        model,
        tour.tokenizer,
        load_problems(tour.settings.problems, split="train"),
        replace(config, steps=steps, eval_every=0, track_kl=False),
        progress=tour.has_progress,
    )
    return model


def learn_from_a_teacher(tour):
    """A stronger model's worked answers, then the direct prompt again."""
    import copy

    from reasoning_from_scratch.training import (
        DistillationConfig,
        encode_traces,
        filter_traces,
        train_distillation,
    )

    config = DistillationConfig(
        **tour.settings.distillation.of(DistillationConfig)
    )
    kept, _ = filter_traces(ask_the_teacher(tour), ngram=0)
    examples, _ = encode_traces(kept, tour.tokenizer, config)
    model = copy.deepcopy(tour.model)
    train_distillation(
        model, tour.tokenizer, examples, config, progress=tour.has_progress
    )
    tour.students["distillation"] = model
    return tour.evaluate(model=model, prompt="direct")


def ask_the_teacher(tour):
    """Its answers to some training problems, right and wrong."""
    from reasoning_from_scratch.evaluation import load_problems
    from reasoning_from_scratch.llm import load_model
    from reasoning_from_scratch.training import (
        LocalTeacher,
        generate_teacher_traces,
    )

    chapter = tour.settings.distillation
    teacher = LocalTeacher(
        *load_model(chapter.teacher),
        name=chapter.teacher,
        prompt=chapter.teacher_prompt,
        max_new_tokens=get_settings(chapter.teacher).max_new_tokens,
        seed=SEED,
    )
    problems = load_problems(
        tour.settings.problems,
        split="train",
        limit=chapter.quick_traces,
    )
    return generate_teacher_traces(
        teacher, problems, progress=tour.has_progress
    )


def combine_all(tour):
    """Distilled, reinforced, a calculator at hand, and sixteen votes."""
    from reasoning_from_scratch.llm import SamplingConfig
    from reasoning_from_scratch.scaling import METHODS

    student = tour.students["distillation"]
    return tour.evaluate(
        model=reinforce(tour, student, POLISH_STEPS),
        problems=tour.problems[:NUM_VOTED],
        prompt="direct",
        method=METHODS["calculator"],
        num_samples=tour.settings.num_samples,
        sampling=SamplingConfig(temperature=tour.settings.temperature),
    )


STAGES = (
    Stage(
        name="direct",
        chapter="ch03",
        seconds=5,
        idea="the answer at once",
        measure=answer_directly,
    ),
    Stage(
        name="step by step",
        chapter="ch03",
        seconds=10,
        idea='the same weights after "Let\'s think step by step."',
        measure=answer_step_by_step,
    ),
    Stage(
        name="vote of 16",
        chapter="ch04",
        seconds=30,
        idea="sixteen ways to an answer, and the one most of them reach",
        measure=answer_by_vote,
    ),
    Stage(
        name="GRPO",
        chapter="ch05",
        seconds=90,
        idea="the direct prompt again, after learning from right and wrong",
        measure=learn_from_right_and_wrong,
    ),
    Stage(
        name="distillation",
        chapter="ch06",
        seconds=60,
        idea="the direct prompt again, after reading a teacher's work",
        measure=learn_from_a_teacher,
    ),
    Stage(
        name="the whole pipeline",
        chapter="ch07",
        seconds=45,
        idea="the distilled model, some GRPO, a calculator and a vote",
        measure=combine_all,
    ),
)


def add_arguments(parser) -> None:
    """Nothing to choose: a tour is the same for everybody."""


def run(args) -> None:
    """Measure every stage, then show what came out."""
    from rich.console import Console

    from reasoning_from_scratch.results import ladder, load_results
    from reasoning_from_scratch.runs import RunFolder

    started = time.monotonic()
    console = Console(highlight=False)
    tour = Tour.start()
    config = {"command": "tour", "model": MODEL, "seed": SEED}
    folder = RunFolder.numbered("tour", config)
    show_model(console, tour)
    show_one_problem(console, tour)
    rows = measure_stages(console, tour, folder)
    full_runs = ladder(load_results())
    console.print()
    console.print(make_table(rows, full_runs))
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    console.print(
        "Intervals are 95 %; tokens are all that were written for a problem. "
        f"The tour took {minutes} min {seconds} s."
    )
    draw(console, folder.path / "tour.png", rows, full_runs)
    console.print(NEXT_STEPS, markup=False)


def show_model(console, tour) -> None:
    """Say what is on the table."""
    num_parameters = sum(p.numel() for p in tour.model.parameters())
    console.print(
        f"[bold]{MODEL}[/]: a language model of Qwen3's architecture with "
        f"{num_parameters / 1e6:.1f} million parameters, on "
        f"{tour.model.device}. It has read school maths and nothing else."
    )


def show_one_problem(console, tour) -> None:
    """Answer a problem both ways, one where it makes the difference."""
    from reasoning_from_scratch.evaluation import opening_problems

    problems = opening_problems(tour.settings.problems)
    results = [
        tour.evaluate(problems=problems, prompt=prompt)
        for prompt in ("direct", "step-by-step")
    ]
    rows = zip(problems, *(r.records for r in results), strict=True)
    problem, direct, steps = max(
        rows, key=lambda row: (row[2]["correct"], not row[1]["correct"])
    )
    console.print("\nProblem:", style="bold", end=" ")
    console.print(problem.problem, markup=False)
    show_answer(console, "directly", direct)
    show_answer(console, "step by step", steps)


def show_answer(console, way: str, record: dict) -> None:
    """Print an answer, indented, under its verdict."""
    verdict = "right" if record["correct"] else "wrong"
    console.print(f"  {way}, {verdict}:", style="bold")
    for line in printable(record["response"]).strip().split("\n"):
        console.print(f"    {line}", markup=False)


def measure_stages(console, tour, folder) -> list[dict]:
    """Measure one stage after the other; a row each, written down at once."""
    rows = []
    for number, stage in enumerate(STAGES, start=1):
        console.print(
            f"\n[bold]{number}/{len(STAGES)} {stage.name}[/] "
            f"({stage.chapter}, about {stage.seconds} s): {stage.idea}"
        )
        result = stage.measure(tour)
        row = {
            "name": stage.name,
            "chapter": stage.chapter,
            "accuracy": result.accuracy,
            "low": result.low,
            "high": result.high,
            "num_problems": result.num_problems,
            "mean_tokens": result.mean_tokens,
        }
        rows.append(row)
        folder.append("rows.jsonl", row)
        console.print(
            f"  {describe(row)} % right, {row['mean_tokens']:.0f} tokens each"
        )
    return rows


def make_table(rows: list[dict], full_runs: list[dict]):
    """All rows, each beside the full run of its name."""
    from rich.box import SIMPLE
    from rich.table import Table

    full = {row["name"]: describe(row) for row in full_runs}
    table = Table(
        title="One model, and each way to better reasoning", box=SIMPLE
    )
    table.add_column("", style="bold")
    for column in ("right, %", "problems", "tokens", "full run, %"):
        table.add_column(column, justify="right")
    table.add_column("read")
    for row in rows:
        table.add_row(
            row["name"],
            describe(row),
            str(row["num_problems"]),
            f"{row['mean_tokens']:,.0f}",
            full.get(row["name"], "-"),
            row["chapter"],
        )
    return table


def draw(console, path, rows: list[dict], full_runs: list[dict]) -> None:
    """Save the picture; without matplotlib, say how to get it."""
    from reasoning_from_scratch.plots import plot_accuracy_bars

    title = f"The tour: {MODEL} on the first problems of its test split"
    try:
        plot_accuracy_bars(rows, path, title=title, reference=full_runs)
    except ImportError as error:
        console.print(f"No picture: {error}", markup=False)
    else:
        console.print(f"The picture: {path}", markup=False)


def describe(row: dict) -> str:
    """An accuracy in per cent with its interval."""
    accuracy, low, high = (
        100 * row[key] for key in ("accuracy", "low", "high")
    )
    return f"{accuracy:.1f} ({low:.1f} to {high:.1f})"
