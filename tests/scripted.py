"""A stand-in for `generate` that says what a test wants it to say."""

from tiny import ByteTokenizer

from reasoning_from_scratch import llm
from reasoning_from_scratch.llm.generation import GenerationOutput
from reasoning_from_scratch.scaling.samples import make_sample


def play(monkeypatch, write):
    """Let `llm.generate` play a script for the rest of the test.

    `write` is a callable (prompt, number of the sample) -> its text, or its
    text and the log-probability of its tokens. Returns the list of calls.
    """
    calls = []

    def generate(
        model, tokenizer, prompts, *, num_samples=1, first_sample=0, **decoding
    ):
        call = {"prompts": prompts, "num_samples": num_samples}
        calls.append({**call, **decoding})
        numbers = range(first_sample, first_sample + num_samples)
        said = [write(prompt, n) for prompt in prompts for n in numbers]
        return [
            output_of(*([text] if isinstance(text, str) else text))
            for text in said
        ]

    monkeypatch.setattr(llm, "generate", generate)
    return calls


def output_of(text, logprobs=-0.5, statistics=None):
    """A GenerationOutput with one token a byte, and one for the end.

    `logprobs` is a list or the log-probability of every token. A text that
    ends in "…" was cut at the token limit.
    """
    is_cut = text.endswith("…")
    text = text.removesuffix("…")
    token_ids = list(text.encode()) + ([] if is_cut else [0])
    if not isinstance(logprobs, list):
        logprobs = [logprobs] * len(token_ids)
    end = "length" if is_cut else "stop"
    about = end, 1, statistics or {}
    return GenerationOutput(text, token_ids, logprobs, *about)


def sample_of(text, logprobs=-0.5, **statistics):
    """A Sample with one token a byte."""
    return make_sample(ByteTokenizer(), output_of(text, logprobs, statistics))
