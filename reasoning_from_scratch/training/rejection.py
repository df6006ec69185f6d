"""Rejection sampling: a model's own right answers as its training data.

The model answers training problems, the verifier keeps what is right, and
the model learns it as if a teacher had written it. Asked step by step and
trained on the direct prompt, it learns to reason unasked. A further round
samples from the model so trained.

Sources: Zelikman et al. 2022 (STaR), arXiv 2203.14465; Yuan et al. 2023
(rejection sampling fine-tuning), arXiv 2308.01825.
"""

from .data import refuse_test_split
from .teacher import LocalTeacher, generate_teacher_traces
from .traces import filter_traces


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
