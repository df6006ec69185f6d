"""Adaptive thinking: the cheap answer where the model is sure of it.

A cheap greedy answer comes first. Its mean log-probability a token tells how
sure the model was; above a threshold the answer stands, below it the problem
gets the costly treatment, and pays for both. What is cheap and what is costly
is relative: a direct answer before thinking, or one solution before a vote.

The thresholds below were chosen on the validation problems of pocketmath
with the pocket model: the largest saving that costs at most one point there.
Training a model to choose for itself is left out.

Sources: Zhang et al. 2025, AdaptThink, arXiv 2505.13417 (thinking as a
choice); Kadavath et al. 2022, arXiv 2207.05221 (models know when they know).
"""

from dataclasses import asdict, replace

from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.evaluation.evaluate import (
    MethodOutput,
    generate_answers,
)
from reasoning_from_scratch.llm.sampling import SamplingConfig
from reasoning_from_scratch.scaling.samples import draw_samples
from reasoning_from_scratch.scaling.self_consistency import self_consistency
from reasoning_from_scratch.settings import get_settings

SURE_DIRECT = -0.2  # nats a token
SURE_SOLUTION = -0.055


def adaptive_thinking(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    threshold=SURE_DIRECT,
    direct_prompt=None,
    num_samples=1,
    **decoding,
):
    """Answer directly when sure, else as the prompts ask for.

    Args:
        problems, prompts: as for `draw_samples`; the prompts ask to think.
        threshold: mean log-probability from which a direct answer stands.
        direct_prompt: a name or template; None takes the model's own.
        decoding: passed on to `generate` for the second answer.

    Returns:
        One MethodOutput per problem; its tokens count both answers.
    """
    direct = direct_prompt or get_settings(model).prompts["direct"]
    return answer_again_when_unsure(
        model,
        tokenizer,
        problems,
        [render_prompt(direct, problem, tokenizer) for problem in problems],
        lambda chosen: generate_answers(
            model,
            tokenizer,
            [problems[index] for index in chosen],
            [prompts[index] for index in chosen],
            num_samples=num_samples,
            **decoding,
        ),
        threshold=threshold,
        **decoding,
    )


def adaptive_vote(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    threshold=SURE_SOLUTION,
    stop_rule=None,
    num_samples=16,
    **decoding,
):
    """One greedy solution when sure of it, else a vote.

    Args:
        problems, prompts: as for `draw_samples`.
        threshold: mean log-probability from which one solution stands.
        stop_rule, num_samples: of the vote, see `self_consistency`.
        decoding: passed on to `draw_samples` for the vote.

    Returns:
        One MethodOutput per problem; its tokens count the greedy solution
        and, where there was one, the vote.
    """
    return answer_again_when_unsure(
        model,
        tokenizer,
        problems,
        prompts,
        lambda chosen: self_consistency(
            model,
            tokenizer,
            [problems[index] for index in chosen],
            [prompts[index] for index in chosen],
            num_samples=num_samples,
            stop_rule=stop_rule,
            **decoding,
        ),
        threshold=threshold,
        **decoding,
    )


def answer_again_when_unsure(
    model,
    tokenizer,
    problems,
    prompts,
    answer,
    *,
    threshold,
    **decoding,
):
    """Greedy answers, and second ones where the model is not sure.

    Args:
        prompts: of the greedy answers.
        answer: callable (positions) -> MethodOutputs of those problems.
        threshold: mean log-probability a token, in nats. A greedy answer
            that is cut short, or has no answer in it, never stands.
        decoding: passed on to `generate`; its sampling is not used here.

    Returns:
        One MethodOutput per problem.
    """
    decoding.pop("recorded", None)  # those are samples, drafts are greedy
    greedy = {**decoding, "sampling": SamplingConfig()}
    drafts = draw_samples(
        model, tokenizer, problems, prompts, num_samples=1, **greedy
    )
    outputs = [draft_output(draft) for (draft,) in drafts]
    unsure = [
        index
        for index, (draft,) in enumerate(drafts)
        if not is_sure(draft, threshold)
    ]
    if unsure:
        for index, second in zip(unsure, answer(unsure), strict=True):
            outputs[index] = paid_for_both(outputs[index], second)
    return outputs


def draft_output(draft):
    """A greedy answer as a method's output, told from later samples."""
    return MethodOutput(
        response=draft.text,
        num_tokens=draft.num_tokens,
        stop_reason=draft.stop_reason,
        samples=[{**asdict(draft), "role": "draft"}],
    )


def paid_for_both(first, second):
    """The second output, with the tokens and samples of both."""
    samples = second.samples or [
        {
            "text": second.response,
            "num_tokens": second.num_tokens,
            "stop_reason": second.stop_reason,
        }
    ]
    return replace(
        second,
        num_tokens=first.num_tokens + second.num_tokens,
        samples=first.samples + samples,
    )


def is_sure(sample, threshold):
    """Whether a sample ended, has an answer, and was likely enough."""
    return (
        sample.stop_reason == "stop"
        and sample.answer is not None
        and sample.mean_logprob >= threshold
    )
