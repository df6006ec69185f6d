r"""Multiple choice: sets of lettered questions, and three ways to choose.

- `letter`: the model writes an answer, and the first letter in it counts.
- `letter-logprob`: the letter that the model finds likeliest to come next.
- `likelihood`: the choice whose full text is likeliest, per token, behind the
  question alone, so nothing hangs on letters.

In the sets made here the right answers stand at each letter equally often.

Sources: Hendrycks et al. 2021 (MMLU); Brown et al. 2020 for likelihoods.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation import render_prompt, wilson_interval
from reasoning_from_scratch.evaluation.grouping import same_answer
from reasoning_from_scratch.evaluation.problems import (
    check_limit,
    checked_problems,
    fetch_file,
    load_problems,
    read_rows,
)

LETTERS = "ABCDEFGHIJ"
LETTER = re.compile(rf"(?<![A-Za-z])([{LETTERS}])(?![A-Za-z])")
MAX_LETTER_TOKENS = 16  # what the letter method lets the model write
NUM_CHOICES = 4  # of the sets made here
MMLU = (
    "cais/mmlu",
    "c30699e8356da336a370243923dbaf21066bb9fe",
    "all/test-00000-of-00001.parquet",
)


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
        lettered = zip(LETTERS, self.choices, strict=False)
        lines = (f"{letter}. {choice}" for letter, choice in lettered)
        return "\n".join([self.problem, *lines])


def load_choices(
    name_or_path: str | Path, *, limit: int | None = None, seed: int = 0
) -> list[ChoiceProblem]:
    """Load a choice set: pocketmath, mmlu, or a file of MMLU's form.

    The choices of pocketmath are made up, the same for a seed.
    """
    check_limit(limit)
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


def _read_choice(row, place, default_id) -> ChoiceProblem:
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


def make_choices(problems, *, seed=0) -> list[ChoiceProblem]:
    """Give each problem wrong choices of the kind people and models make."""
    # The right answers stand at each letter equally often
    places = [index % NUM_CHOICES for index in range(len(problems))]
    random.Random(seed).shuffle(places)
    other_answers = [problem.answer for problem in problems]
    made = []
    for problem, place in zip(problems, places, strict=True):
        generator = random.Random(f"{seed} {problem.id}")
        known = [problem.answer]
        for wrong in _wrong_answers(problem.answer, other_answers, generator):
            if len(known) == NUM_CHOICES:
                break
            if not any(same_answer(wrong, answer) for answer in known):
                known.append(wrong)
        if len(known) < NUM_CHOICES:
            raise ValueError(
                f"{NUM_CHOICES} choices for problem {problem.id!r} need as "
                "many different answers; give more problems"
            )
        choices = known[1:]
        choices.insert(place, problem.answer)
        question, subject = problem.problem, problem.subject
        made.append(
            ChoiceProblem(question, tuple(choices), place, subject, problem.id)
        )
    return made


def _wrong_answers(answer, other_answers, generator):
    """Yield slips in one number of the answer, then answers to others."""
    slips = []
    for match in re.finditer(r"\d+", answer, re.ASCII):
        digits = match[0][:9]
        value = int(digits)
        values = {value + 1, value - 1, value + 10, value - 10, 2 * value}
        values |= {value + 2, int(digits[::-1])} - {value}
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


class ChoiceResult(NamedTuple):
    """Accuracy on a choice set, and which letters were chosen."""

    accuracy: float
    low: float
    high: float
    chosen: tuple[int | None, ...]  # per problem; None: no letter found
    letter_counts: dict[str, int]


def evaluate_choices(
    model,
    tokenizer,
    problems,
    *,
    method: str = "likelihood",
    prompt: str = "direct",
    batch_size: int = 64,
) -> ChoiceResult:
    """Let the model choose by a key of CHOICE_METHODS; count what is right."""
    problems = checked_problems(problems)
    if method not in CHOICE_METHODS:
        raise ValueError(
            f"no method {method!r}; expected {', '.join(CHOICE_METHODS)}"
        )
    choose = CHOICE_METHODS[method]
    chosen = choose(model, tokenizer, problems, prompt, batch_size)
    num_correct = sum(
        place is not None and p.choices[place] == p.choices[p.answer]
        for place, p in zip(chosen, problems, strict=True)
    )  # by the text: some sets give the right choice twice
    low, high = wilson_interval(num_correct, len(problems))
    counts = Counter("none" if c is None else LETTERS[c] for c in chosen)
    counts = dict(sorted(counts.items()))
    accuracy = num_correct / len(problems)
    return ChoiceResult(accuracy, low, high, tuple(chosen), counts)


def choose_letter(model, tokenizer, problems, prompt, batch_size):
    """Let the model write; return the place of the first letter in it."""
    outputs = llm.generate(
        model,
        tokenizer,
        [render_prompt(prompt, p.text, tokenizer) for p in problems],
        max_new_tokens=MAX_LETTER_TOKENS,
        batch_size=batch_size,
    )
    chosen = []
    for output, problem in zip(outputs, problems, strict=True):
        places = map(LETTERS.index, LETTER.findall(output.text))
        known = (place for place in places if place < len(problem.choices))
        chosen.append(next(known, None))
    return chosen


def choose_likeliest_letter(model, tokenizer, problems, prompt, batch_size):
    """Return the place of the letter likeliest to come next."""
    prompts = [render_prompt(prompt, p.text, tokenizer) for p in problems]
    letters = [[f" {x}" for x in LETTERS[: len(p.choices)]] for p in problems]
    return _likeliest(model, tokenizer, prompts, letters, batch_size)


def choose_likeliest_text(model, tokenizer, problems, prompt, batch_size):
    """Return the place of the choice likeliest to follow the question."""
    prompts = [render_prompt(prompt, p.problem, tokenizer) for p in problems]
    texts = [[rf" \boxed{{{c}}}" for c in p.choices] for p in problems]
    return _likeliest(model, tokenizer, prompts, texts, batch_size)


CHOICE_METHODS = {
    "letter": choose_letter,
    "letter-logprob": choose_likeliest_letter,
    "likelihood": choose_likeliest_text,
}


def _likeliest(model, tokenizer, prompts, continuations, batch_size):
    """Return the place of each prompt's likeliest continuation."""
    pairs = [
        (prompt, text)
        for prompt, texts in zip(prompts, continuations, strict=True)
        for text in texts
    ]
    scores = iter(mean_logprobs(model, tokenizer, pairs, batch_size))
    rows = [[next(scores) for _ in texts] for texts in continuations]
    return [row.index(max(row)) for row in rows]


def mean_logprobs(model, tokenizer, pairs, batch_size=64) -> list[float]:
    """Return the mean log-probability of the texts of (prompt, text) pairs."""
    means = []
    for start in range(0, len(pairs), batch_size):
        rows, lengths = [], []
        for prompt, text in pairs[start : start + batch_size]:
            token_ids = tokenizer.encode(text)
            rows.append(tokenizer.encode(prompt) + token_ids)
            lengths.append(len(token_ids))
        token_ids, key_mask = tokenizer.pad_left(rows, device=model.device)
        with torch.inference_mode():
            logprobs = llm.token_logprobs(model, token_ids, key_mask=key_mask)
        # (rows, tokens - 1): padded on the left, so the text is at the end
        for row, length in zip(logprobs.tolist(), lengths, strict=True):
            means.append(sum(row[-length:]) / length)
    return means
