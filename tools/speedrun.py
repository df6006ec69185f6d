"""Time a recipe from the base model to 60 % on problems nobody has seen.

    rfs speedrun
    rfs speedrun grpo --problems 500
    rfs speedrun grpo --write

An entry is results/speedrun/NAME.json: its author, its idea, the commands
that train the shipped `pocket`, the run they end in and the prompt it is asked
with. The referee runs the commands in an empty folder on two cores, takes the
time, and measures the greedy accuracy on fresh problems of three random seeds.
LEADERBOARD.md has the rules and is drawn from the entries.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random, SystemRandom
from statistics import fmean

from remake import plain_environment
from rows import current_commit

from reasoning_from_scratch.files import atomic_write_json, atomic_write_text
from reasoning_from_scratch.results import CHECKOUT, markdown_table
from reasoning_from_scratch.settings import TRAINED

FLAGS = """
entry NAME?       the entry to referee (none: draw LEADERBOARD.md)
--problems N=500  fresh problems for each of the three seeds
--seeds K*        these seeds instead of random ones, to repeat a verdict
--write           keep the outcome in the entry and draw LEADERBOARD.md
"""
FOLDER = CHECKOUT / "results" / "speedrun"
TARGET = 0.60  # mean greedy accuracy over the seeds
NUM_SEEDS = 3
NUM_CORES = 2
MAX_MINUTES = 60
COLUMNS = ("recipe", "by", "date", "minutes", "paces", "accuracy", "reached")
MARK = "<!-- drawn by `rfs speedrun` -->\n"


def run(args) -> int:
    """Referee one entry, or draw the leaderboard from all."""
    if args.entry is None:
        print(draw_leaderboard())
        return 0
    entry = read_entry(args.entry)
    outcome = referee(entry, args.problems, args.seeds or hidden_seeds())
    print(json.dumps(outcome))
    if args.write:
        path = FOLDER / f"{args.entry}.json"
        atomic_write_json(path, entry | {"outcome": outcome})
        draw_leaderboard()
    return 0 if outcome["reached"] else 1


def read_entry(name: str) -> dict:
    """An entry by name, with every field that the referee needs."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        known = sorted(path.stem for path in path.parent.glob("*.json"))
        raise FileNotFoundError(
            f"no entry {name!r}; there are {', '.join(known)}. An entry is "
            "results/speedrun/NAME.json; LEADERBOARD.md says what stands in it"
        )
    entry = json.loads(path.read_text("utf-8"))
    wanted = ("author", "date", "idea", "commands", "run", "prompt")
    missing = [key for key in wanted if not entry.get(key)]
    if missing:
        raise ValueError(f"{path.name} lacks {', '.join(missing)}")
    return entry


def hidden_seeds() -> list[int]:
    """Seeds that no recipe can know."""
    return [SystemRandom().randrange(2**32) for _ in range(NUM_SEEDS)]


def referee(entry: dict, num_problems: int, seeds: list[int]) -> dict:
    """Train by an entry's commands, then measure on fresh problems."""
    from reasoning_from_scratch.device import describe_hardware

    pace = machine_pace()
    with tempfile.TemporaryDirectory() as folder:
        seconds = train(entry, Path(folder))
        model = Path(folder) / "runs" / entry["run"]
        accuracies = [
            measure(model, entry["prompt"], fresh_problems(seed, num_problems))
            for seed in seeds
        ]
    return {
        "seconds": round(seconds, 1),
        "paces": round(seconds / pace, 1),
        "accuracies": accuracies,
        "accuracy": fmean(accuracies),
        "reached": fmean(accuracies) >= TARGET,
        "seeds": seeds,
        "problems": num_problems,
        "hardware": describe_hardware(),
        "commit": current_commit(),
    }


def train(entry: dict, folder: Path) -> float:
    """Run the commands on two cores and return the seconds they took."""
    environment = plain_environment() | {
        "OMP_NUM_THREADS": str(NUM_CORES),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(CHECKOUT),
    }
    started, limit = time.monotonic(), 60 * MAX_MINUTES
    for command in entry["commands"]:
        left = limit - (time.monotonic() - started)
        run_command(command, folder, environment, max(left, 0))
    return time.monotonic() - started


