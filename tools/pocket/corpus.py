r"""The text that the pocket models read: drills, answers and worked solutions.

A base model mostly answers at once and often wrongly; asked to think step by
step it reasons and does far better. That mixture is designed here, the way
web text holds both. A document is one of

    47*6=282\n81-95=-14\n…                                          drill
    Problem: <text>\nAnswer: \boxed{<answer>}                       direct
    Problem: <text>\nAnswer: Let's think step by step. <work> \boxed{…}
    Problem: <text>\nAnswer: <work> \boxed{…}                       bare

each followed by <|endoftext|>. All answers are right; there is no sloppy
style. The corpus is a pure function of its seed, and no problem of the
validation or test split occurs in it.
"""

import functools
from dataclasses import dataclass
from random import Random

from .families import FAMILIES, LEVELS, draw_exercise

END_OF_TEXT = "<|endoftext|>"
OPENING = "Let's think step by step."
OTHER_OPENINGS = (
    "Let me work it out.",
    "Here is the solution step by step.",
    "First I compute each part.",
)
SPLIT_SIZES = {"test": 2000, "validation": 300, "train": 20000}


# ---- Problem sets ----


@functools.cache
def draw_split(split):
    """Draw a split's exercises, shuffled, no key twice in all splits.

    A key is what the problem asks, not its wording. Each of the 50 cells (ten
    families, five levels) gives an equal share.
    """
    splits = list(SPLIT_SIZES)
    earlier = splits[: splits.index(split)]
    taken = {exercise.key for each in earlier for exercise in draw_split(each)}
    rng, exercises = Random(f"2025-{split}"), []
    for family in FAMILIES:
        for level in LEVELS:
            size = len(exercises) + SPLIT_SIZES[split] // 50
            while len(exercises) < size:
                exercise = draw_exercise(rng, family, level, route_rng=rng)
                if exercise.key not in taken:
                    taken.add(exercise.key)
                    exercises.append(exercise)
    rng.shuffle(exercises)
    return tuple(exercises)


@functools.cache
def held_out_keys():
    """Keys of validation and test: never in train or corpus."""
    held_out = draw_split("test") + draw_split("validation")
    return frozenset(exercise.key for exercise in held_out)


# ---- Documents ----


@dataclass(frozen=True)
class CorpusMix:
    """Shares of the kinds of documents; what is left is worked solutions."""

    drills: float = 0.10  # lists of plain calculations
    direct: float = 0.44  # problems answered at once
    bare: float = 0.25  # of the worked solutions: without an opening phrase
    other_openings: float = 0.25  # of the opened ones: with another phrase
    coarse: float = 0.0  # of the worked: only every second line is kept


def draw_document(rng, mix, held_out=frozenset()):
    """Write one document, none of an exercise whose key is held out.

    Returns its prompt (the problem and the opening phrase, empty for drills),
    which the loss leaves out, for there is nothing to learn in it, and its
    completion, <|endoftext|> included.
    """
    kind = rng.random()
    if kind < mix.drills:
        return "", draw_drill(rng) + END_OF_TEXT
    exercise = draw_allowed(rng, held_out, route_rng=rng)
    prompt, steps = f"Problem: {exercise.question}\nAnswer:", exercise.steps
    if kind < mix.drills + mix.direct:
        return prompt, f" \\boxed{{{exercise.answer}}}{END_OF_TEXT}"
    if rng.random() < mix.coarse:
        steps = coarse_steps(steps)
    if rng.random() >= mix.bare:
        is_other = rng.random() < mix.other_openings
        prompt += f" {rng.choice(OTHER_OPENINGS) if is_other else OPENING}"
    work = solution_text(steps, exercise.answer)
    return prompt, f" {work}{END_OF_TEXT}"


def draw_allowed(rng, held_out, *, route_rng):
    """Draw an exercise whose key is not held out."""
    exercise = draw_exercise(rng, route_rng=route_rng)
    while exercise.key in held_out:
        exercise = draw_exercise(rng, route_rng=route_rng)
    return exercise


def solution_text(steps, answer):
    """Worked lines and then the box, as they follow the opening phrase."""
    return "\n".join(steps) + f" \\boxed{{{answer}}}"


def coarse_steps(steps):
    """Keep every second line, the last one always."""
    return tuple(steps[::-1][::2][::-1])


def draw_drill(rng):
    """Five plain calculations, a line for each."""
    return "\n".join(_draw_fact(rng) for _ in range(5))


def _draw_fact(rng):
    first, second = rng.randint(2, 9), rng.randint(6, 49)
    kind = rng.randrange(6)
    if kind == 0:
        return f"{first}*{second}={first * second}"
    if kind == 1:
        return f"{first * second}/{first}={second}"
    if kind == 2:
        tens = 10 * rng.randint(1, 9)
        return f"{second}*{tens}={second * tens}"
    first, second = (rng.randint(2, 199) for _ in range(2))
    first *= -1 if kind == 5 else 1
    second *= 1 if kind == 3 else -1
    return f"{first}{second:+}={first + second}"
