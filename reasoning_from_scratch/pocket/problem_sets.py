"""The problem sets of `pocketmath`: train, validation and test.

Each of the 50 cells (ten families, five levels) gives an equal share. The
splits are disjoint by canonical key, the parameters of a problem and not its
wording, and `held_out_keys` lets the corpus keep clear of validation and
test. All is a pure function of `SEED`.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import json
from pathlib import Path
from random import Random

from .corpus import draw_exercise, solution_text
from .families import FAMILIES, LEVELS

SEED = 2025
SPLIT_SIZES = {"test": 2000, "validation": 300, "train": 20000}


@functools.cache
def draw_split(split):
    """Draw a split's exercises, shuffled, no key twice in all splits."""
    splits = list(SPLIT_SIZES)
    taken = set()
    for earlier in splits[: splits.index(split)]:
        taken.update(exercise.key for exercise in draw_split(earlier))
    rng = Random(f"{SEED}-{split}")
    cells = list(itertools.product(FAMILIES, LEVELS))
    exercises = []
    for family, level in cells:
        size = len(exercises) + SPLIT_SIZES[split] // len(cells)
        while len(exercises) < size:
            exercise = draw_exercise(rng, family=family, level=level)
            if exercise.key not in taken:
                taken.add(exercise.key)
                exercises.append(exercise)
    rng.shuffle(exercises)
    return tuple(exercises)


@functools.cache
def held_out_keys():
    """Canonical keys of validation and test: never in train or corpus."""
    return frozenset(
        exercise.key
        for split in ("test", "validation")
        for exercise in draw_split(split)
    )


def problem_row(split, index, exercise):
    """One line of a problem set, with the fields of `Problem`."""
    return {
        "problem": exercise.question,
        "answer": exercise.answer,
        "subject": exercise.family,
        "level": exercise.level,
        "id": f"pocketmath-{split}-{index:05d}",
        "solution": solution_text(exercise.steps, exercise.answer),
    }


def split_bytes(split):
    """The gzip JSONL file of a split; the same bytes on every machine."""
    lines = [
        json.dumps(problem_row(split, i, exercise), ensure_ascii=False)
        for i, exercise in enumerate(draw_split(split))
    ]
    text = "\n".join(lines) + "\n"
    return gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0)


def write_problem_sets(folder):
    """Write train, validation and test as FOLDER/<split>.jsonl.gz."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLIT_SIZES:
        (folder / f"{split}.jsonl.gz").write_bytes(split_bytes(split))
