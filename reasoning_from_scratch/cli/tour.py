"""The whole book in five minutes: one model, each way to better reasoning.

    rfs tour
    RFS_FAST=1 rfs tour

Loads the built-in model, shows one problem answered directly and step by
step, measures each of STAGES, and ends in a table and a picture in
runs/tour-N. A stage's name is that of the chapter's full run in results/, so
the two stand side by side.
"""

import copy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

# Packages import their parts on first use: none of these brings torch yet
from reasoning_from_scratch import evaluation, llm, scaling, training
from reasoning_from_scratch.cli.flags import printable
from reasoning_from_scratch.results import ladder, load_results
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import ModelSettings, get_settings

MODEL = "pocket"
SEED = 0
NUM_VOTED = 200  # problems of a vote: sixteen answers each take their time
GRPO_STEPS = 25  # a taste; the chapter's run is longer
POLISH_STEPS = 8  # of GRPO behind distillation
NOTEBOOK = Path(__file__).parents[2] / "ch02" / "ch02_main.ipynb"
NEXT_STEPS = """
What to do next:
  rfs ask "What is 1/2 + 1/3?"       ask it yourself
  {}
  rfs --help                         every command, with an example"""
# Where a checkout has them, and where only the package is installed
CHECKOUT = (
    "jupyter lab ch02/ch02_main.ipynb   build the model, then measure it"
)
PACKAGE = "ch02/ch02_main.ipynb               in the repository; not installed"


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
        settings = get_settings(MODEL)
        problems = evaluation.load_problems(
            settings.problems, limit=settings.num_quick_problems
        )
        return cls(settings, *llm.load_model(MODEL), problems)

    @property
    def has_progress(self) -> bool:
        """Bars are for people."""
        return sys.stderr.isatty()

    def evaluate(self, *, model=None, problems=None, **options):
        """Measure a model (None: the base) as all stages do."""
        return evaluation.evaluate(
            model or self.model,
            self.tokenizer,
            problems or self.problems,
            seed=SEED,
            batch_size=self.settings.batch_size,
            max_new_tokens=self.settings.max_new_tokens,
            progress=self.has_progress,
            **options,
        )

    def vote(self, method, **options):
        """Measure a method of many answers, on fewer problems."""
        return self.evaluate(
            problems=self.problems[:NUM_VOTED],
            method=scaling.METHODS[method],
            num_samples=self.settings.num_samples,
            sampling=llm.SamplingConfig(temperature=self.settings.temperature),
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


STAGES = []


def stage(name, chapter, seconds, idea):
    """Make a function from the `Tour` to an EvalResult the next stage."""

    def add(measure):
        STAGES.append(Stage(name, chapter, seconds, idea, measure))
        return measure

    return add


@stage("direct", "ch03", 5, "the answer at once")
def answer_directly(tour):
    """The base model's first guess."""
    return tour.evaluate(prompt="direct")


@stage(
    "step by step",
    "ch03",
    10,
    'the same weights after "Let\'s think step by step."',
)
def answer_step_by_step(tour):
    """The same weights, asked to write the way down."""
    return tour.evaluate(prompt="step-by-step")


@stage(
    "vote of 16",
    "ch04",
    30,
    "sixteen ways to an answer, and the one most of them reach",
)
def answer_by_vote(tour):
    """The same weights again: many ways, one vote each."""
    return tour.vote("self-consistency", prompt="step-by-step")


@stage(
    "GRPO",
    "ch05",
    90,
    "the direct prompt again, after learning from right and wrong",
)
def learn_from_right_and_wrong(tour):
    """A little reinforcement learning, then the direct prompt again."""
    model = reinforce(tour, tour.model, GRPO_STEPS)
    return tour.evaluate(model=model, prompt="direct")


def reinforce(tour, model, steps):
    """A copy of the model after some steps of chapter 5's GRPO."""
    config = training.variant_config(
        "grpo", **tour.settings.grpo.of(training.GRPOConfig)
    )
    steps = min(steps, config.steps)
    model = copy.deepcopy(model)
    training.train_grpo(
        model,
        tour.tokenizer,
        evaluation.load_problems(tour.settings.problems, split="train"),
        replace(config, steps=steps, eval_every=0, track_kl=False),
        progress=tour.has_progress,
    )
    return model


@stage(
    "distillation",
    "ch06",
    60,
    "the direct prompt again, after reading a teacher's work",
)
def learn_from_a_teacher(tour):
    """A stronger model's worked answers, then the direct prompt again."""
    row = tour.settings.distillation
    config = training.DistillationConfig(**row.of(training.DistillationConfig))
    kept, _ = training.filter_traces(ask_the_teacher(tour), ngram=0)
    examples, _ = training.encode_traces(kept, tour.tokenizer, config)
    model = copy.deepcopy(tour.model)
    training.train_distillation(
        model, tour.tokenizer, examples, config, progress=tour.has_progress
    )
    tour.students["distillation"] = model
    return tour.evaluate(model=model, prompt="direct")


def ask_the_teacher(tour):
    """Its answers to some training problems, right and wrong."""
    chapter = tour.settings.distillation
    teacher = training.LocalTeacher(
        *llm.load_model(chapter.teacher),
        name=chapter.teacher,
        prompt=chapter.teacher_prompt,
        max_new_tokens=get_settings(chapter.teacher).max_new_tokens,
        seed=SEED,
    )
    problems = evaluation.load_problems(
        tour.settings.problems, split="train", limit=chapter.quick_traces
    )
    return training.generate_teacher_traces(
        teacher, problems, progress=tour.has_progress
    )


@stage(
    "the whole pipeline",
    "ch07",
    45,
    "the distilled model, some GRPO, a calculator and a vote",
)
def combine_all(tour):
    """Distilled, reinforced, a calculator at hand, and sixteen votes."""
    model = reinforce(tour, tour.students["distillation"], POLISH_STEPS)
    return tour.vote("calculator", model=model, prompt="direct")


def run(args) -> None:
    """Measure every stage, then show what came out."""
    from rich.console import Console

    started = time.monotonic()
    console = Console(highlight=False)
    tour = Tour.start()
    config = {"command": "tour", "model": MODEL, "seed": SEED}
    folder = RunFolder.numbered("tour", config)
    console.print(
        f"[bold]{MODEL}[/]: a language model of Qwen3's architecture with "
        f"{tour.model.config.num_parameters / 1e6:.1f} million parameters, on "
        f"{tour.model.device}. It has read school maths and nothing else."
    )
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
    notebook = CHECKOUT if NOTEBOOK.is_file() else PACKAGE
    console.print(NEXT_STEPS.format(notebook), markup=False)


def show_one_problem(console, tour) -> None:
    """Answer a problem both ways, one where it makes the difference."""
    problems = evaluation.opening_problems(tour.settings.problems)
    direct, steps = (
        tour.evaluate(problems=problems, prompt=prompt).records
        for prompt in ("direct", "step-by-step")
    )
    problem, *records = max(
        zip(problems, direct, steps, strict=True),
        key=lambda row: (row[2]["correct"], not row[1]["correct"]),
    )
    console.print("\nProblem:", style="bold", end=" ")
    console.print(problem.problem, markup=False)
    for way, record in zip(("directly", "step by step"), records, strict=True):
        verdict = "right" if record["correct"] else "wrong"
        console.print(f"  {way}, {verdict}:", style="bold")
        for line in printable(record["response"]).strip().split("\n"):
            console.print(f"    {line}", markup=False)


def measure_stages(console, tour, folder) -> list[dict]:
    """Measure one stage after the other; a row each, written down at once."""
    rows = []
    for number, each in enumerate(STAGES, start=1):
        console.print(
            f"\n[bold]{number}/{len(STAGES)} {each.name}[/] "
            f"({each.chapter}, about {each.seconds} s): {each.idea}"
        )
        result = each.measure(tour)
        row = {"name": each.name, "chapter": each.chapter} | {
            name: getattr(result, name)
            for name in (
                *("accuracy", "low", "high"),
                *("num_problems", "mean_tokens"),
            )
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
        console.print(f"The picture: {path}", markup=False)
    except ImportError as error:
        console.print(f"No picture: {error}", markup=False)


def describe(row: dict) -> str:
    """An accuracy in per cent with its interval."""
    shares = (100 * row[key] for key in ("accuracy", "low", "high"))
    return "{:.1f} ({:.1f} to {:.1f})".format(*shares)
