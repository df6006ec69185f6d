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

from dataclasses import dataclass
from random import Random

from reasoning_from_scratch.evaluation.prompts import PROMPTS
from reasoning_from_scratch.pocket.careful import careful_steps
from reasoning_from_scratch.pocket.exercises import Routes
from reasoning_from_scratch.pocket.families import FAMILIES, LEVELS

END_OF_TEXT = "<|endoftext|>"
OPENING = "Let's think step by step."
OTHER_OPENINGS = (
    "Let me work it out.",
    "Here is the solution step by step.",
    "First I compute each part.",
)


@dataclass(frozen=True)
class CorpusMix:
    """Shares of the kinds of documents; what is left is worked solutions.

    Attributes:
        drills: share of lists of plain calculations.
        direct: share of problems answered at once.
        bare: share of the worked solutions without an opening phrase.
        other_openings: share of the opened ones with another phrase.
        coarse: share of the worked solutions that keep every second line.
        thinking: worked solutions think inside <think> tags, carefully, and
            half of the documents are chats.
    """

    drills: float = 0.10
    direct: float = 0.44
    bare: float = 0.25
    other_openings: float = 0.25
    coarse: float = 0.0
    thinking: bool = False


def draw_exercise(rng, *, family=None, level=None, routes=None):
    """Draw one exercise, from any family and level unless they are named."""
    family = family or rng.choice(list(FAMILIES))
    level = level or rng.choice(LEVELS)
    return FAMILIES[family](rng, level, routes or Routes(rng))


@dataclass(frozen=True)
class Document:
    """What a model reads, in two parts.

    Attributes:
        prompt: the problem and the opening phrase. Its digits are drawn at
            random and its phrase is given in use, so there is nothing to
            learn and the loss leaves it out. Empty for drills.
        completion: what follows, <|endoftext|> included.
    """

    prompt: str
    completion: str

    @property
    def text(self):
        """The whole document."""
        return self.prompt + self.completion


def draw_document(rng: Random, mix: CorpusMix, held_out=frozenset()):
    """Write one `Document`.

    Args:
        rng: source of all randomness.
        mix: shares of the kinds of documents.
        held_out: canonical keys that must not occur; such draws are redone.
    """
    kind = rng.random()
    if kind < mix.drills:
        return Document("", _drill(rng) + END_OF_TEXT)
    routes = Routes() if mix.thinking else Routes(rng)
    exercise = draw_exercise(rng, routes=routes)
    while exercise.key in held_out:
        exercise = draw_exercise(rng, routes=routes)
    is_direct = kind < mix.drills + mix.direct
    if mix.thinking:
        return _thinking_document(rng, exercise, is_direct)
    if is_direct:
        answer = f" {_box(exercise)}{END_OF_TEXT}"
        return Document(_prompt(exercise), answer)
    return _worked_document(rng, exercise, mix)


def solution_text(steps, answer):
    """Worked lines and then the box, as they follow the opening phrase."""
    lines = "\n".join(steps)
    return f"{lines} \\boxed{{{answer}}}"


def coarse_steps(steps):
    """Keep every second line, the last one always."""
    return tuple(steps[::-1][::2][::-1])


def _worked_document(rng, exercise, mix):
    steps = exercise.steps
    if rng.random() < mix.coarse:
        steps = coarse_steps(steps)
    opening = f" {OPENING}"
    if rng.random() < mix.bare:
        opening = ""
    elif rng.random() < mix.other_openings:
        opening = f" {rng.choice(OTHER_OPENINGS)}"
    work = f" {solution_text(steps, exercise.answer)}{END_OF_TEXT}"
    return Document(_prompt(exercise) + opening, work)


def _thinking_document(rng, exercise, is_direct):
    """The teacher's style: plain or as a chat, with or without thinking."""
    lines = "" if is_direct else "\n".join(careful_steps(exercise.steps))
    answer = f"<think>\n{lines}\n</think>\n\n{_box(exercise)}"
    if not is_direct and rng.random() < 0.5:
        return Document(_prompt(exercise), f" {answer}{END_OF_TEXT}")
    request = PROMPTS["chat-no-think" if is_direct else "chat"]
    request = request.replace("{problem}", exercise.question)
    user = f"<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"
    return Document(user, f"{answer}<|im_end|>\n{END_OF_TEXT}")


def _prompt(exercise):
    return f"Problem: {exercise.question}\nAnswer:"


def _box(exercise):
    return f"\\boxed{{{exercise.answer}}}"


def _drill(rng):
    """Five calculations of one line each."""
    return "\n".join(_fact(rng) for _ in range(5))


def _fact(rng):
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
    if kind == 3:
        return f"{first}+{second}={first + second}"
    if kind == 4:
        return f"{first}-{second}={first - second}"
    return f"-{first}-{second}={-first - second}"
