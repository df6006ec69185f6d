"""On-policy distillation: the student writes, the teacher marks each token.

Learning from traces shows a student only texts that its teacher would write.
Here it learns on its own, mistakes included, with a judgement for every
token instead of one for a whole answer:

    A_t  = log p_T(o_t | …) - log p_S(o_t | …)          o_t drawn from p_S
    loss = - 1/N sum_t sg(A_t) log p_S(o_t | …)

In expectation over o_t its gradient is that of KL(p_S || p_T) at each prefix
the student reaches; no gradient passes through the sampling of the prefix.
The other losses compare the full distributions instead of the drawn token.

Sources: Agarwal et al. 2023 (GKD), arXiv 2306.13649; Thinking Machines Lab
2025, "On-Policy Distillation".
"""

import functools
from dataclasses import replace

from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.llm.logprobs import hidden_logprobs

from .distillation import (
    gradient_step,
    make_optimizer,
    measure_accuracy,
    planned_rate,
)
from .distillation_loss import SoftTargets
from .loop import TrainingLoop, refuse_test_split, shuffled_indices
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

    Args:
        model, tokenizer: the student; it is changed in place. To resume,
            pass the model that the run started from.
        problems: list of `Problem` of a train split; answers are not used
            but to report how many are right.
        config: an `OnPolicyConfig`.
        teacher: a model of the same vocabulary.
        validation: problems to answer, for the curve and the best step.
        run: a `RunFolder`, as for `train_distillation`.
        progress: show a bar.

    Returns:
        list of dicts, the rows of metrics.jsonl.

    Raises:
        ValueError: problems of a test split, or a teacher of another
            vocabulary.
        KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
    """
    refuse_test_split([*problems, *validation])
    optimizer = make_optimizer(model, config)
    loss = choose_loss(teacher, tokenizer, config)

    def take_step(step):
        examples, metrics = sample_examples(
            model, tokenizer, problems, step, config
        )
        rate = planned_rate(step, config.steps, config)
        learned = gradient_step(
            model, optimizer, examples, loss, config=config, learning_rate=rate
        )
        return metrics | learned

    def watch():
        return measure_accuracy(model, tokenizer, validation, config)

    return TrainingLoop(
        model,
        tokenizer,
        optimizer,
        num_steps=config.steps,
        evaluate=watch,
        eval_every=config.eval_every,
        run=run,
        name="on-policy",
        progress=progress,
    ).train(take_step)


def choose_loss(teacher, tokenizer, config):
    """The loss that the config names, as `gradient_step` takes it."""
    targets = SoftTargets(
        teacher,
        tokenizer.vocab_size,
        kind=config.loss,
        temperature=config.temperature,
        beta=config.beta,
    )
    if config.loss == "sampled":
        return functools.partial(sampled_loss, targets)
    return targets.loss


def sample_examples(model, tokenizer, problems, step, config):
    """Let the student answer the next problems.

    Returns:
        examples: list of `Example`, one a completion.
        metrics: dict: solve_rate, length in tokens, truncated.
    """
    count = config.prompts_per_step
    indices = shuffled_indices(
        len(problems), step * count, count, seed=config.seed
    )
    chosen = [problems[index] for index in indices]
    rollouts = collect_rollouts(
        model,
        tokenizer,
        chosen,
        prompt=config.prompt,
        group_size=config.group_size,
        sampling=SamplingConfig(temperature=config.temperature),
        max_new_tokens=config.max_new_tokens,
        seed=config.seed * 1_000_003 + step,
    )
    examples = []
    for row, (token_ids, mask) in enumerate(
        zip(rollouts.token_ids[:, 1:], rollouts.mask, strict=True)
    ):
        problem = chosen[row // config.group_size]
        example = Example(
            tokenizer.encode(render_prompt(config.prompt, problem, tokenizer)),
            token_ids[mask].tolist(),
        )
        if config.teacher_prompt:
            asked = render_prompt(config.teacher_prompt, problem, tokenizer)
            teacher_prompt_ids = tokenizer.encode(asked)
            example = replace(example, teacher_prompt_ids=teacher_prompt_ids)
        examples.append(example)
    return examples, {
        "solve_rate": float((rollouts.rewards >= 1).float().mean()),
        "length": float(rollouts.lengths.float().mean()),
        "truncated": float(rollouts.truncated.float().mean()),
    }


def sampled_loss(targets, model, hidden, batch):
    """The loss above, summed over the drawn tokens of a batch.

    Args:
        targets: a `SoftTargets`, for its teacher and temperature.
        model, hidden, batch: as for `hard_loss`.

    Its value is not the divergence: compare gradients, not losses.
    """
    logprobs, _ = hidden_logprobs(
        model, hidden, batch.targets, temperature=targets.temperature
    )
    teacher_logprobs, _ = hidden_logprobs(
        targets.teacher,
        targets.teacher_hidden(batch),
        batch.targets,
        temperature=targets.temperature,
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
    run=None,
    progress=True,
    **teacher_options,
):
    """Let a model answer problems and keep what the verifier accepts.

    Args:
        model, tokenizer: as `load_model` returns them.
        problems: list of `Problem` of a train split.
        num_samples: answers a problem; equal ones are kept once.
        held_out, ngram: as for `filter_traces`.
        run: a `RunFolder` for traces.jsonl, which holds all answers.
        progress: show a bar.
        teacher_options: prompt, sampling, max_new_tokens, seed, … as for
            `LocalTeacher`.

    Returns:
        (traces, counts): the right answers, and how many were dropped by
        each filter.

    Raises:
        ValueError: problems of a test split.
    """
    refuse_test_split(problems)
    teacher = LocalTeacher(model, tokenizer, **teacher_options)
    traces = generate_teacher_traces(
        teacher,
        problems,
        num_samples=num_samples,
        run=run,
        progress=progress,
    )
    return filter_traces(traces, held_out=held_out, ngram=ngram)
