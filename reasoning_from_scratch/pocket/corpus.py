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
import re
from dataclasses import dataclass
from random import Random

from reasoning_from_scratch.evaluation.prompts import PROMPTS

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
    thinking: bool = False  # carefully, inside <think>; half are chats


def draw_document(rng, mix, held_out=frozenset()):
    """Write one document, none of an exercise whose key is held out.

    Returns its prompt (the problem and the opening phrase, empty for drills),
    which the loss leaves out, for there is nothing to learn in it, and its
    completion, <|endoftext|> included.
    """
    kind = rng.random()
    if kind < mix.drills:
        drill = "\n".join(_fact(rng) for _ in range(5))
        return "", drill + END_OF_TEXT
    route_rng = None if mix.thinking else rng
    exercise = draw_exercise(rng, route_rng=route_rng)
    while exercise.key in held_out:
        exercise = draw_exercise(rng, route_rng=route_rng)
    is_direct = kind < mix.drills + mix.direct
    if mix.thinking:
        return _thinking_document(rng, exercise, is_direct)
    prompt = f"Problem: {exercise.question}\nAnswer:"
    if is_direct:
        return prompt, f" \\boxed{{{exercise.answer}}}{END_OF_TEXT}"
    steps = exercise.steps
    if rng.random() < mix.coarse:
        steps = coarse_steps(steps)
    if rng.random() >= mix.bare:
        is_other = rng.random() < mix.other_openings
        prompt += f" {rng.choice(OTHER_OPENINGS) if is_other else OPENING}"
    work = solution_text(steps, exercise.answer)
    return prompt, f" {work}{END_OF_TEXT}"


def solution_text(steps, answer):
    """Worked lines and then the box, as they follow the opening phrase."""
    return "\n".join(steps) + f" \\boxed{{{answer}}}"


def coarse_steps(steps):
    """Keep every second line, the last one always."""
    return tuple(steps[::-1][::2][::-1])


def _thinking_document(rng, exercise, is_direct):
    """The teacher's style: plain or as a chat, with or without thinking."""
    lines = "" if is_direct else "\n".join(careful_steps(exercise.steps))
    answer = f"<think>\n{lines}\n</think>\n\n\\boxed{{{exercise.answer}}}"
    if not is_direct and rng.random() < 0.5:
        prompt = f"Problem: {exercise.question}\nAnswer:"
        return prompt, f" {answer}{END_OF_TEXT}"
    request = PROMPTS["chat-no-think" if is_direct else "chat"]
    request = request.replace("{problem}", exercise.question)
    user = f"<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"
    return user, f"{answer}<|im_end|>\n{END_OF_TEXT}"


def _fact(rng):
    """A line of a drill."""
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


# ---- The teacher's careful arithmetic: every hard line worked by digits ----


def _sum_columns(first, second):
    """347+285: 7+5=12 4+8+1=13 3+2+1=6; empty when it is easy."""
    large, small = sorted((abs(first), abs(second)), reverse=True)
    if large < 20 and small < 10:
        return ""
    sign = "+" if (first < 0) == (second < 0) else "-"
    columns, carry = [], 0
    digits = str(large)[::-1]
    for a, b in zip(digits, str(small).zfill(len(digits))[::-1], strict=True):
        taken, carried = int(b) + carry, f"{sign}1" * carry
        if sign == "+":
            value = int(a) + taken
            carry = value // 10
        else:
            carry = int(int(a) < taken)
            a = "1" * carry + a
            value = int(a) - taken
        columns.append(f"{a}{sign}{b}{carried}={value}")
    return " ".join(columns)


def _product_columns(first, second):
    """47*6: 7*6=42 4*6+4=28; empty unless one factor has one digit."""
    factors = (int(f"{abs(n)}".rstrip("0") or 0) for n in (first, second))
    short, long = sorted(factors)
    if long < 10 or not 2 <= short <= 9:
        return ""
    columns, carry = [], 0
    for digit in reversed(str(long)):
        value = int(digit) * short + carry
        carried = f"+{carry}" if carry else ""
        columns.append(f"{digit}*{short}{carried}={value}")
        carry = value // 10
    return " ".join(columns)


def _quotient_digits(number, divisor):
    """342/6: 34/6=5r4 42/6=7; empty unless it comes out with a digit."""
    number, divisor = abs(number), abs(divisor)
    while divisor % 10 == 0 and number % 10 == 0:
        number, divisor = number // 10, divisor // 10
    if not 2 <= divisor <= 9 or number < 20 or number % divisor:
        return ""
    pieces, rest = [], 0
    for digit in str(number):
        value = 10 * rest + int(digit)
        rest = value % divisor
        if value >= divisor or pieces:  # a digit of the result
            remainder = f"r{rest}" if rest else ""
            pieces.append(f"{value}/{divisor}={value // divisor}{remainder}")
    return " ".join(pieces)


_WORKED = {
    re.compile(r"(-?\d+)(?:\+|(?=-))(-?\d+)=-?\d+"): _sum_columns,
    re.compile(r"(-?\d+)\*\(?(-?\d+)\)?=-?\d+"): _product_columns,
    re.compile(r"(-?\d+)/(\d+)=-?\d+"): _quotient_digits,
}
_SCALED = re.compile(r"(-?\d+)[xy]=(?:.*=)?(-?\d+)")  # 5x=65


def careful_steps(steps):
    """The lines with the pieces of every long calculation."""
    lines = []
    for step in steps:
        for pattern, work in _WORKED.items():
            if match := pattern.fullmatch(step):
                lines.append(work(*map(int, match.groups())))
        lines.append(step)
        if match := _SCALED.fullmatch(step):
            lines.append(_quotient_digits(int(match[2]), int(match[1])))
    return tuple(filter(None, lines))
