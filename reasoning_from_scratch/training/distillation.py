"""Distillation: learning a teacher's texts, or its marks on one's own.

Hard distillation learns the very tokens the teacher wrote, soft distillation
its whole next-token distribution on the same texts. The losses, sums over the
completion tokens of a micro-batch, are divided by the tokens of the whole
batch, so that their gradients add up to that of the batch in one piece.

Traces show a student only texts that its teacher would write. On-policy it
learns on its own, mistakes included, with a judgement for every token instead
of one for a whole answer; no gradient passes through the sampling.

Sources: DeepSeek-AI 2025 (R1, section 2.4); Agarwal et al. 2023 (GKD), arXiv
2306.13649; Thinking Machines Lab 2025, "On-Policy Distillation".
"""

import math

import torch

from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.evaluation.problems import (
    checked_problems,
    refuse_test_problems,
)
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.memory import advised, learning_advice

from .config import check_teacher
from .distillation_loss import hard_loss, learned_hidden, soft_loss
from .loop import TrainingLoop, measure_accuracy, shuffled_indices
from .optimization import MasterAdamW, scheduled_learning_rate
from .rollouts import collect_rollouts, repeat
from .sft_data import Example, count_learned_tokens, micro_batches
from .update import checkpointed_layers, gradient_step


def train_distillation(
    model,
    tokenizer,
    examples,
    config,
    *,
    teacher=None,
    validation=(),
    validation_examples=(),
    run=None,
    progress=True,
):
    """Train a student on examples of what its teacher wrote.

    Args:
        model, tokenizer: the student; it is changed in place. To resume,
            pass the model that the run started from.
        examples: list of `Example`, from `encode_traces`.
        config: a `DistillationConfig`.
        teacher: a model of the same vocabulary, for a soft loss.
        validation: problems to answer, for the curve and the best step.
        validation_examples: examples held back, for the validation loss.
        run: a `RunFolder` for metrics and checkpoints; one that has a
            checkpoint is resumed from its last.
        progress: show a bar.

    Returns:
        list of dicts, the rows of metrics.jsonl: loss in nats per token,
        grad_norm, learning_rate, num_tokens, seconds; at evaluations also
        accuracy and validation_loss.

    Raises:
        ValueError: no examples, problems of a test split, or a teacher
            missing, unused or of another vocabulary.
        KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
    """
    refuse_test_problems(validation)
    if not examples:
        raise ValueError("there are no examples; collect some traces first")
    check_teacher(config, teacher is not None)
    loss = hard_loss
    if teacher is not None:
        loss = soft_loss(teacher, tokenizer.vocab_size, config)
    num_batches = len(examples) / config.batch_size

    def measure():
        accuracy = measure_accuracy(model, tokenizer, validation, config)
        return accuracy | measure_loss(model, validation_examples, config)

    every = config.eval_every or math.ceil(num_batches)
    return _train(
        (model, tokenizer, config),
        loss,
        lambda step: (draw_batch(examples, step, config), {}),
        num_steps=math.ceil(config.epochs * num_batches),
        evaluate=measure,
        eval_every=every,
        checkpoint_every=every,
        run=run,
        name="distill",
        progress=progress,
    )


def _train(setup, loss, draw, *, num_steps, **options):
    """Learn what `draw` gives for each step: its examples and metrics."""
    model, tokenizer, config = setup
    optimizer = MasterAdamW.of(model, config)

    def take_step(step):
        examples, metrics = draw(step)
        rate = planned_rate(step, num_steps, config)
        return metrics | learn_examples(
            model, optimizer, examples, loss, config, rate
        )

    options |= {"num_steps": num_steps, "prefers_later": True}
    return TrainingLoop(model, tokenizer, optimizer, **options).train(
        take_step
    )


def draw_batch(examples, step, config):
    """The examples of a step, in an order that the seed alone decides."""
    size = config.batch_size
    indices = shuffled_indices(
        len(examples), step * size, size, seed=config.seed
    )
    return [examples[index] for index in indices]


