"""The whole book in five minutes: one model, each way to better reasoning.

    rfs tour
    RFS_FAST=1 rfs tour

Loads the built-in model, shows one problem answered directly and step by
step, measures each stage of `tour_stages`, and ends in a table and a picture
in runs/tour-N. Each row stands beside the chapter's full run where that is
measured.
"""

import time

from reasoning_from_scratch.cli.tour_stages import MODEL, SEED, STAGES, Tour

HELP = "the whole book in five minutes: watch one model get better"

NEXT_STEPS = """
What to do next:
  rfs ask "What is 3/4 + 1/6?"       ask it yourself
  jupyter lab ch02/ch02_main.ipynb   build the model, then measure it (ch03)
  rfs --help                         every command, with an example"""


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
    from reasoning_from_scratch.cli.terminal import printable

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
