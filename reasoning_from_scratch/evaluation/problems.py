"""Problem sets: ours, two benchmarks' tests, the Hub's, or any JSON(L) file.

`pocketmath` and the tests of MATH-500 and GSM8K ship with the package;
training sets are downloaded once, at a pinned commit. A file needs a problem
and an answer in each row, under any of the usual field names.

Sources: MATH, Hendrycks et al. 2021, in the split of Lightman et al. 2023;
GSM8K, Cobbe et al. 2021.
"""

import gzip
import hashlib
import json
import os
import re
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from .answers import extract_answer

PACKAGE = Path(__file__).parents[1]
TRAIN_FILE = "train-00000-of-00001.parquet"
MATH_REPOSITORY = "nlile/hendrycks-MATH-benchmark"  # no commit is known to us
GSM8K_COMMIT = "740312add88f781978c0658806c59bc2815b9866"
# name -> split -> a file in the package, or (repository, commit, file) on
# the Hugging Face Hub. A set's test file ships: training compares with it.
PROBLEM_SETS = {
    "pocketmath": {
        split: f"pocket/assets/pocketmath/{split}.jsonl.gz"
        for split in ("train", "validation", "test")
    },
    "math500": {"test": "evaluation/data/math500-test.jsonl.gz"},
    "gsm8k": {
        "train": ("openai/gsm8k", GSM8K_COMMIT, f"main/{TRAIN_FILE}"),
        "test": "evaluation/data/gsm8k-test.jsonl.gz",
    },
    # MATH without MATH-500
    "math-train": {"train": (MATH_REPOSITORY, "main", f"data/{TRAIN_FILE}")},
}
# A set with a test split only is trained on through its sister
TRAINING_SETS = {"math500": "math-train"}
TEST_ID = re.compile(r"(^|[-/_])test([-/_]|$)", re.IGNORECASE)
HELD_OUT = 200  # problems kept back where a set has no validation split
NUM_OPENING_PROBLEMS = 10
# field of Problem -> the other name it goes by
ALIASES = {"problem": "question", "answer": "final_answer"}
ALIASES |= {"subject": "type", "id": "unique_id"}


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
    name_or_path: str | Path, *, split: str = "test", limit: int | None = None
) -> list[Problem]:
    """Load a problem set by name, or from a JSON or JSONL file.

    Args:
        name_or_path: "pocketmath", "math500", "gsm8k", "math-train" or a
            file (.jsonl, .json or .parquet, also .gz).
        split: "train", "validation" or "test", as far as the set has them;
            a file is one split and ignores it.
        limit: keep only the first so many.

    Raises:
        ValueError: an unknown split, a line that is no problem, an id given
            twice, or a limit below 1.
        FileNotFoundError: no such set or file, or the Hub is out of reach.
    """
    check_limit(limit)
    name = str(name_or_path)
    if name not in PROBLEM_SETS:
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(
                f"no problem set or file {name!r}; expected one of "
                f"{', '.join(PROBLEM_SETS)}, or the path of a JSONL file"
            )
        return read_problems(path, limit=limit)
    splits, title = PROBLEM_SETS[name], f"{name}/{split}"
    if split not in splits:
        raise ValueError(
            f"{name} has no split {split!r}; expected {' or '.join(splits)}"
        )
    if isinstance(splits[split], str):
        return read_problems(PACKAGE / splits[split], name=title, limit=limit)
    found = read_problems(fetch_file(*splits[split]))
    problems = [
        # Numbered by us: an id of MATH may say test where this split is train
        replace(problem, id=f"{title}-{number}")
        for number, problem in enumerate(found, start=1)
        if _text(problem) not in _test_ids()
    ]
    if num_left_out := len(found) - len(problems):
        warnings.warn(
            f"{title}: left out {num_left_out} problems of a test set",
            stacklevel=2,
        )
    return problems[:limit]


