"""Samples under way: text that is looked at, edited and continued.

Where a method steps in while a sample is being written, the sample is a
`Trace`: generated in stretches, with whatever the method writes in between.
"""

from dataclasses import dataclass, field

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation.answers import extract_answer
from reasoning_from_scratch.scaling.samples import (
    DIGITS,
    Sample,
    rounded_mean,
)


@dataclass
class Trace:
    """One sample: its text so far, forced pieces included."""

    prompt: str
    identifier: str  # keys the random numbers
    text: str = ""
    num_tokens: int = 0  # generated; forced pieces are free
    stop_reason: str = "length"
    logprobs: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)

    def to_sample(self):
        """The finished trace as a Sample."""
        return Sample(
            text=self.text,
            answer=extract_answer(self.text),
            num_tokens=self.num_tokens,
            stop_reason=self.stop_reason,
            mean_logprob=rounded_mean(self.logprobs),
            confidence=[round(value, DIGITS) for value in self.confidence],
        )


def start_traces(problems, prompts, numbers):
    """One Trace per problem and sample number, grouped by problem."""
    return [
        Trace(prompt, f"{problem.id or problem.problem}/{number}")
        for problem, prompt in zip(problems, prompts, strict=True)
        for number in numbers
    ]


def continue_traces(model, tokenizer, traces, stretch, **decoding):
    """Generate a further stretch of every trace, in place.

    Args:
        traces: may be none.
        stretch: its name; with the trace's it keys the random numbers.
        decoding: passed on to `generate`.
    """
    if not traces:
        return
    outputs = llm.generate(
        model,
        tokenizer,
        [trace.prompt + trace.text for trace in traces],
        ids=[f"{trace.identifier}/{stretch}" for trace in traces],
        **decoding,
    )
    for trace, output in zip(traces, outputs, strict=True):
        trace.text += output.text
        trace.num_tokens += len(output.token_ids)
        trace.stop_reason = output.stop_reason
        trace.logprobs += output.logprobs
        trace.confidence += output.statistics.get("topk_confidence", [])
