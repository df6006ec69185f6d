r"""Thinking budgets: make a model stop thinking early, or think on.

Cap: after so many tokens the end of thinking is written for the model, which
must then answer from what it has. Extend: when it wants to stop, the end is
taken back and "Wait" written instead. In a think block the end of thinking is
`</think>`; in plain step-by-step text it is the final `\boxed{`.

Source: Muennighoff et al. 2025, "s1: Simple test-time scaling"
(arXiv 2501.19393).
"""

from dataclasses import dataclass, field

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation.answers import extract_answer
from reasoning_from_scratch.scaling.samples import (
    Sample,
    make_output,
    rounded_mean,
)

WAIT = " Wait,"
BOX = r"\boxed{"
ANSWER_TOKENS = 32  # room for the short answer behind a forced end


@dataclass
class Trace:
    """One sample under way: its text so far, forced pieces included."""

    prompt: str
    identifier: str  # keys the random numbers
    text: str = ""
    num_tokens: int = 0  # generated; forced pieces are free
    logprobs: list[float] = field(default_factory=list)
    stop_reason: str = "length"

    @property
    def is_in_think_block(self):
        """Whether a <think> is open."""
        whole = self.prompt + self.text
        return whole.rfind("<think>") > whole.rfind("</think>")

    @property
    def is_answered(self):
        """Whether it ended by itself, and not inside of a think block."""
        return self.stop_reason == "stop" and not self.is_in_think_block

    def think_on(self):
        """Take the end of thinking back and write "Wait" instead."""
        if not self.is_in_think_block:
            before_box, box, _ = self.text.rpartition(BOX)
            self.text = before_box.rstrip() if box else self.text
        self.text += WAIT

    def end_thinking(self):
        """Write the end of thinking, so that an answer must follow."""
        self.text += "</think>" if self.is_in_think_block else f" {BOX}"


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
        problems, prompts: as for `draw_samples`.
        num_samples: answers per problem; the first is the response.
        max_thinking_tokens: cap, after which the end is forced; None: no cap.
        num_extensions: how often an end is taken back for "Wait".
        max_new_tokens: most tokens per stretch of thinking, where no cap is
            set.
        decoding: passed on to `generate` (sampling, seed, batch_size, …).

    Returns:
        One MethodOutput per problem.
    """
    traces = [
        Trace(prompt, f"{problem.id or problem.problem}/{sample}")
        for problem, prompt in zip(problems, prompts, strict=True)
        for sample in range(num_samples)
    ]
    limit = max_thinking_tokens or max_new_tokens
    stop_ids = (*tokenizer.stop_ids, tokenizer.token_to_id("</think>"))

    def think(active, stage):
        _continue(
            model,
            tokenizer,
            active,
            stage,
            max_new_tokens=limit,
            stop_ids=[i for i in stop_ids if i is not None],
            **decoding,
        )

    think(traces, "think")
    for extension in range(num_extensions):
        ended = [trace for trace in traces if trace.stop_reason == "stop"]
        for trace in ended:
            trace.think_on()
        think(ended, f"extension {extension}")
    unanswered = [trace for trace in traces if not trace.is_answered]
    for trace in unanswered:
        trace.end_thinking()
    _continue(
        model,
        tokenizer,
        unanswered,
        "answer",
        max_new_tokens=ANSWER_TOKENS,
        **decoding,
    )
    samples = [_to_sample(trace) for trace in traces]
    starts = range(0, len(samples), num_samples)
    return [make_output(samples[i : i + num_samples], 0) for i in starts]


def _continue(model, tokenizer, traces, stage, **decoding):
    """Generate a further stretch of every trace, in place."""
    if not traces:
        return
    outputs = llm.generate(
        model,
        tokenizer,
        [trace.prompt + trace.text for trace in traces],
        ids=[f"{trace.identifier}/{stage}" for trace in traces],
        **decoding,
    )
    for trace, output in zip(traces, outputs, strict=True):
        trace.text += output.text
        trace.num_tokens += len(output.token_ids)
        trace.logprobs += output.logprobs
        trace.stop_reason = output.stop_reason


def _to_sample(trace):
    """The finished trace as a record."""
    return Sample(
        text=trace.text,
        answer=extract_answer(trace.text),
        num_tokens=trace.num_tokens,
        stop_reason=trace.stop_reason,
        mean_logprob=rounded_mean(trace.logprobs),
    )
