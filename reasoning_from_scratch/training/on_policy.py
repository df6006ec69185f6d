"""Learning from the student's own answers.

On-policy distillation: the student writes, the teacher marks each token.
Learning from traces shows a student only texts that its teacher would write.
Here it learns on its own, mistakes included, with a judgement for every
token instead of one for a whole answer:

    A_t  = log p_T(o_t | …) - log p_S(o_t | …)          o_t drawn from p_S
    loss = - 1/N sum_t sg(A_t) log p_S(o_t | …)

In expectation over o_t its gradient is that of KL(p_S || p_T) at each prefix
the student reaches; no gradient passes through the sampling of the prefix.
The other losses compare the full distributions instead of the drawn token.

Rejection sampling needs no teacher: the verifier keeps what is right, and
the model learns it as if a teacher had written it.

Sources: Agarwal et al. 2023 (GKD), arXiv 2306.13649; Thinking Machines Lab
2025, "On-Policy Distillation"; Zelikman et al. 2022 (STaR), arXiv
2203.14465; Yuan et al. 2023, arXiv 2308.01825.
"""

import functools

from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.evaluation.problems import (
    checked_problems,
    refuse_test_problems,
)
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.llm.logprobs import hidden_logprobs

from .distillation import learn_examples, make_optimizer, planned_rate
from .distillation_loss import SoftTargets
from .loop import TrainingLoop, measure_accuracy, shuffled_indices
from .rollouts import collect_rollouts
from .sft_data import Example
from .teacher import LocalTeacher, generate_teacher_traces
from .traces import filter_traces


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
