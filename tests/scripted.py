"""A stand-in for `generate` that says what a test wants it to say."""

from reasoning_from_scratch import llm
from reasoning_from_scratch.llm.generation import GenerationOutput


class Script:
    """Plays completions and remembers how it was asked.

    Args:
        write: callable (prompt, number of the sample) -> its text. A text
            that ends in "…" was cut at the token limit.
    """

    def __init__(self, write):
        self.write = write
        self.calls = []

    def generate(
        self,
        model,
        tokenizer,
        prompts,
        *,
        num_samples=1,
        first_sample=0,
        ids=None,
        **decoding,
    ):
        self.calls.append(
            {"prompts": prompts, "num_samples": num_samples, **decoding}
        )
        return [
            output_of(self.write(prompt, number))
            for prompt in prompts
            for number in range(first_sample, first_sample + num_samples)
        ]


def output_of(text, logprobs=None, statistics=None):
    """A GenerationOutput with one token a byte."""
    is_cut = text.endswith("…")
    text = text.removesuffix("…")
    token_ids = list(text.encode()) + ([] if is_cut else [0])
    return GenerationOutput(
        text=text,
        token_ids=token_ids,
        logprobs=logprobs or [-0.5] * len(token_ids),
        stop_reason="length" if is_cut else "stop",
        num_prompt_tokens=1,
        statistics=statistics or {},
    )


def play(monkeypatch, write):
    """Let `llm.generate` play a script for the rest of the test."""
    script = Script(write)
    monkeypatch.setattr(llm, "generate", script.generate)
    return script
