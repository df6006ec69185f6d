"""Measure rows again: each row's own command, one after the other.

All commands run in one working folder, named by the weights that training
starts from, so that a new base starts afresh and a stopped remake goes on:
rows whose commands are done are not run twice, and `--resume` continues the
one that was stopped.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rows import current_commit, save_result

from reasoning_from_scratch import results
from reasoning_from_scratch.files import (
    as_json,
    atomic_write_json,
    atomic_write_text,
)
from reasoning_from_scratch.results import load_results
from reasoning_from_scratch.runs import RunFolder, runs_root
from reasoning_from_scratch.settings import BUILT_IN, TRAINED

DONE = "done.json"  # command -> {"minutes", "output"}
FIGURES = ("accuracy", "low", "high", "num_problems", "mean_tokens")
# Of rows with several samples, and of those with answers cut short
WHERE_THERE = ("pass_at_k", "majority_at_k", "truncated")
# What a saved curve keeps of a training step, to four decimals
CURVE = """step accuracy accuracy_low accuracy_high greedy_length solve_rate
           no_signal length truncated entropy kl grad_norm
           generation_seconds update_seconds peak_memory_gib"""


def remake(names: list[str]) -> None:
    """Run the rows' commands and write what came out into results/.

    Args:
        names: the rows; none means all of the pocket models' rows but those
            that say what else they need, in `needs`.

    Raises:
        ValueError: a row that does not exist or cannot be filled in.
        ChildProcessError: a command failed; what was done before is kept.
    """
    rows = load_results()
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise ValueError(
            f"no row {', '.join(unknown)}; there are {', '.join(rows)}"
        )
    chosen = names or [name for name in rows if _is_of_pocket(rows[name])]
    for name in chosen:
        check_can_be_filled(name, rows[name])
    folder = working_folder()
    for number, name in enumerate(chosen, start=1):
        print(f"[{number}/{len(chosen)}] {name}: {rows[name]['command']}")
        rows[name] = measure(rows[name], folder)
        save_result(name, rows[name])
        if "curve" in rows[name]:
            run = RunFolder.open(folder / "runs" / rows[name]["curve"])
            save_curve(name, run)
    for name in chosen:  # when the rows they are compared with are there
        rows[name] |= difference(rows[name], rows, folder)
        save_result(name, rows[name])


def _is_of_pocket(row: dict) -> bool:
    return row["model"].startswith("pocket") and "needs" not in row


def check_can_be_filled(name: str, row: dict) -> None:
    """Raise a ValueError that names what a row lacks, before it is run."""
    required = ("run", "problems", "seed")
    if "figure" in row:  # keys, by dots, into the JSON a benchmark ends in
        required = ("figure", "unit")
    missing = [key for key in required if key not in row]
    if missing:
        raise ValueError(
            f"results/{name}.json needs {', '.join(missing)} before it can "
            "be measured"
        )


def working_folder() -> Path:
    """The folder of this base's remake, made if it is not there."""
    from reasoning_from_scratch.llm.weights import ASSETS, SINGLE_FILE

    digest = hashlib.sha256()
    for name in sorted(BUILT_IN.keys() - TRAINED.keys()):
        digest.update((ASSETS / name / SINGLE_FILE).read_bytes())
    folder = runs_root().absolute() / f"remake-{digest.hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def measure(row: dict, folder: Path) -> dict:
    """Run a row's commands and return the row with its new figures."""
    from reasoning_from_scratch.device import describe_hardware

    done = [
        run_once(command, folder) for command in row["command"].split(" && ")
    ]
    fresh = {
        **row,
        "minutes": round(sum(each["minutes"] for each in done), 2),
        "hardware": describe_hardware(),
        "commit": current_commit(),
    }
    for key in ("measured", "reason"):
        fresh.pop(key, None)
    if "figure" in row:
        value = json.loads(done[-1]["output"].splitlines()[-1])
        for key in row["figure"].split("."):
            value = value[key]
        return {**fresh, "value": value, **table_of(row, folder)}
    run = RunFolder.open(folder / "runs" / row["run"])
    result = run.read_json("result.json")
    more = {key: result[key] for key in WHERE_THERE if result.get(key)}
    return {**fresh, **{key: result[key] for key in FIGURES}, **more}


def save_curve(name: str, run: RunFolder) -> None:
    """Write the steps of a training, rounded, to results/curves."""
    steps = [
        {key: round(step[key], 4) for key in CURVE.split() if key in step}
        for step in run.read("metrics.jsonl")
    ]
    path = results.FOLDER / "curves" / f"{name}.jsonl"
    atomic_write_text(path, "".join(as_json(step) + "\n" for step in steps))


def table_of(row: dict, folder: Path) -> dict:
    """The table that a row's run has left behind, if it is of that kind.

    Its minutes are those of the work, also of what earlier processes did.
    """
    path = folder / "runs" / row.get("run", "") / "table.json"
    if not path.is_file():
        return {}
    table = json.loads(path.read_text("utf-8"))
    return {"table": table, "minutes": table["minutes"]}


def run_once(command: str, folder: Path) -> dict:
    """Run a command unless it is done; its minutes and what it printed."""
    done = commands_done(folder)
    if command not in done:
        started = time.monotonic()
        process = subprocess.run(
            full_command(command),
            cwd=folder,
            env=plain_environment(),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
        if process.returncode:
            raise ChildProcessError(
                f"`{command}` ended with status {process.returncode}; mend "
                "the cause and run `rfs results --remake` again to go on"
            )
        minutes = (time.monotonic() - started) / 60
        done = commands_done(folder)  # another remake may have added some
        done[command] = {"minutes": minutes, "output": process.stdout}
        atomic_write_json(folder / DONE, done)
    return done[command]


def commands_done(folder: Path) -> dict:
    """What this folder's commands took and printed, by command."""
    path = folder / DONE
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def plain_environment() -> dict[str, str]:
    """The environment less our settings: a command means what it says."""
    return {k: v for k, v in os.environ.items() if not k.startswith("RFS_")}


def full_command(command: str) -> list[str]:
    """Turn a row's `rfs …` into the process to start."""
    program, *arguments = shlex.split(command)
    if program != "rfs":
        raise ValueError(f"a row's command begins with rfs, got {command!r}")
    if "--run" in arguments and "--resume" not in arguments:
        arguments.append("--resume")
    return [sys.executable, "-m", "reasoning_from_scratch", *arguments]


def difference(row: dict, rows: dict, folder: Path) -> dict:
    """The paired difference to the row named by `over`, where both ran."""
    from reasoning_from_scratch.evaluation.statistics import paired_difference

    if row.get("over") not in rows:
        return {}
    runs = [folder / "runs" / r["run"] for r in (row, rows[row["over"]])]
    if not all(run.exists() for run in runs):
        return {}
    first, second = (
        {record["id"]: float(record["correct"]) for record in records}
        for records in (RunFolder.open(r).read("records.jsonl") for r in runs)
    )
    common = [key for key in first if key in second]
    outcome = paired_difference(
        [first[key] for key in common], [second[key] for key in common]
    )
    return {
        "difference": outcome.difference,
        "difference_low": outcome.low,
        "difference_high": outcome.high,
        "p_value": outcome.p_value,
    }