def planned_rate(step, num_steps, config):
    """The learning rate of a step: warm-up, then a cosine to zero."""
    return scheduled_learning_rate(
        step,
        peak=config.learning_rate,
        warmup_steps=config.warmup_steps,
        total_steps=num_steps,
    )


def learn_examples(model, optimizer, examples, loss, config, learning_rate):
    """One update of a student on a batch of examples; returns its metrics."""
    num_tokens = count_learned_tokens(examples)
    batches = micro_batches(
        examples, config.micro_batch_tokens, device=model.device
    )
    losses = (
        loss(model, learned_hidden(model, batch), batch) / num_tokens
        for batch in batches
    )
    longest = max(len(example.token_ids) for example in examples)
    with (
        advised(learning_advice(config, len(examples), longest)),
        checkpointed_layers(model, config.activation_checkpointing),
    ):
        values, norm = gradient_step(optimizer, losses, learning_rate)
    return {
        "loss": sum(values),
        "grad_norm": norm,
        "learning_rate": learning_rate,
        "num_tokens": num_tokens,
    }


@torch.no_grad()
def measure_loss(model, examples, config):
    """Hard loss in nats per token; nothing without examples."""
    if not examples:
        return {}
    total = 0.0
    for batch in micro_batches(
        examples, config.micro_batch_tokens, device=model.device
    ):
        total += float(hard_loss(model, learned_hidden(model, batch), batch))
    return {"validation_loss": total / count_learned_tokens(examples)}


# ---- On the student's own texts ----


def train_on_policy(
    model,
    tokenizer,
    problems,
    config,
    *,
    teacher,
    validation=(),
    run=None,
    progress=True,
):
    """Train a student on its own answers by a teacher's judgement.

    Answers of the problems only tell how many are right; the teacher is a
    model of the same vocabulary. All else is as in `train_distillation`.
    """
    problems = checked_problems(problems)
    refuse_test_problems([*problems, *validation])
    return _train(
        (model, tokenizer, config),
        soft_loss(teacher, tokenizer.vocab_size, config),
        lambda step: sample_examples(model, tokenizer, problems, step, config),
        num_steps=config.steps,
        evaluate=lambda: measure_accuracy(
            model, tokenizer, validation, config
        ),
        eval_every=config.eval_every,
        checkpoint_every=config.eval_every or config.steps,
        run=run,
        name="on-policy",
        progress=progress,
    )


def sample_examples(model, tokenizer, problems, step, config):
    """Let the student answer the next problems: (examples, metrics)."""
    count = config.prompts_per_step
    indices = shuffled_indices(
        len(problems), step * count, count, seed=config.seed
    )
    rollouts = collect_rollouts(
        model,
        tokenizer,
        [problems[index] for index in indices],
        prompt=config.prompt,
        group_size=config.group_size,
        sampling=SamplingConfig(temperature=config.temperature),
        max_new_tokens=config.max_new_tokens,
        seed=config.seed * 1_000_003 + step,
        batch_size=config.decoding_batch_size,
    )
    examples = []
    problems = repeat(rollouts.problems, config.group_size)
    rows = zip(rollouts.token_ids, rollouts.mask, problems, strict=True)
    for token_ids, mask, problem in rows:
        start, asked = int(mask.int().argmax()) + 1, None
        if config.teacher_prompt:
            prompt = render_prompt(config.teacher_prompt, problem, tokenizer)
            asked = tokenizer.encode(prompt)
        own, drawn = token_ids[:start], token_ids[1:][mask]
        examples.append(Example(own.tolist(), drawn.tolist(), asked))
    return examples, {
        "solve_rate": float((rollouts.rewards >= 1).float().mean()),
        "length": float(rollouts.lengths.float().mean()),
        "truncated": float(rollouts.truncated.float().mean()),
    }
