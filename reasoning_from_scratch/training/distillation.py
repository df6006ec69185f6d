"""Learning from a teacher's traces: supervised fine-tuning.

Hard distillation raises the log-probability of the very tokens the teacher
wrote, the end token included; soft distillation draws the student's whole
next-token distribution towards the teacher's, on the same texts. Learning
from the student's own texts is in `on_policy`.

Sources: Hinton et al. 2015; DeepSeek-AI 2025 (R1, section 2.4: distillation
by fine-tuning on a reasoning model's samples).
"""

import math

import torch

from reasoning_from_scratch.evaluation import evaluate
from reasoning_from_scratch.llm.logprobs import hidden_logprobs

from .config import check_teacher
from .distillation_loss import SoftTargets, learned_hidden
from .loop import TrainingLoop, refuse_test_split, shuffled_indices
from .optimization import MasterAdamW, scheduled_learning_rate
from .sft_data import count_learned_tokens, micro_batches
from .update import checkpointed_layers


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
    refuse_test_split(validation)
    num_steps, steps_an_epoch = count_steps(len(examples), config)
    loss, examples = prepare_loss(teacher, tokenizer, examples, config)
    optimizer = make_optimizer(model, config)

    def take_step(step):
        batch = draw_batch(examples, step, config)
        rate = planned_rate(step, num_steps, config)
        return gradient_step(
            model, optimizer, batch, loss, config=config, learning_rate=rate
        )

    def watch():
        metrics = measure_accuracy(model, tokenizer, validation, config)
        return metrics | measure_loss(model, validation_examples, config)

    return TrainingLoop(
        model,
        tokenizer,
        optimizer,
        num_steps=num_steps,
        evaluate=watch,
        eval_every=config.eval_every or steps_an_epoch,
        run=run,
        name="distill",
        progress=progress,
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

    Returns:
        loss: as `gradient_step` takes it.
        examples: with the teacher's top k, where that is wanted.
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


def measure_accuracy(model, tokenizer, problems, config):
    """Greedy accuracy with its interval; nothing without problems."""
    problems = list(problems)[: config.eval_problems]
    if not problems:
        return {}
    result = evaluate(
        model,
        tokenizer,
        problems,
        prompt=config.prompt,
        max_new_tokens=config.max_new_tokens,
        progress=False,
    )
    return {
        "accuracy": result.accuracy,
        "accuracy_low": result.low,
        "accuracy_high": result.high,
        "greedy_length": result.mean_tokens,
        "greedy_truncated": result.truncated,
    }


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


def gradient_step(model, optimizer, examples, loss, *, config, learning_rate):
    """Learn from one batch, by micro-batches of examples of like length.

    Args:
        model: the student, changed in place.
        optimizer: a `MasterAdamW` over its parameters.
        examples: list of `Example`, the whole batch.
        loss: callable (model, hidden, batch) -> scalar, a sum over the
            learned tokens, of which `hidden` are the final states.
        config: gives micro_batch_tokens and activation_checkpointing.
        learning_rate: of this update.

    Returns:
        dict: loss in nats a token, grad_norm, learning_rate, num_tokens.
    """
    num_tokens = count_learned_tokens(examples)
    total = 0.0
    batches = micro_batches(
        examples, config.micro_batch_tokens, device=model.device
    )
    with checkpointed_layers(model, config.activation_checkpointing):
        for batch in batches:
            hidden = learned_hidden(model, batch)
            share = loss(model, hidden, batch) / num_tokens
            share.backward()
            total += float(share.detach())
    return {
        "loss": total,
        "grad_norm": optimizer.step(learning_rate),
        "learning_rate": learning_rate,
        "num_tokens": num_tokens,
    }


def hard_loss(model, hidden, batch):
    """Minus the log-probability of the learned tokens, summed."""
    logprobs, _ = hidden_logprobs(model, hidden, batch.targets)
    return -logprobs.sum()
