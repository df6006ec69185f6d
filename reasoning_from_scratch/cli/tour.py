"""The whole book in five minutes: one model, each way to better reasoning.

    rfs tour
    RFS_FAST=1 rfs tour

A stage's name is that of the chapter's full run in results/, so that the two
stand side by side in the table and in the picture, runs/tour-N/tour.png.
"""

import copy
import sys
import time
from textwrap import indent

# Packages import their parts on first use: none of these brings torch yet
from .. import evaluation, llm, scaling, training
from ..plots import plot_accuracy_bars
from ..results import ladder, load_results
from ..runs import RunFolder
from ..settings import get_settings
from .flags import printable

MODEL = "pocket"
SEED = 0
TITLE = f"The tour: {MODEL} on the first problems of its test split"
NUM_VOTED = 200  # problems of a vote: sixteen answers each take their time
GRPO_STEPS = 25  # a taste; the chapter's run is longer
POLISH_STEPS = 8  # of GRPO behind distillation
# Name, chapter, seconds on two cores, and what `Tour.results` does there
STAGES = (
    ("direct", "ch03", 5, "the answer at once"),
    ("step by step", "ch03", 10, 'with "Let\'s think step by step."'),
    ("vote of 16", "ch04", 30, "what most of sixteen answers say"),
    ("GRPO", "ch05", 90, "direct, after learning from right and wrong"),
    ("distillation", "ch06", 60, "direct, after reading a teacher's work"),
    ("the whole pipeline", "ch07", 45, "both, with a calculator and a vote"),
)
TABLE_ROW = "{:<18}{:>21}{:>9}{:>7}{:>21}"
MEASURED = ("accuracy", "low", "high", "num_problems", "mean_tokens")
NEXT_STEPS = """
What to do next:
  rfs ask "What is 1/2 + 1/3?"       ask it yourself
  jupyter lab ch02/ch02_main.ipynb   build the model, in the repository
  rfs --help                         every command, with an example"""


class Tour:
    """A model, its settings and its problems, and what stages do with them."""

    def __init__(self):
        self.settings = get_settings(MODEL)
        self.problems = evaluation.load_problems(
            self.settings.problems, limit=self.settings.num_quick_problems
        )
        self.model, self.tokenizer = llm.load_model(MODEL)
        self.has_progress = sys.stderr.isatty()  # bars are for people

    def results(self):
        """Go from stage to stage, and yield what each one measures."""
        yield self.evaluate("direct")
        yield self.evaluate("step-by-step")
        yield self.vote("step-by-step", "self-consistency")
        model = self.reinforce(self.model, GRPO_STEPS)
        yield self.evaluate("direct", model=model)
        student = self.distill()
        yield self.evaluate("direct", model=student)
        model = self.reinforce(student, POLISH_STEPS)
        yield self.vote("direct", "calculator", model=model)

    def evaluate(self, prompt, *, model=None, problems=None, **options):
        """Measure a model (None: the base) as all stages do."""
        return evaluation.evaluate(
            model or self.model,
            self.tokenizer,
            problems or self.problems,
            prompt=prompt,
            seed=SEED,
            batch_size=self.settings.batch_size,
            max_new_tokens=self.settings.max_new_tokens,
            progress=self.has_progress,
            **options,
        )

    def vote(self, prompt, method, **options):
        """Measure a method of many answers, on fewer problems."""
        return self.evaluate(
            prompt,
            problems=self.problems[:NUM_VOTED],
            method=scaling.METHODS[method],
            num_samples=self.settings.num_samples,
            sampling=llm.SamplingConfig(temperature=self.settings.temperature),
            **options,
        )

    def reinforce(self, model, steps):
        """A copy of the model after some steps of chapter 5's GRPO."""
        row = self.settings.grpo.of(training.GRPOConfig)
        row |= {"steps": min(steps, row["steps"]), "eval_every": 0}
        model = copy.deepcopy(model)
        training.train_grpo(
            model,
            self.tokenizer,
            evaluation.load_problems(self.settings.problems, split="train"),
            training.variant_config("grpo", **row, track_kl=False),
            progress=self.has_progress,
        )
        return model

    def distill(self):
        """A copy of the model that has read a stronger one's right answers."""
        row, kind = self.settings.distillation, training.DistillationConfig
        progress = {"progress": self.has_progress}
        teacher = training.LocalTeacher(
            *llm.load_model(row.teacher),
            prompt=row.teacher_prompt,
            max_new_tokens=get_settings(row.teacher).max_new_tokens,
        )
        problems = evaluation.load_problems(
            self.settings.problems, split="train", limit=row.quick_traces
        )
        traces = training.generate_teacher_traces(
            teacher, problems, **progress
        )
        kept, _ = training.filter_traces(traces, ngram=0)
        config = kind(**row.of(kind))
        examples, _ = training.encode_traces(kept, self.tokenizer, config)
        student = copy.deepcopy(self.model), self.tokenizer
        training.train_distillation(*student, examples, config, **progress)
        return student[0]


