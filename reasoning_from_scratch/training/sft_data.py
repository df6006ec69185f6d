"""From traces to training batches: token ids, and which of them count.

    prompt                            completion
    Problem: 2+3?\\nAnswer:           2+3=5 \\boxed{5}<|endoftext|>
    - - - - - - - - - -               x x x x x x x x x             learned

The prompt is tokenised by itself, as `generate` does it. Rows of like length
are padded on the right, where a causal model never looks.
"""

from dataclasses import dataclass, replace

import torch

from reasoning_from_scratch.evaluation import render_prompt

from .update import like_lengths


@dataclass(frozen=True)
class Example:
    """A prompt and the completion to learn, as token ids."""

    prompt_ids: list
    completion_ids: list  # the end token included
    teacher_prompt_ids: list | None = None  # how a teacher was asked

    @property
    def token_ids(self):
        return self.prompt_ids + self.completion_ids


@dataclass(frozen=True)
class Batch:
    """Examples in one rectangle; column t predicts token t + 1."""

    examples: list
    token_ids: torch.Tensor  # (rows, tokens) int64, padded on the right
    mask: torch.Tensor  # (rows, tokens - 1) bool: token t + 1 is learned

    @property
    def targets(self):
        """(learned tokens,) what is to be predicted, row after row."""
        return self.token_ids[:, 1:][self.mask]


def encode_example(tokenizer, prompt, completion, *, thinking="", opening=""):
    """Tokenise a rendered prompt and the completion it should get.

    The thinking goes before it, between the think tokens, the opening (white
    space) before that; a prompt may have opened it already. Control strings
    in what a teacher wrote are spelled out, not obeyed.
    """
    thinking_ids = []
    if prompt.rstrip().endswith("<think>"):
        thinking, opening = f"{thinking.strip()}\n", ""
        thinking_ids = _thinking_ids(tokenizer, thinking)[1:]
    elif thinking:
        thinking_ids = _thinking_ids(tokenizer, thinking)
    completion_ids = [
        *tokenizer.encode(opening),
        *thinking_ids,
        *tokenizer.encode(completion, allow_special=False),
        tokenizer.eos_id,
    ]
    return Example(tokenizer.encode(prompt), completion_ids)


def encode_traces(traces, tokenizer, config):
    """Make an example of every trace that is short enough.

    The tokenizer is the student's; the config gives prompt, thinking and
    max_tokens. Returns (examples, num_too_long).
    """
    if not traces:
        raise ValueError(
            "no trace is left to learn from; collect more, or look at what "
            "the filters dropped"
        )
    examples = [encode_trace(trace, tokenizer, config) for trace in traces]
    kept = [e for e in examples if len(e.token_ids) <= config.max_tokens]
    if not kept:
        raise ValueError(
            f"none of {len(examples)} traces fits max_tokens="
            f"{config.max_tokens}; raise it, or collect more traces"
        )
    return kept, len(examples) - len(kept)


def encode_trace(trace, tokenizer, config):
    """Make an example of one trace, its thinking as the config wants it."""

    def prompt_of(template):
        return render_prompt(template, trace.problem, tokenizer)

    completion, parts = trace.response, {}
    if config.thinking == "plain":
        completion = trace.thinking + completion
    elif config.thinking != "none":
        thinking = trace.thinking
        if config.thinking == "short":
            thinking = shorten_thinking(thinking)
        parts = {"thinking": thinking, "opening": trace.opening}
    prompt = prompt_of(config.prompt)
    example = encode_example(tokenizer, prompt, completion, **parts)
    if trace.prompt in ("", config.prompt):
        return example
    teacher_ids = tokenizer.encode(prompt_of(trace.prompt))
    return replace(example, teacher_prompt_ids=teacher_ids)


def shorten_thinking(text):
    """Leave out the scratch work: lines that hold several equations.

    A small student may learn a strong teacher's steps, if not every digit.

    Source: Li et al. 2025, arXiv 2502.12143.

    >>> shorten_thinking("4*7=28 4*1+2=6\\n4*17=68")
    '4*17=68'
    """
    lines = text.split("\n")
    return "\n".join(
        line for line in lines if " " not in line or line.count("=") < 2
    )


def make_batch(examples, *, pad_id=0, device=None):
    """Lay examples out in one rectangle; padding is never looked at."""
    rows = [example.token_ids for example in examples]
    longest = max(map(len, rows))
    padded = [row + [pad_id] * (longest - len(row)) for row in rows]
    starts = torch.tensor([[len(e.prompt_ids)] for e in examples])
    ends = torch.tensor([[len(row)] for row in rows])
    targets = torch.arange(1, longest)  # column t predicts token t + 1
    mask = (targets >= starts) & (targets < ends)
    token_ids = torch.tensor(padded, device=device)
    return Batch(list(examples), token_ids, mask.to(device))


def micro_batches(examples, max_tokens, *, device=None):
    """Yield batches of examples of like length, of at most so many tokens."""
    lengths = [len(example.token_ids) for example in examples]
    for part in like_lengths(lengths, max_tokens=max_tokens):
        yield make_batch([examples[i] for i in part], device=device)


def count_learned_tokens(examples):
    """What a batch's loss is divided by, in however many parts it comes."""
    return sum(len(example.completion_ids) for example in examples)


def _thinking_ids(tokenizer, thinking):
    """The thinking between its two tokens."""
    if not tokenizer.has_think:
        raise ValueError(
            "this tokenizer has no <think> tokens; set thinking='plain' to "
            "learn the thinking without them, or 'none' to leave it out"
        )
    return [
        tokenizer.token_to_id("<think>"),
        *tokenizer.encode(thinking, allow_special=False),
        tokenizer.token_to_id("</think>"),
    ]
