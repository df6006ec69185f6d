"""Adaptive thinking: the cheap answer where the model is sure of it.

A cheap greedy answer comes first. Its mean log-probability a token tells how
sure the model was; above a threshold the answer stands, below it the problem
gets the costly treatment, and pays for both. What is cheap and what is costly
is relative: a direct answer before thinking, or one solution before a vote.

The thresholds below were chosen on the validation problems of pocketmath
with the pocket model: the largest saving that costs at most one point there.

Sources: Zhang et al. 2025, AdaptThink, arXiv 2505.13417 (thinking as a
choice); Kadavath et al. 2022, arXiv 2207.05221 (models know when they know).
"""

from dataclasses import replace

from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.evaluation.evaluate import generate_answers
from reasoning_from_scratch.llm.sampling import SamplingConfig
from reasoning_from_scratch.settings import get_settings

from .choosing import self_consistency
from .samples import draw_samples, make_output

SURE_DIRECT = -0.2  # nats a token
SURE_SOLUTION = -0.055


def adaptive_thinking(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    direct_prompt=None,
    threshold=SURE_DIRECT,
    **options,
):
    """Answer directly when sure, else as the prompts, which ask to think.

    `direct_prompt` is a name or template; None takes the model's own.
    """
    direct = direct_prompt or get_settings(model).prompts["direct"]
    return answer_again_when_unsure(
        model,
        tokenizer,
        problems,
        prompts,
        first_prompts=[render_prompt(direct, p, tokenizer) for p in problems],
        again=generate_answers,
        threshold=threshold,
        **options,
    )


def answer_again_when_unsure(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    first_prompts=None,
    again=self_consistency,
    threshold=SURE_SOLUTION,
    num_samples=1,
    **decoding,
):
    """Greedy answers, and second ones where the model is not sure.

    Args:
        first_prompts: of the greedy answers; None takes the same.
        again: a method that answers the unsure problems.
        threshold: mean log-probability a token, in nats. A greedy answer
            that is cut short, or has no answer in it, never stands.
        num_samples, decoding: of the second answers; the greedy ones share
            the decoding but for its sampling.

    Returns:
        One MethodOutput per problem; its tokens count both answers.
    """
    greedy = {**decoding, "sampling": SamplingConfig(), "recorded": None}
    drafts = draw_samples(
        model,
        tokenizer,
        problems,
        first_prompts or prompts,
        num_samples=1,
        **greedy,
    )
    outputs = [
        make_output([replace(draft, notes={"role": "draft"})])
        for (draft,) in drafts
    ]
    unsure = [
        place
        for place, (draft,) in enumerate(drafts)
        if not is_sure(draft, threshold)
    ]
    if not unsure:
        return outputs
    answers = again(
        model,
        tokenizer,
        [problems[place] for place in unsure],
        [prompts[place] for place in unsure],
        num_samples=num_samples,
        **decoding,
    )
    for place, answer in zip(unsure, answers, strict=True):
        outputs[place] = paid_for_both(outputs[place], answer)
    return outputs


def paid_for_both(first, second):
    """The second output, with the tokens and samples of both."""
    alone = {
        "text": second.response,
        "num_tokens": second.num_tokens,
        "stop_reason": second.stop_reason,
    }
    return replace(
        second,
        num_tokens=first.num_tokens + second.num_tokens,
        samples=first.samples + (second.samples or [alone]),
    )


def is_sure(sample, threshold):
    """Whether a sample ended, has an answer, and was likely enough."""
    return (
        sample.stop_reason == "stop"
        and sample.answer is not None
        and sample.mean_logprob >= threshold
    )
