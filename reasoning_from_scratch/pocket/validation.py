"""How good the model under training is: accuracy on validation.

Claims are made on the test split by `rfs evaluate`, not here.
"""

from __future__ import annotations

from reasoning_from_scratch.evaluation import evaluate, load_problems


def measure(model, tokenizer, config):
    """Accuracy and length by prompt, as fields of a metrics row."""
    problems = load_problems("pocketmath", split="validation")
    was_training = model.training
    model.eval()
    row = {}
    for prompt in config.prompts:
        result = evaluate(
            model,
            tokenizer,
            problems,
            prompt=prompt,
            max_new_tokens=config.max_new_tokens,
            batch_size=len(problems),
            progress=False,
        )
        name = prompt.replace("-", "_")
        row[f"{name}_accuracy"] = result.accuracy
        row[f"{name}_tokens"] = result.mean_tokens
    model.train(was_training)
    return row
