"""Choice sets: made up from problems, from the Hub, or from a file.

A model that prefers a letter scores by where the right answers stand; the
sets made here put them at each letter equally often, so that this shows.

Source: Hendrycks et al. 2021 (MMLU).
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .grouping import same_answer
from .hub import fetch_file
from .problems import Problem, load_problems, read_rows

LETTERS = "ABCDEFGHIJ"
MMLU = ("cais/mmlu", "all/test-00000-of-00001.parquet")


@dataclass(frozen=True)
class ChoiceProblem:
    """A question with its choices; `answer` is the right one's place."""

    problem: str
    choices: tuple[str, ...]
    answer: int
    subject: str = ""
    id: str = ""

    @property
    def text(self) -> str:
        """The question with its lettered choices below it."""
        lines = (
            f"{letter}. {choice}"
            for letter, choice in zip(LETTERS, self.choices, strict=False)
        )
        return "\n".join([self.problem, *lines])


def load_choices(
    name_or_path: str | Path, *, limit: int | None = None, seed: int = 0
) -> list[ChoiceProblem]:
    """Load a choice set.

    Args:
        name_or_path: "pocketmath" (choices are made up for it), "mmlu" from
            the Hub, or a file of MMLU's form: question, choices, and answer
            as a number from 0 or a letter.
        limit: keep only the first so many.
        seed: of the made-up choices.

    Raises:
        ValueError: a line of another form; FileNotFoundError: no such set.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1, got {limit}")
    name = str(name_or_path)
    if name == "pocketmath":
        return make_choices(load_problems(name), seed=seed)[:limit]
    path = fetch_file(*MMLU) if name == "mmlu" else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"no choice set or file {name!r}; expected pocketmath, mmlu or "
            "the path of a JSONL file"
        )
    problems = [
        _read_choice(row, place, f"{path.name.split('.')[0]}-{number}")
        for number, (place, row) in enumerate(read_rows(path), start=1)
    ]
    return problems[:limit]


def make_choices(
    problems: list[Problem], *, num_choices: int = 4, seed: int = 0
) -> list[ChoiceProblem]:
    """Give each problem wrong choices of the kind people and models make.

    The right answers stand at each letter equally often, in random order.

    Args:
        problems: at least `num_choices`, with different answers.
        num_choices: 2 to 10.
        seed: same seed, same choices.
    """
    if not 2 <= num_choices <= len(LETTERS):
        raise ValueError(f"num_choices must be 2 to 10, got {num_choices}")
    places = [index % num_choices for index in range(len(problems))]
    random.Random(seed).shuffle(places)
    other_answers = [problem.answer for problem in problems]
    made = []
    for problem, place in zip(problems, places, strict=True):
        generator = random.Random(f"{seed} {problem.id}")
        choices = []
        for wrong in _wrong_answers(problem.answer, other_answers, generator):
            if len(choices) == num_choices - 1:
                break
            known = [problem.answer, *choices]
            if not any(same_answer(wrong, answer) for answer in known):
                choices.append(wrong)
        choices.insert(place, problem.answer)
        made.append(
            ChoiceProblem(
                problem.problem,
                tuple(choices),
                place,
                problem.subject,
                problem.id,
            )
        )
    return made


def _wrong_answers(
    answer: str, other_answers: list[str], generator: random.Random
) -> Iterator[str]:
    """Yield slips in one number of the answer, then answers to others."""
    slips = []
    for match in re.finditer(r"\d+", answer, re.ASCII):
        digits = match[0]
        value = int(digits[:9])
        values = {value + 1, value - 1, value + 10, value - 10, 2 * value}
        values |= {value + 2, int(digits[:9][::-1])} - {value}
        for slip in sorted(v for v in values if v > 0):
            slips.append(
                answer[: match.start()] + str(slip) + answer[match.end() :]
            )
    if re.match(r"-\d", answer):
        slips.append(answer[1:])
    elif re.match(r"\d", answer):
        slips.append(f"-{answer}")
    generator.shuffle(slips)
    yield from slips
    for _ in range(100):
        yield generator.choice(other_answers)


def _read_choice(row: dict, place: str, default_id: str) -> ChoiceProblem:
    """Turn a row of MMLU's form into a ChoiceProblem."""
    choices, answer = row.get("choices"), row.get("answer")
    question = row.get("question") or row.get("problem")
    if isinstance(answer, str) and len(answer) == 1 and answer in LETTERS:
        answer = LETTERS.index(answer)
    is_whole = (
        isinstance(question, str)
        and isinstance(choices, list)
        and 2 <= len(choices) <= len(LETTERS)
        and isinstance(answer, int)
        and 0 <= answer < len(choices)
    )
    if not is_whole:
        raise ValueError(
            f"{place} is no choice problem; expected 'question', 'choices' "
            "(2 to 10) and 'answer' (a number from 0, or a letter)"
        )
    return ChoiceProblem(
        question,
        tuple(map(str, choices)),
        answer,
        str(row.get("subject", "")),
        str(row.get("id", default_id)),
    )