def run(args) -> None:
    """Measure every stage, then show what came out."""
    started = time.monotonic()
    tour = Tour()
    config = {"command": "tour", "model": MODEL, "seed": SEED}
    folder = RunFolder.numbered("tour", config)
    print(
        f"{MODEL}: a language model of Qwen3's architecture with "
        f"{tour.model.config.num_parameters / 1e6:.1f} million\nparameters, "
        f"on {tour.model.device}. It has read school maths and nothing else."
    )
    show_one_problem(tour)
    rows, results = [], tour.results()
    for number, (name, chapter, seconds, idea) in enumerate(STAGES, start=1):
        print(
            f"\n{number}/{len(STAGES)} {name} ({chapter}, about {seconds} s): "
            f"{idea}",
            flush=True,
        )
        result = next(results)
        row = {key: getattr(result, key) for key in MEASURED}
        row = {"name": name, "chapter": chapter} | row
        rows.append(row)
        folder.append("rows.jsonl", row)
        tokens = f"{row['mean_tokens']:.0f} tokens each"
        print(f"  {describe(row)} % right, {tokens}", flush=True)
    full_runs = ladder(load_results(), model=MODEL)
    print_table(rows, full_runs)
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    print(f"The tour took {minutes} min {seconds} s.")
    picture = folder.path / "tour.png"
    try:
        plot_accuracy_bars(rows, picture, title=TITLE, reference=full_runs)
        print(f"The picture: {picture}")
    except ImportError as error:  # it says how to get matplotlib
        print(f"No picture: {error}")
    print(NEXT_STEPS)


def show_one_problem(tour) -> None:
    """Answer a problem both ways, one where it makes the difference."""
    problems = evaluation.opening_problems(tour.settings.problems)
    direct, steps = (
        tour.evaluate(prompt, problems=problems).records
        for prompt in ("direct", "step-by-step")
    )
    problem, *records = max(
        zip(problems, direct, steps, strict=True),
        key=lambda row: (row[2]["correct"], not row[1]["correct"]),
    )
    print(f"\nProblem: {problem.problem}")
    for way, record in zip(("directly", "step by step"), records, strict=True):
        print(f"  {way}, {'right' if record['correct'] else 'wrong'}:")
        print(indent(printable(record["response"]).strip(), "    "))


def print_table(rows: list[dict], full_runs: list[dict]) -> None:
    """All rows, each beside the full run of its name."""
    full = {row["name"]: describe(row) for row in full_runs}
    head = ("", "right, %", "problems", "tokens", "full run, %")
    print("\nOne model, and each way to better reasoning\n")
    print(TABLE_ROW.format(*head))
    for row in rows:
        name, tokens = row["name"], f"{row['mean_tokens']:,.0f}"
        cells = (describe(row), row["num_problems"], tokens)
        print(TABLE_ROW.format(name, *cells, full.get(name, "-")))
    print(
        "\nIntervals are 95 %; tokens are all that were written for a problem."
    )


def describe(row: dict) -> str:
    """An accuracy in per cent with its interval."""
    shares = (100 * row[key] for key in ("accuracy", "low", "high"))
    return "{:.1f} ({:.1f} to {:.1f})".format(*shares)
