"""How good the model under training is: loss and accuracy on validation.

Accuracy counts completions that end in the reference's very box; our own
answers are written in one form, so this needs no algebra. Claims are made by
`evaluation.evaluate` on the test split, not here.
"""

from __future__ import annotations

import torch

from reasoning_from_scratch.evaluation.problems import Problem
from reasoning_from_scratch.evaluation.prompts import render_prompt
from reasoning_from_scratch.llm.generation import generate
from reasoning_from_scratch.pocket.problem_sets import draw_split, problem_row

NUM_PROBLEMS = 300


def validation_problems(limit=NUM_PROBLEMS):
    """The first problems of the validation split."""
    rows = enumerate(draw_split("validation")[:limit])
    return [Problem(**problem_row("validation", i, e)) for i, e in rows]


@torch.no_grad()
def accuracy(model, tokenizer, problems, prompt, *, max_new_tokens):
    """Share of problems answered right, greedily, and the mean length."""
    outputs = generate(
        model,
        tokenizer,
        [render_prompt(prompt, problem, tokenizer) for problem in problems],
        max_new_tokens=max_new_tokens,
    )
    is_right = [
        output.text.endswith(f"\\boxed{{{problem.answer}}}")
        for output, problem in zip(outputs, problems, strict=True)
    ]
    num_tokens = sum(len(output.token_ids) for output in outputs)
    return sum(is_right) / len(problems), num_tokens / len(problems)


def measure(model, tokenizer, config):
    """Accuracy and length by prompt, as fields of a metrics row."""
    problems = validation_problems()
    was_training = model.training
    model.eval()
    row = {}
    for prompt in config.prompts:
        share, length = accuracy(
            model,
            tokenizer,
            problems,
            prompt,
            max_new_tokens=config.max_new_tokens,
        )
        name = prompt.replace("-", "_")
        row |= {f"{name}_accuracy": share, f"{name}_tokens": length}
    model.train(was_training)
    return row
