"""Problem sets: ours, from the Hub, or from any JSON or JSONL file.

`pocketmath` ships with the package. The others are downloaded once and
pinned (see `hub`). A file of one's own needs a problem and an answer on each
line; the field names of common data sets are understood.

Sources: MATH, Hendrycks et al. 2021, in the split of Lightman et al. 2023;
GSM8K, Cobbe et al. 2021.
"""

import gzip
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .answers import extract_answer
from .hub import fetch_file

POCKETMATH = Path(__file__).parents[1] / "pocket" / "assets" / "pocketmath"
# name -> (Hub dataset, its file for each split)
HUB_SETS = {
    "math500": ("HuggingFaceH4/MATH-500", {"test": "test.jsonl"}),
    "gsm8k": (
        "openai/gsm8k",
        {
            "train": "main/train-00000-of-00001.parquet",
            "test": "main/test-00000-of-00001.parquet",
        },
    ),
    "math-train": (
        "nlile/hendrycks-MATH-benchmark",
        {"train": "data/train-00000-of-00001.parquet"},
    ),
}
# A set with a test split only is trained on through its sister
TRAINING_SETS = {"math500": "math-train"}
# field of Problem -> names it goes by, the first present counts
FIELDS = {
    "problem": ("problem", "question"),
    "answer": ("answer", "final_answer"),
    "subject": ("subject", "type"),
    "level": ("level",),
    "id": ("id", "unique_id"),
    "solution": ("solution",),
}
NUM_OPENING_PROBLEMS = 10
HELD_OUT = 200  # problems kept back where a set has no validation split


@dataclass(frozen=True)
class Problem:
    """One problem with its reference answer.

    Level 0 and an empty subject mean that the source does not say.
    """

    problem: str
    answer: str
    subject: str = ""
    level: int = 0
    id: str = ""
    solution: str = ""


