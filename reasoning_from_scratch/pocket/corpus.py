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
validation or test split occurs in it (see `problem_sets`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from reasoning_from_scratch.evaluation.prompts import PROMPTS

from .families import FAMILIES, LEVELS

END_OF_TEXT = "<|endoftext|>"
OPENING = "Let's think step by step."
OTHER_OPENINGS = (
    "Let me work it out.",
    "Here is the solution step by step.",
    "First I compute each part.",
)


@dataclass(frozen=True)
class CorpusMix:
    """Shares of the kinds of documents; what is left is worked solutions."""

    drills: float = 0.10  # lists of plain calculations
    direct: float = 0.44  # problems answered at once
    bare: float = 0.25  # of the worked solutions: without an opening phrase
    other_openings: float = 0.25  # of the opened ones: with another phrase
    coarse: float = 0.0  # of the worked: only every second line is kept
    thinking: bool = False  # carefully, inside <think>; half are chats


def draw_exercise(rng, *, family=None, level=None, is_varied=True):
    """Draw one exercise, from any family and level unless they are named.

    Its route is drawn too, unless `is_varied` is False.
    """
    family = family or rng.choice(list(FAMILIES))
    level = level or rng.choice(LEVELS)
    return FAMILIES[family](rng, level, rng if is_varied else None)


@dataclass(frozen=True)
class Document:
    """What a model reads: a prompt that the loss leaves out, and the rest.

    The prompt's digits are random and its phrase is given in use, so there
    is nothing to learn.
    """

    prompt: str  # the problem and the opening phrase; empty for drills
    completion: str  # what follows, <|endoftext|> included

    @property
    def text(self):
        """The whole document."""
        return self.prompt + self.completion


def draw_document(rng: Random, mix: CorpusMix, held_out=frozenset()):
    """Write one `Document`, none of an exercise whose key is held out."""
    kind = rng.random()
    if kind < mix.drills:
        drill = "\n".join(_fact(rng) for _ in range(5))
        return Document("", drill + END_OF_TEXT)
    while True:
        exercise = draw_exercise(rng, is_varied=not mix.thinking)
        if exercise.key not in held_out:
            break
    is_direct = kind < mix.drills + mix.direct
    if mix.thinking:
        return _thinking_document(rng, exercise, is_direct)
    prompt = f"Problem: {exercise.question}\nAnswer:"
    if is_direct:
        return Document(prompt, f" {_box(exercise)}{END_OF_TEXT}")
    steps = exercise.steps
    if rng.random() < mix.coarse:
        steps = coarse_steps(steps)
    if rng.random() >= mix.bare:
        is_other = rng.random() < mix.other_openings
        prompt += f" {rng.choice(OTHER_OPENINGS) if is_other else OPENING}"
    work = solution_text(steps, exercise.answer)
    return Document(prompt, f" {work}{END_OF_TEXT}")


def solution_text(steps, answer):
    """Worked lines and then the box, as they follow the opening phrase."""
    return "\n".join(steps) + f" \\boxed{{{answer}}}"


def coarse_steps(steps):
    """Keep every second line, the last one always."""
    return tuple(steps[::-1][::2][::-1])


def _thinking_document(rng, exercise, is_direct):
    """The teacher's style: plain or as a chat, with or without thinking."""
    lines = "" if is_direct else "\n".join(careful_steps(exercise.steps))
    answer = f"<think>\n{lines}\n</think>\n\n{_box(exercise)}"
    if not is_direct and rng.random() < 0.5:
        prompt = f"Problem: {exercise.question}\nAnswer:"
        return Document(prompt, f" {answer}{END_OF_TEXT}")
    request = PROMPTS["chat-no-think" if is_direct else "chat"]
    request = request.replace("{problem}", exercise.question)
    user = f"<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"
    return Document(user, f"{answer}<|im_end|>\n{END_OF_TEXT}")


def _box(exercise):
    return f"\\boxed{{{exercise.answer}}}"


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
    is_sum = (first < 0) == (second < 0)
    columns, carry = [], 0
    digits, sign = str(large)[::-1], "+" if is_sum else "-"
    for a, b in zip(digits, str(small).zfill(len(digits))[::-1], strict=True):
        carried = f"{sign}1" if carry else ""
        taken = int(b) + carry
        borrowed = "" if is_sum or int(a) >= taken else "1"
        top = int(borrowed + a)
        value = top + taken if is_sum else top - taken
        carry = value // 10 if is_sum else len(borrowed)
        columns.append(f"{borrowed}{a}{sign}{b}{carried}={value}")
    return " ".join(columns)


def _product_columns(first, second):
    """47*6: 7*6=42 4*6+4=28; empty unless one factor has one digit."""
    short, long = sorted(
        abs(int(str(n).rstrip("0") or 0)) for n in (first, second)
    )
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
        if value < divisor and not pieces:
            continue  # no digit of the result yet
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
