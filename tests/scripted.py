"""A stand-in for `generate` that says what a test wants it to say."""

from tiny import ByteTokenizer

from reasoning_from_scratch import llm
from reasoning_from_scratch.llm.generation import GenerationOutput
from reasoning_from_scratch.scaling.samples import make_sample


class Script:
    """Plays completions and remembers how it was asked.

    Args:
        write: callable (prompt, number of the sample) -> its text, or its
            text and the log-probability of its tokens. A text that ends in
            "…" was cut at the token limit.
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
            output_of(*self._says(prompt, number))
            for prompt in prompts
            for number in range(first_sample, first_sample + num_samples)
        ]

    def _says(self, prompt, number):
        said = self.write(prompt, number)
        return (said, None) if isinstance(said, str) else said


def output_of(text, logprobs=None, statistics=None):
    """A GenerationOutput with one token a byte.

    `logprobs` is a list or the log-probability of every token.
    """
    is_cut = text.endswith("…")
    text = text.removesuffix("…")
    token_ids = list(text.encode()) + ([] if is_cut else [0])
    if not isinstance(logprobs, list):
        logprobs = [-0.5 if logprobs is None else logprobs] * len(token_ids)
    return GenerationOutput(
        text=text,
        token_ids=token_ids,
        logprobs=logprobs,
        stop_reason="length" if is_cut else "stop",
        num_prompt_tokens=1,
        statistics=statistics or {},
    )


def sample_of(text, logprobs=None, **statistics):
    """A Sample with one token a byte."""
    output = output_of(text, logprobs, statistics)
    return make_sample(ByteTokenizer(), output)


def play(monkeypatch, write):
    """Let `llm.generate` play a script for the rest of the test."""
    script = Script(write)
    monkeypatch.setattr(llm, "generate", script.generate)
    return script
