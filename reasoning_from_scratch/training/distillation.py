"""Learning from a teacher's traces: supervised fine-tuning.

Hard distillation raises the log-probability of the very tokens the teacher
wrote, the end token included; soft distillation draws the student's whole
next-token distribution towards the teacher's, on the same texts. Learning
from the student's own texts is in `on_policy`.

    loss = 1/N sum over the batch's completion tokens of
           - log p_S(token), or a divergence of p_T and p_S

N counts the tokens of the whole batch, in however many micro-batches it is
computed, so their gradients add up to that of the batch in one piece.

Sources: Hinton et al. 2015; DeepSeek-AI 2025 (R1, section 2.4: distillation
by fine-tuning on a reasoning model's samples).
"""

import math

import torch

from reasoning_from_scratch.evaluation.problems import (
    refuse_test_problems,
)
from reasoning_from_scratch.llm.logprobs import hidden_logprobs
from reasoning_from_scratch.memory import advised, learning_advice

from .config import check_teacher
from .distillation_loss import SoftTargets, learned_hidden
from .loop import TrainingLoop, measure_accuracy, shuffled_indices
from .optimization import MasterAdamW, scheduled_learning_rate
from .sft_data import count_learned_tokens, micro_batches
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
        list of dicts, the rows of metrics.jsonl: loss in nats a token,
        grad_norm, learning_rate, num_tokens, seconds; at evaluations also
        accuracy and validation_loss.

    Raises:
        ValueError: no examples, problems of a test split, or a teacher
            missing, unused or of another vocabulary.
        KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
    """
    refuse_test_problems(validation)
    num_steps, steps_an_epoch = count_steps(len(examples), config)
    loss, examples = prepare_loss(teacher, tokenizer, examples, config)
    optimizer = make_optimizer(model, config)

    def take_step(step):
        batch = draw_batch(examples, step, config)
        rate = planned_rate(step, num_steps, config)
        return learn_examples(model, optimizer, batch, loss, config, rate)

    def measure():
        accuracy = measure_accuracy(model, tokenizer, validation, config)
        return accuracy | measure_loss(model, validation_examples, config)

    every = config.eval_every or steps_an_epoch
    return TrainingLoop(
        model,
        tokenizer,
        optimizer,
        num_steps=num_steps,
        evaluate=measure,
        eval_every=every,
        checkpoint_every=every,
        run=run,
        name="distill",
        progress=progress,
        prefers_later=True,
    ).train(take_step)


def count_steps(num_examples, config):
    """Updates of the whole run, and of one pass over the examples."""
    if not num_examples:
        raise ValueError("there are no examples; collect some traces first")
    num_batches = num_examples / config.batch_size
    return math.ceil(config.epochs * num_batches), math.ceil(num_batches)


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


def prepare_loss(teacher, tokenizer, examples, config):
    """The loss that the config describes, and the examples it needs.

    The loss is a callable (model, hidden, batch) -> sum over the learned
    tokens, whose final states `hidden` are.
    """
    check_teacher(config, teacher is not None)
    if teacher is None:
        return hard_loss, examples
    soft = SoftTargets(
        teacher,
        tokenizer.vocab_size,
        kind=config.loss,
        temperature=config.temperature,
        beta=config.beta,
        top_k=config.teacher_top_k,
    )
    if config.teacher_top_k:
        examples = soft.store(examples)
    if config.hard_weight == 0:
        return soft.loss, examples

    def mixed_loss(model, hidden, batch):
        weight = config.hard_weight
        return weight * hard_loss(model, hidden, batch) + (
            1 - weight
        ) * soft.loss(model, hidden, batch)

    return mixed_loss, examples


def make_optimizer(model, config):
    """AdamW as a distillation config describes it."""
    return MasterAdamW(
        model,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        moment_dtype=getattr(torch, config.moment_dtype),
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


def hard_loss(model, hidden, batch):
    """Minus the log-probability of the learned tokens, summed."""
    logprobs, _ = hidden_logprobs(model, hidden, batch.targets)
    return -logprobs.sum()


@torch.no_grad()
def measure_loss(model, examples, config):
    """Hard loss in nats a token; nothing without examples."""
    if not examples:
        return {}
    total = 0.0
    for batch in micro_batches(
        examples, config.micro_batch_tokens, device=model.device
    ):
        total += float(hard_loss(model, learned_hidden(model, batch), batch))
    return {"validation_loss": total / count_learned_tokens(examples)}