def load_problems(
    name_or_path: str | Path,
    *,
    split: str = "test",
    limit: int | None = None,
    accept_change: bool | None = None,
) -> list[Problem]:
    """Load a problem set by name, or from a JSON or JSONL file.

    Args:
        name_or_path: "pocketmath", "math500", "gsm8k", "math-train" or a
            file (.jsonl, .json or .parquet, also .gz).
        split: "train", "validation" or "test", as far as the set has them;
            a file is one split and ignores it.
        limit: keep only the first so many.
        accept_change: see `hub.fetch_file`.

    Returns:
        Problems in the order of the file; every id is unique.

    Raises:
        ValueError: an unknown split, a line that is no problem, a limit
            below 1, or a file that changed since its first download.
        FileNotFoundError: no such set or file, or the Hub is out of reach.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1, got {limit}")
    name = str(name_or_path)
    if name == "pocketmath":
        splits = {s: s for s in ("train", "validation", "test")}
        file = _choose_split(name, splits, split)
        problems = read_problems(POCKETMATH / f"{file}.jsonl.gz", limit=limit)
    elif name in HUB_SETS:
        repo_id, splits = HUB_SETS[name]
        file = _choose_split(name, splits, split)
        path = fetch_file(repo_id, file, accept_change=accept_change)
        problems = read_problems(path, name=f"{name}/{split}")
    elif Path(name).is_file():
        problems = read_problems(Path(name), limit=limit)
    else:
        known = ", ".join(["pocketmath", *HUB_SETS])
        raise FileNotFoundError(
            f"no problem set or file {name!r}; expected one of {known}, or "
            "the path of a JSONL file"
        )
    if name == "math-train":
        problems = _without_math500(problems, accept_change)
    return problems[:limit]


def load_splits(source, split="train"):
    """Return problems to train on and to validate with.

    A set without a validation split gives its last problems for it.
    """
    problems = load_problems(source, split=split)
    if source == "pocketmath":
        return problems, load_problems(source, split="validation")
    held_out = min(HELD_OUT, len(problems) // 5)
    if held_out == 0:
        return problems, None
    return problems[:-held_out], problems[-held_out:]


def opening_problems(name_or_path: str = "pocketmath") -> list[Problem]:
    """Return the ten test problems that every chapter opens with.

    They are the first problems of each level, the same number of each, or
    simply the first ten where a set has no levels.
    """
    problems = load_problems(name_or_path)
    levels = sorted({problem.level for problem in problems})
    per_level = -(-NUM_OPENING_PROBLEMS // len(levels))
    chosen = [
        problem
        for level in levels
        for problem in [p for p in problems if p.level == level][:per_level]
    ]
    return chosen[:NUM_OPENING_PROBLEMS]


def read_problems(
    path: Path, *, name: str | None = None, limit: int | None = None
) -> list[Problem]:
    """Read the problems of a file; `name` begins the ids it does not give."""
    name = name or path.name.split(".")[0]
    problems, places = [], {}
    for number, (place, row) in enumerate(read_rows(path), start=1):
        if limit is not None and number > limit:
            break
        problem = make_problem(row, place, default_id=f"{name}-{number}")
        first = places.setdefault(problem.id, place)
        if first != place:
            raise ValueError(
                f"{place} has the id {problem.id!r} of {first}; ids must be "
                "unique, since results are paired by them"
            )
        problems.append(problem)
    if not problems:
        raise ValueError(f"{path} holds no problem")
    return problems


def make_problem(row: dict, place: str, default_id: str) -> Problem:
    """Turn one row of a file into a Problem.

    The answer may stand in its own field, behind "####" (as in GSM8K), or
    in the last box of the solution (as in MATH).
    """
    values = {
        field: next((row[n] for n in names if row.get(n) is not None), "")
        for field, names in FIELDS.items()
    }
    if not isinstance(values["problem"], str) or not values["problem"].strip():
        raise ValueError(
            f"{place} has no problem text; expected a field 'problem' or "
            f"'question', found {sorted(row)}"
        )
    solution = str(values["solution"])
    answer = str(values["answer"]).strip()
    if "####" in answer or (not answer and "####" in solution):
        solution, answer = (answer or solution).rsplit("####", 1)
    answer = answer.strip() or extract_answer(solution, boxed_only=True) or ""
    if not answer or isinstance(values["answer"], (bool, dict, list)):
        raise ValueError(
            f"{place} has no answer; expected text or a number in the field "
            "'answer', or a 'solution' that ends in \\boxed{…} or #### …"
        )
    level = re.search(r"\d+", str(values["level"]), re.ASCII)
    return Problem(
        problem=values["problem"],
        answer=answer,
        subject=str(values["subject"]),
        level=int(level[0]) if level else 0,
        id=str(values["id"]) or default_id,
        solution=solution.strip(),
    )


def read_rows(path: Path) -> Iterator[tuple[str, dict]]:
    """Yield each row of a JSONL, JSON or Parquet file with its place.

    Raises:
        ValueError: text that is not UTF-8 or not JSON, or a row that is not
            an object; the message names the line.
    """
    if ".parquet" in path.suffixes:
        rows = enumerate(_parquet_rows(path), start=1)
        yield from ((f"{path.name} row {n}", row) for n, row in rows)
        return
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text: {error}") from None
    if text.lstrip().startswith("["):
        items = enumerate(_parse(text, path.name), start=1)
        rows = ((f"{path.name} item {n}", item) for n, item in items)
    else:
        # not splitlines: U+2028 may stand inside a JSON string
        lines = enumerate(text.split("\n"), start=1)
        places = ((f"{path.name} line {n}", line) for n, line in lines)
        rows = ((p, _parse(line, p)) for p, line in places if line.strip())
    for place, row in rows:
        if not isinstance(row, dict):
            raise ValueError(f"{place} is no JSON object: {str(row)[:60]!r}")
        yield place, row


def _parse(text: str, place: str):
    """Parse JSON, naming the place that is none."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{place} is not valid JSON: {error}") from None


def _parquet_rows(path: Path) -> list[dict]:
    """Read a Parquet file with pyarrow, which is no dependency of ours."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            f"reading {path.name} needs pyarrow; install it with "
            "pip install pyarrow"
        ) from None
    return parquet.read_table(path).to_pylist()


def _choose_split(name: str, splits: dict[str, str], split: str) -> str:
    """Return the file of a split, or say which splits there are."""
    if split not in splits:
        raise ValueError(
            f"{name} has no split {split!r}; expected {' or '.join(splits)}"
        )
    return splits[split]


def _without_math500(
    problems: list[Problem], accept_change: bool | None
) -> list[Problem]:
    """Leave out what MATH-500 holds too, compared without white space."""
    held_out = {
        "".join(problem.problem.split())
        for problem in load_problems("math500", accept_change=accept_change)
    }
    kept = [p for p in problems if "".join(p.problem.split()) not in held_out]
    if len(kept) < len(problems):
        warnings.warn(
            f"math-train: left out {len(problems) - len(kept)} problems that "
            "are in MATH-500",
            stacklevel=3,
        )
    return kept
