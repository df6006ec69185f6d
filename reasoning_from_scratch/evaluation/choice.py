r"""Multiple choice, evaluated in three ways that need not agree.

- `letter`: the model writes an answer, and the first letter in it counts.
- `letter-logprob`: the letter that the model finds likeliest to come next.
- `likelihood`: the choice whose full text is likeliest, per token. The
  choices are not shown, so nothing hangs on their letters.

Sources: Hendrycks et al. 2021 (MMLU); Brown et al. 2020 for likelihoods.
"""

import re
from collections import Counter
from dataclasses import dataclass

from reasoning_from_scratch import llm

from .choice_sets import LETTERS
from .prompts import render_prompt
from .statistics import wilson_interval

BOXED_CHOICE = r" \boxed{{choice}}"  # {choice} is replaced
LETTER = re.compile(rf"(?<![A-Za-z])([{LETTERS}])(?![A-Za-z])")
MAX_LETTER_TOKENS = 16  # what the letter method lets the model write


@dataclass(frozen=True)
class ChoiceResult:
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
    **options,
) -> ChoiceResult:
    """Let the model choose, and count how often it is right.

    Args:
        model, tokenizer: as `load_model` returns them.
        problems: list of ChoiceProblem, at least one.
        method: "letter", "letter-logprob" or "likelihood".
        prompt: see `render_prompt`.
        batch_size: rows decoded or scored together.
        options: `continuation=` of `choose_likeliest_text`.

    Raises:
        ValueError: no problems, or an unknown method.
    """
    if not problems or method not in CHOICE_METHODS:
        raise ValueError(
            f"expected problems and a method of {', '.join(CHOICE_METHODS)}, "
            f"got {len(problems)} problems and {method!r}"
        )
    choose = CHOICE_METHODS[method]
    chosen = choose(model, tokenizer, problems, prompt, batch_size, **options)
    pairs = zip(chosen, problems, strict=True)
    num_correct = sum(place == problem.answer for place, problem in pairs)
    low, high = wilson_interval(num_correct, len(problems))
    counts = Counter("none" if c is None else LETTERS[c] for c in chosen)
    return ChoiceResult(
        num_correct / len(problems),
        low,
        high,
        tuple(chosen),
        dict(sorted(counts.items())),
    )


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
    letters = [
        [f" {letter}" for letter in LETTERS[: len(problem.choices)]]
        for problem in problems
    ]
    return _likeliest(model, tokenizer, prompts, letters, batch_size)


def choose_likeliest_text(
    model, tokenizer, problems, prompt, batch_size, continuation=BOXED_CHOICE
):
    """Return the place of the choice likeliest to follow the question.

    Args:
        continuation: how a choice is written, with {choice} in it; a model
            that does not box its answers wants " {choice}".
    """
    prompts = [render_prompt(prompt, p.problem, tokenizer) for p in problems]
    texts = [
        [continuation.replace("{choice}", choice) for choice in p.choices]
        for p in problems
    ]
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
    """Return how likely each continuation is, as a mean over its tokens.

    The mean and not the sum: a sum makes every longer text less likely.

    Args:
        pairs: (prompt, continuation) texts; tokenized apart, so begin a
            continuation with its space.
        batch_size: rows scored together.
    """
    import torch

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