def run_command(command: str, folder: Path, environment, seconds) -> None:
    """Run a command of an entry, and say how it failed if it did."""
    program, *arguments = shlex.split(command)
    programs = {
        "rfs": [sys.executable, "-m", "reasoning_from_scratch"],
        "python": [sys.executable],
    }
    if program not in programs:
        raise ValueError(f"a command begins with rfs or python: {command}")
    if trained := TRAINED.keys() & set(arguments):
        raise ValueError(
            f"{', '.join(trained)} is trained already; start from pocket"
        )
    try:
        subprocess.run(
            [*programs[program], *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=seconds,
            check=True,
            preexec_fn=hold_to_cores if hasattr(os, "fork") else None,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(
            f"`{command}` was stopped: an entry has {MAX_MINUTES} minutes"
        ) from error
    except subprocess.CalledProcessError as error:
        raise ChildProcessError(
            f"`{command}` ended with status {error.returncode}; mend the "
            "entry and run it again"
        ) from error


def hold_to_cores() -> None:
    """Keep a process, and what it starts, on two cores, where one can."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:NUM_CORES]
        os.sched_setaffinity(0, cores)


def machine_pace() -> float:
    """Seconds of a fixed piece of training, to compare machines by."""
    import torch

    from reasoning_from_scratch import load_model

    torch.set_num_threads(NUM_CORES)
    model, _ = load_model("pocket", device="cpu")
    token_ids = torch.arange(64 * 64).reshape(64, 64) % 100
    times = []
    for _ in range(7):
        started = time.perf_counter()
        model(token_ids).logsumexp(-1).mean().backward()
        times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2]


def fresh_problems(seed: int, count: int) -> list:
    """Problems of all families and levels that are in none of the splits."""
    from pocket import corpus
    from pocket_data import problem_row

    from reasoning_from_scratch.evaluation import Problem

    taken = {
        exercise.key
        for split in corpus.SPLIT_SIZES
        for exercise in corpus.draw_split(split)
    }
    rng, problems = Random(f"speedrun-{seed}"), []
    while len(problems) < count:
        exercise = corpus.draw_exercise(rng, route_rng=rng)
        if exercise.key not in taken:
            taken.add(exercise.key)
            row = problem_row("fresh", len(problems), exercise)
            problems.append(Problem(**row))
    return problems


def measure(model_path: Path, prompt: str, problems: list) -> float:
    """Greedy accuracy of a checkpoint that is no larger than the base."""
    from reasoning_from_scratch import evaluate, load_model

    model, tokenizer = load_model(model_path, device="cpu")
    base, _ = load_model("pocket", device="cpu")
    if model.config != base.config:
        raise ValueError("the model must have the shape of the shipped base")
    result = evaluate(model, tokenizer, problems, prompt=prompt)
    return result.accuracy


def draw_leaderboard() -> str:
    """Write the table of LEADERBOARD.md, the fastest first."""
    entries = [
        json.loads(path.read_text("utf-8"))
        for path in sorted(FOLDER.glob("*.json"))
    ]
    judged = [entry for entry in entries if "outcome" in entry]
    judged.sort(
        key=lambda entry: (
            not entry["outcome"]["reached"],
            entry["outcome"]["paces"],
        )
    )
    rows = [
        (
            entry["idea"],
            entry["author"],
            entry["date"],
            f"{entry['outcome']['seconds'] / 60:.1f}",
            f"{entry['outcome']['paces']:,.0f}",
            f"{100 * entry['outcome']['accuracy']:.1f} %",
            "yes" if entry["outcome"]["reached"] else "no",
        )
        for entry in judged
    ]
    table = markdown_table(COLUMNS, rows)
    path = CHECKOUT / "LEADERBOARD.md"
    page, _, _ = path.read_text("utf-8").partition(MARK)
    atomic_write_text(path, f"{page}{MARK}\n{table}\n")
    return table