def load_splits(
    source: str | Path, split: str = "train"
) -> tuple[list[Problem], list[Problem] | None]:
    """Load problems to train on, and others to validate with.

    The validation split goes with the train split; any other split or file
    keeps its last problems back (None where it has fewer than 5).
    """
    problems = load_problems(source, split=split)
    refuse_test_problems(problems)
    if split == "train" and "validation" in PROBLEM_SETS.get(source, ()):
        return problems, load_problems(source, split="validation")
    held_out = min(HELD_OUT, len(problems) // 5)
    if held_out == 0:
        return problems, None
    train, validation = problems[:-held_out], problems[-held_out:]
    held_out_texts = set(map(_text, validation))  # a file may repeat one
    return [p for p in train if _text(p) not in held_out_texts], validation


def opening_problems(name_or_path: str = "pocketmath") -> list[Problem]:
    """Return the ten test problems that every chapter opens with.

    They are the first problems of each level, the same number of each.
    """
    problems = load_problems(name_or_path)
    levels = sorted({problem.level for problem in problems})
    size = -(-NUM_OPENING_PROBLEMS // len(levels))
    chosen = [[p for p in problems if p.level == x][:size] for x in levels]
    return sum(chosen, [])[:NUM_OPENING_PROBLEMS]


def check_limit(limit: int | None) -> None:
    """Refuse a limit that a slice would count from the end."""
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1, got {limit}")


def checked_problems(problems) -> list:
    """Return the problems as a list, or say what was given instead."""
    if isinstance(problems, (str, Path)):
        raise ValueError(
            f"expected a list of problems, got {str(problems)!r}; load it "
            "first, with load_problems"
        )
    problems = list(problems)
    if not problems:
        raise ValueError("there are no problems; give at least one")
    for problem in problems:
        _check_type(problem)
    return problems


def _check_type(problem) -> None:
    """Refuse a text, a dict or anything else that is no Problem."""
    if not hasattr(problem, "problem") or not hasattr(problem, "answer"):
        raise ValueError(
            f"expected Problem(problem, answer, …), got {problem!r}"
        )


def problems_digest(problems: list[Problem]) -> str:
    """Return 12 hex digits that change when problems or answers do."""
    rows = [(p.id, p.problem, p.answer) for p in problems]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def refuse_test_problems(problems: list[Problem]) -> None:
    """Raise ValueError for a problem of a test set, by its id or its text."""
    for problem in problems:
        _check_type(problem)
        known = _test_ids().get(_text(problem))
        if known or TEST_ID.search(problem.id):
            raise ValueError(
                f"problem {problem.id!r}, {problem.problem[:40]!r}, belongs "
                f"to a test split ({known or problem.id}); train on "
                "split='train' and watch split='validation'"
            )


@lru_cache(maxsize=1)
def _test_ids() -> dict[str, str]:
    """The text of each test problem that ships -> its id."""
    return {_text(problem): problem.id for problem in all_test_problems()}


def all_test_problems() -> list[Problem]:
    """The test problems that ship: what no training text may repeat."""
    names = [n for n, splits in PROBLEM_SETS.items() if "test" in splits]
    return [problem for name in names for problem in load_problems(name)]


def _text(problem: Problem) -> str:
    """A problem's text as it is compared: without white space."""
    return "".join(problem.problem.split())


def fetch_file(repo_id: str, revision: str, filename: str) -> Path:
    """Download a file of a Hub dataset once and return its local path."""
    from huggingface_hub import errors, hf_hub_download

    options = {"repo_type": "dataset", "revision": revision}
    options["endpoint"] = os.environ.get("HF_ENDPOINT")
    try:
        return Path(hf_hub_download(repo_id, filename, **options))
    except (errors.EntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"could not get {filename} of {repo_id} from the Hugging Face "
            "Hub; connect to the network (or set HF_ENDPOINT to a mirror), or "
            "use --problems pocketmath, which ships, or a JSONL file"
        ) from error


def read_problems(
    path: Path, *, name: str | None = None, limit: int | None = None
) -> list[Problem]:
    """Read the problems of a file; `name` begins the ids it does not give."""
    name = name or path.name.split(".")[0]
    problems, places = [], {}
    rows = enumerate(islice(read_rows(path), limit), start=1)
    for number, (place, row) in rows:
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
    """Turn a row into a Problem, its answer from wherever it stands."""
    values = {}
    for name in Problem.__dataclass_fields__:
        found = row.get(name), row.get(ALIASES.get(name)), ""
        values[name] = next(value for value in found if value is not None)
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
    """Yield each row of a JSONL, JSON or Parquet file with its place."""
    if ".parquet" in path.suffixes:
        kind, rows = "row", _parquet_rows(path)
    elif (text := _read_text(path)).lstrip().startswith("["):
        kind, rows = "item", _parse(text, path.name)
    else:
        # not splitlines: U+2028 may stand inside a JSON string
        kind, rows = "line", text.split("\n")
    for number, row in enumerate(rows, start=1):
        place = f"{path.name} {kind} {number}"
        if kind == "line":
            if not row.strip():
                continue
            row = _parse(row, place)
        if not isinstance(row, dict):
            raise ValueError(f"{place} is no JSON object: {str(row)[:60]!r}")
        yield place, row


def _read_text(path: Path) -> str:
    """Read a text file, compressed or not."""
    data = path.read_bytes()
    try:
        text = gzip.decompress(data) if path.suffix == ".gz" else data
        return text.decode("utf-8-sig")
    except (EOFError, OSError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path.name} is not UTF-8 text, or no whole gzip file of it "
            f"({error}); make or download it again"
        ) from None


def _parse(text: str, place: str):
    """Parse JSON, naming the place that is none."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(
            f"{place} is not valid JSON ({error}); expected one object on "
            "each line, or one list of objects"
        ) from None


def _parquet_rows(path: Path) -> list[dict]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            f"reading {path.name} needs pyarrow; run pip install pyarrow"
        ) from None
    return parquet.read_table(path).to_pylist()
