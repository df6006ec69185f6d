"""The whole book in five minutes: one model, each way to better reasoning.

    rfs tour
    RFS_FAST=1 rfs tour

Loads the built-in model, shows one problem answered directly and step by
step, measures each stage of STAGES, and ends in a table and a picture in
runs/tour-N. Each row stands beside the chapter's full run where that is
measured. A chapter joins the tour by one entry of STAGES.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from reasoning_from_scratch.settings import get_settings

HELP = "the whole book in five minutes: watch one model get better"

MODEL = "pocket"
SEED = 0


def add_arguments(parser) -> None:
    """Nothing to choose: a tour is the same for everybody."""


def run(args) -> None:
    """Measure every stage, then show what came out."""
    started = time.monotonic()
    tour = Tour.start()
    tour.show_one_problem()
    for number, stage in enumerate(STAGES, start=1):
        tour.console.print(
            f"\n[bold]{number}/{len(STAGES)} {stage.name}[/] "
            f"({stage.chapter}, about {stage.seconds} s): {stage.idea}"
        )
        tour.add_row(stage, stage.measure(tour))
    tour.show_table(time.monotonic() - started)
    tour.draw()
    tour.console.print(NEXT_STEPS)


@dataclass
class Tour:
    """What the stages share: model, problems, and the rows so far."""

    console: object
    settings: object
    folder: object
    model: object
    tokenizer: object
    problems: list
    rows: list = field(default_factory=list)
    full_runs: dict = field(default_factory=dict)  # name -> result row

    @classmethod
    def start(cls):
        """Load everything and say what is about to happen."""
        from rich.console import Console

        from reasoning_from_scratch.evaluation import load_problems
        from reasoning_from_scratch.llm import load_model
        from reasoning_from_scratch.results import ladder, load_results
        from reasoning_from_scratch.runs import RunFolder

        settings = get_settings(MODEL)
        console = Console(highlight=False)
        model, tokenizer = load_model(MODEL)
        num_parameters = sum(p.numel() for p in model.parameters())
        console.print(
            f"[bold]{MODEL}[/]: a Qwen3-architecture language model of "
            f"{num_parameters / 1e6:.1f} million parameters on "
            f"{model.device}. It has read school maths and nothing else."
        )
        config = {"command": "tour", "model": MODEL, "seed": SEED}
        return cls(
            console=console,
            settings=settings,
            folder=RunFolder.numbered("tour", config),
            model=model,
            tokenizer=tokenizer,
            problems=load_problems(
                settings.problems, limit=settings.num_quick_problems
            ),
            full_runs={row["name"]: row for row in ladder(load_results())},
        )

    def evaluate(self, *, model=None, **options):
        """Measure a model (None: the base) as all stages do."""
        from reasoning_from_scratch.evaluation import evaluate

        options = {"problems": self.problems, **options}
        return evaluate(
            model or self.model,
            self.tokenizer,
            seed=SEED,
            batch_size=self.settings.batch_size,
            max_new_tokens=self.settings.max_new_tokens,
            progress=sys.stderr.isatty(),
            **options,
        )

    def show_one_problem(self) -> None:
        """Answer a problem both ways, one where it makes the difference."""
        from reasoning_from_scratch.cli.terminal import printable
        from reasoning_from_scratch.evaluation import opening_problems

        results = [
            self.evaluate(problems=opening_problems(), prompt=prompt)
            for prompt in ("direct", "step-by-step")
        ]
        pairs = zip(*(result.records for result in results), strict=True)
        direct, steps = max(
            pairs, key=lambda p: (p[1]["correct"], not p[0]["correct"])
        )
        problem = next(p for p in opening_problems() if p.id == direct["id"])
        self.console.print(f"\n[bold]Problem[/] {problem.problem}")
        for name, record in (("directly", direct), ("step by step", steps)):
            verdict = "right" if record["correct"] else "wrong"
            answer = printable(record["response"]).strip()
            self.console.print(f"  {name}, {verdict}:", style="bold")
            self.console.print(f"    {answer}", markup=False)

    def add_row(self, stage, result) -> None:
        """Keep a stage's figures and print them."""
        row = {
            "name": stage.name,
            "chapter": stage.chapter,
            "accuracy": result.accuracy,
            "low": result.low,
            "high": result.high,
            "num_problems": result.num_problems,
            "mean_tokens": result.mean_tokens,
        }
        self.rows.append(row)
        self.folder.append("rows.jsonl", row)
        self.console.print(
            f"  {describe(row)} right, {row['mean_tokens']:.0f} tokens each"
        )

    def show_table(self, seconds: float) -> None:
        """Print all rows beside the chapters' full runs."""
        from rich.table import Table

        table = Table(title="One model, better at every step")
        table.add_column("", style="bold")
        for column in ("right, % (95 %)", "problems", "tokens", "full run, %"):
            table.add_column(column, justify="right")
        table.add_column("read")
        for row in self.rows:
            full = self.full_runs.get(row["name"])
            table.add_row(
                row["name"],
                describe(row),
                str(row["num_problems"]),
                f"{row['mean_tokens']:,.0f}",
                describe(full) if full else "not measured yet",
                row["chapter"],
            )
        self.console.print()
        self.console.print(table)
        minutes, seconds = divmod(round(seconds), 60)
        self.console.print(f"All of it took {minutes} min {seconds} s.")

    def draw(self) -> None:
        """Save the picture; without matplotlib, say how to get it."""
        from reasoning_from_scratch.plots import plot_accuracy_bars

        path = self.folder.path / "tour.png"
        try:
            plot_accuracy_bars(
                self.rows,
                path,
                title=f"The tour: {MODEL} on {self.settings.problems}",
                reference=list(self.full_runs.values()),
            )
        except ImportError as error:
            self.console.print(f"No picture: {error}", markup=False)
        else:
            self.console.print(f"The picture: {path}")


@dataclass(frozen=True)
class Stage:
    """One row of the tour."""

    name: str  # as the chapter's full run is called in results/
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


STAGES = (
    Stage(
        name="direct",
        chapter="ch03",
        seconds=10,
        idea="the answer at once",
        measure=answer_directly,
    ),
    Stage(
        name="step by step",
        chapter="ch03",
        seconds=20,
        idea='the same weights, after "Let\'s think step by step"',
        measure=answer_step_by_step,
    ),
)

NEXT_STEPS = """
What to do next:
  rfs ask "What is 3/4 + 1/6?"       ask it yourself
  jupyter lab ch02/ch02_main.ipynb   build the model, then measure it (ch03)
  rfs --help                         every command, with an example"""


def describe(row: dict) -> str:
    """An accuracy in per cent with its interval."""
    accuracy, low, high = (
        100 * row[key] for key in ("accuracy", "low", "high")
    )
    return f"{accuracy:.1f} ({low:.1f} to {high:.1f})"
