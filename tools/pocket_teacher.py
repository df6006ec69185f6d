"""How `pocket-teacher` was made: a larger sister that thinks inside <think>.

    python tools/pocket_teacher.py RUN

Trains it in runs/RUN, 3,000 steps from random weights; the same command goes
on after an interruption. It thinks carefully: every long calculation is
worked by its digits, and a problem always by the same route.
"""

import re
import sys
from dataclasses import asdict, replace

from pocket.corpus import (
    END_OF_TEXT,
    CorpusMix,
    draw_allowed,
    draw_drill,
)
from pocket.recipes import POCKET_MODEL, PretrainConfig

from reasoning_from_scratch.evaluation.prompts import PROMPTS
from reasoning_from_scratch.llm import Qwen3Tokenizer
from reasoning_from_scratch.llm.weights import ASSETS
from reasoning_from_scratch.runs import RunFolder

TEACHER = PretrainConfig(
    name="pocket-teacher",
    model=replace(
        POCKET_MODEL,
        hidden_size=256,
        num_layers=6,
        num_heads=8,
        intermediate_size=704,
    ),
    mix=CorpusMix(drills=0.02, direct=0.04),
    steps=3000,
    row_tokens=320,
    matrix_lr=0.015,
    other_lr=3e-3,
    is_bfloat16=True,
    max_new_tokens=320,
    prompts=("direct",),
)


def draw_thoughtful(rng, mix, held_out=frozenset()):
    """Write one document as (prompt, completion), see `draw_document`.

    Worked problems are half plain, half chats; direct ones are chats whose
    thoughts are empty.
    """
    kind = rng.random()
    if kind < mix.drills:
        return "", draw_drill(rng) + END_OF_TEXT
    exercise = draw_allowed(rng, held_out, route_rng=None)
    is_direct = kind < mix.drills + mix.direct
    lines = "" if is_direct else "\n".join(careful_steps(exercise.steps))
    answer = f"<think>\n{lines}\n</think>\n\n\\boxed{{{exercise.answer}}}"
    if not is_direct and rng.random() < 0.5:
        prompt = f"Problem: {exercise.question}\nAnswer:"
        return prompt, f" {answer}{END_OF_TEXT}"
    request = PROMPTS["chat-no-think" if is_direct else "chat"]
    request = request.replace("{problem}", exercise.question)
    user = f"<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"
    return user, f"{answer}<|im_end|>\n{END_OF_TEXT}"


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


def main(name: str) -> None:
    """Train the teacher in a run."""
    from pocket.pretrain import pretrain

    run = RunFolder.create(name, asdict(TEACHER), resume=True)
    tokenizer = Qwen3Tokenizer(ASSETS / TEACHER.name)
    pretrain(TEACHER, run, tokenizer=tokenizer, draw=draw_thoughtful)
    print(f"model: {run.checkpoint_path(TEACHER.steps)}")


if __name__ == "__main__":
    main(sys.argv[1])
