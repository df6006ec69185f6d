"""Distillation: learning a teacher's texts, or its marks on one's own.

Hard distillation raises the log-probability of the very tokens the teacher
wrote, the end token included; soft distillation draws the student's whole
next-token distribution towards the teacher's, on the same texts.

    loss = 1/N sum over the batch's completion tokens of
           - log p_S(token), or a divergence of p_T and p_S

N counts the tokens of the whole batch, in however many micro-batches it is
computed, so their gradients add up to that of the batch in one piece.

Traces show a student only texts that its teacher would write. On-policy it
learns on its own, mistakes included, with a judgement for every token instead
of one for a whole answer:

    A_t  = log p_T(o_t | …) - log p_S(o_t | …)          o_t drawn from p_S
    loss = - 1/N sum_t sg(A_t) log p_S(o_t | …)

In expectation over o_t its gradient is that of KL(p_S || p_T) at each prefix
the student reaches; no gradient passes through the sampling of the prefix.
The other losses compare the full distributions instead of the drawn token.
Rejection sampling needs no teacher: the verifier keeps what is right.

Sources: Hinton et al. 2015; DeepSeek-AI 2025 (R1, section 2.4: distillation
by fine-tuning on a reasoning model's samples); Agarwal et al. 2023 (GKD),
arXiv 2306.13649; Thinking Machines Lab 2025, "On-Policy Distillation";
Zelikman et al. 2022 (STaR), arXiv 2203.14465; Yuan et al. 2023 (2308.01825).
"""

import functools
import math

import torch

from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.evaluation.problems import (
    checked_problems,
    refuse_test_problems,
)
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.llm.logprobs import hidden_logprobs
from reasoning_from_scratch.memory import advised, learning_advice

from .config import check_teacher
from .distillation_loss import SoftTargets, learned_hidden
from .loop import TrainingLoop, measure_accuracy, shuffled_indices
from .optimization import MasterAdamW, scheduled_learning_rate
from .rollouts import collect_rollouts
from .sft_data import Example, count_learned_tokens, micro_batches
from .teacher import LocalTeacher, generate_teacher_traces
from .traces import filter_traces
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
    optimizer = make_optimizer(model, config)
    targets = SoftTargets(
        teacher,
        tokenizer.vocab_size,
        kind=config.loss,
        temperature=config.temperature,
        beta=config.beta,
    )
    loss = targets.loss
    if config.loss == "sampled":
        loss = functools.partial(sampled_loss, targets)

    def take_step(step):
        examples, metrics = sample_examples(
            model, tokenizer, problems, step, config
        )
        rate = planned_rate(step, config.steps, config)
        return metrics | learn_examples(
            model, optimizer, examples, loss, config, rate
        )

    return TrainingLoop(
        model,
        tokenizer,
        optimizer,
        num_steps=config.steps,
        evaluate=lambda: measure_accuracy(
            model, tokenizer, validation, config
        ),
        eval_every=config.eval_every,
        checkpoint_every=config.eval_every or config.steps,
        run=run,
        name="on-policy",
        progress=progress,
        prefers_later=True,
    ).train(take_step)


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

    def tokens_of(prompt, problem):
        return tokenizer.encode(render_prompt(prompt, problem, tokenizer))

    examples = []
    for row, mask in enumerate(rollouts.mask):
        problem = rollouts.problems[row // config.group_size]
        asked = config.teacher_prompt
        examples.append(
            Example(
                tokens_of(config.prompt, problem),
                rollouts.token_ids[row, 1:][mask].tolist(),
                tokens_of(asked, problem) if asked else None,
            )
        )
    return examples, {
        "solve_rate": float((rollouts.rewards >= 1).float().mean()),
        "length": float(rollouts.lengths.float().mean()),
        "truncated": float(rollouts.truncated.float().mean()),
    }


def sampled_loss(targets, model, hidden, batch):
    """The loss above, summed over the drawn tokens of a batch.

    Its value is not the divergence: compare gradients, not losses.
    """
    logprobs, teacher_logprobs = (
        hidden_logprobs(
            scorer, states, batch.targets, temperature=targets.temperature
        )[0]
        for scorer, states in (
            (model, hidden),
            (targets.teacher, targets.teacher_hidden(batch)),
        )
    )
    return reverse_kl_surrogate(logprobs, teacher_logprobs).sum()


def reverse_kl_surrogate(logprobs, teacher_logprobs):
    """Minus each drawn token's advantage times its log-probability.

    Args:
        logprobs: (...) of drawn tokens by the student, with gradient.
        teacher_logprobs: (...) of the same tokens by the teacher.

    Returns:
        (...) whose expected gradient is that of KL(student || teacher).
    """
    advantages = (teacher_logprobs - logprobs).detach()
    return -advantages * logprobs


def collect_verified_samples(
    model,
    tokenizer,
    problems,
    *,
    num_samples=1,
    held_out=(),
    ngram=13,
    keep_wrong=False,
    run=None,
    progress=True,
    **teacher_options,
):
    """Let a model answer problems and keep what the verifier accepts.

    held_out, ngram and keep_wrong are those of `filter_traces`, the others
    go to `LocalTeacher`. A run's traces.jsonl holds all answers. Returns
    (traces, counts): the right answers, and what each filter dropped.
    """
    problems = checked_problems(problems)
    refuse_test_problems(problems)
    teacher = LocalTeacher(model, tokenizer, **teacher_options)
    traces = generate_teacher_traces(
        teacher, problems, num_samples=num_samples, run=run, progress=progress
    )
    return filter_traces(
        traces, held_out=held_out, ngram=ngram, keep_wrong=keep_wrong
    )
