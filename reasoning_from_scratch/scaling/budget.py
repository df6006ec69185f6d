r"""Thinking budgets: make a model stop thinking early, or think on.

At the cap the end of thinking is written for the model: `</think>` in a think
block, else the final `\boxed{`. To extend, an end is taken back and "Wait"
written instead.

Source: Muennighoff et al. 2025, "s1: Simple test-time scaling"
(arXiv 2501.19393).
"""

from functools import partial

from reasoning_from_scratch.evaluation.evaluate import check_samples

from .samples import continue_traces, make_output, split, start_traces

WAIT = " Wait,"
BOX = r"\boxed{"
ANSWER_TOKENS = 32  # room for the short answer behind a forced end


def budget_forcing(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=1,
    max_thinking_tokens=None,
    num_extensions=0,
    max_new_tokens=512,
    **decoding,
):
    """Answer each problem with a stated amount of thinking.

    Args:
        num_samples: answers per problem; the first is the response.
        max_thinking_tokens: cap, after which the end is forced; None: no cap.
        num_extensions: how often an end is taken back for "Wait".
        max_new_tokens: most tokens of one stretch where no cap is set.

    Returns one MethodOutput per problem.
    """
    check_samples(num_samples, decoding.get("sampling"))
    traces = start_traces(problems, prompts, range(num_samples))
    if max_thinking_tokens is None:
        max_thinking_tokens = max_new_tokens
    stop_ids = {*tokenizer.stop_ids, tokenizer.token_to_id("</think>")}
    think = partial(
        continue_traces,
        model,
        tokenizer,
        max_new_tokens=max_thinking_tokens,
        stop_ids=sorted(stop_ids - {None}),
        **decoding,
    )
    think(traces, "thinking")
    for extension in range(num_extensions):
        ended = [trace for trace in traces if trace.stop_reason == "stop"]
        for trace in ended:
            think_on(trace)
        think(ended, f"extension {extension}")
    unanswered = [
        t for t in traces if t.stop_reason != "stop" or is_in_think_block(t)
    ]
    for trace in unanswered:
        end_thinking(trace)
    decoding |= {"max_new_tokens": ANSWER_TOKENS}
    continue_traces(model, tokenizer, unanswered, "answer", **decoding)
    samples = [trace.to_sample() for trace in traces]
    return [make_output(pool) for pool in split(samples, num_samples)]


def is_in_think_block(trace):
    """Tell whether a <think> is open."""
    whole = trace.prompt + trace.text
    return whole.rfind("<think>") > whole.rfind("</think>")


def end_thinking(trace):
    """Write the end of thinking, so that an answer must follow."""
    if is_in_think_block(trace):
        trace.text += "</think>"
    elif BOX not in trace.text:  # else the cap fell into the answer
        trace.text += f" {BOX}"


def think_on(trace):
    """Take the end of thinking back and write "Wait" instead."""
    if not is_in_think_block(trace):
        before_box, box, _ = trace.text.rpartition(BOX)
        trace.text = before_box.rstrip() if box else trace.text
    trace.text += WAIT
