"""Adaptive thinking: the cheap answer where the model is sure of it.

A greedy answer comes first. Where its mean log-probability is below a
threshold, the problem gets a costlier treatment, and pays for both. The
thresholds were chosen on pocketmath's validation problems with the pocket
model: the largest saving that costs at most one point there.

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


def adaptive_thinking(*question, **decoding):
    """Answer directly when sure, else as the prompts, which ask to think."""
    model, tokenizer, problems, _ = question
    direct = get_settings(model).prompts["direct"]
    return answer_again_when_unsure(
        *question,
        first_prompts=[render_prompt(direct, p, tokenizer) for p in problems],
        again=generate_answers,
        threshold=SURE_DIRECT,
        **decoding,
    )


def answer_again_when_unsure(
    *question,
    first_prompts=None,
    again=self_consistency,
    threshold=SURE_SOLUTION,
    num_samples=1,
    **decoding,
):
    """Greedy answers, and those of the method `again` where it is not sure.

    The tokens of an output count both.
    """
    model, tokenizer, problems, prompts = question
    first = (model, tokenizer, problems, first_prompts or prompts)
    greedy = {**decoding, "sampling": SamplingConfig(), "recorded": None}
    drafts = draw_samples(*first, num_samples=1, **greedy)
    drafts = [replace(draft, notes={"role": "draft"}) for (draft,) in drafts]
    outputs = [make_output([draft]) for draft in drafts]
    unsure = [i for i, d in enumerate(drafts) if not is_sure(d, threshold)]
    if not unsure:
        return outputs
    hard = ([each[i] for i in unsure] for each in (problems, prompts))
    answers = again(
        model, tokenizer, *hard, num_samples=num_samples, **decoding
    )
    for place, answer in zip(unsure, answers, strict=True):
        alone = {
            "text": answer.response,
            "num_tokens": answer.num_tokens,
            "stop_reason": answer.stop_reason,
        }
        outputs[place] = replace(
            answer,
            num_tokens=outputs[place].num_tokens + answer.num_tokens,
            samples=outputs[place].samples + (answer.samples or [alone]),
        )
    return outputs


def is_sure(sample, threshold):
    """Whether a sample ended, has an answer, and was likely enough."""
    return (
        sample.stop_reason == "stop"
        and sample.answer is not None
        and sample.mean_logprob >= threshold
    )
