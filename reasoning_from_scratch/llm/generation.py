"""From prompts to answers: batches of samples, and streams of text.

Both consume the loop in `decoding`. A sample's random numbers depend on the
seed, the prompt's identifier, the sample's number and the position alone: the
same sample comes out whatever else is in the batch, up to rounding.
"""

from collections import deque
from dataclasses import dataclass

import torch

from .decoding import DecodingBatch, Row, decode
from .kv_cache import PrefixCache
from .logprobs import distribution_statistics
from .sampling import SamplingConfig, row_seed

DEFAULT_BATCH_SIZE = 256  # rows decoded together unless told otherwise
CPU_CACHE_BYTES = 4 * 2**30
GREEDY = SamplingConfig()


@dataclass(frozen=True)
class GenerationOutput:
    """One completion.

    `logprobs` has one number per token: float32 log-softmax at the sampling
    temperature (1 when greedy) over the full vocabulary, before truncation.
    """

    text: str  # without its end token
    token_ids: list  # the end token included if there is one
    logprobs: list
    stop_reason: str  # "stop" for an end token, "length" for max_new_tokens
    num_prompt_tokens: int
    statistics: dict  # name -> one number per token; empty unless asked for


def generate(
    model,
    tokenizer,
    prompts,
    *,
    max_new_tokens=512,
    sampling=GREEDY,
    num_samples=1,
    first_sample=0,
    seed=None,
    stop_ids=None,
    ids=None,
    batch_size=None,
    statistics=False,
    compiled=False,
    edit=None,
    progress=None,
):
    """Complete every prompt, `num_samples` times each.

    Args:
        prompts: list of strings.
        first_sample: number of the first one; a later call with this set to
            how many there are draws the ones that follow.
        seed: None draws one from torch's global generator.
        stop_ids: None takes the tokenizer's, () never stops early.
        ids: strings that key the prompts' random numbers; None takes the
            prompts themselves (a repeated one gets further samples).
        batch_size: rows decoded together; None fits memory.
        statistics: also measure the distribution behind each token.
        compiled: compile the decoding step; pays on long jobs.
        edit: as for `decode`: a tool that writes into the completions.
        progress: called with the number of completions just finished.

    Returns:
        len(prompts) * num_samples `GenerationOutput`, grouped by prompt.

    Raises:
        ValueError: no prompts, an empty one, or a context that would
            overflow, before the first token is generated.
    """
    encoded = _encode_prompts(model, tokenizer, prompts, max_new_tokens)
    _check_counts(num_samples=num_samples, batch_size=batch_size)
    seeds = row_seeds(prompts, ids, num_samples, seed, first_sample)
    stop_ids = tokenizer.stop_ids if stop_ids is None else stop_ids
    groups = [
        [Row(prompt, number, sampling, max_new_tokens) for number in numbers]
        for prompt, numbers in zip(encoded, seeds, strict=True)
    ]
    # Neighbours in length are read together: little padding
    by_length = sorted(groups, key=lambda group: -len(group[0].prompt))
    waiting = deque(row for group in by_length for row in group)
    longest = len(waiting[0].prompt) + max_new_tokens
    size = min(batch_size or rows_that_fit(model, longest), len(waiting))
    is_static = compiled or model.device.type == "cuda"
    batch = DecodingBatch.make(model, size, longest, static=is_static)
    for rows in decode(
        batch,
        waiting,
        stop_ids=stop_ids,
        vocab_size=tokenizer.vocab_size,
        measure=distribution_statistics if statistics else None,
        compiled=compiled,
        edit=edit,
    ):
        if progress is not None:
            progress(sum(row.is_finished for row in rows))
    rows = (row for group in groups for row in group)
    return [_read_output(row, tokenizer, stop_ids) for row in rows]


def generate_stream(
    model,
    tokenizer,
    prompt,
    *,
    max_new_tokens=512,
    sampling=GREEDY,
    seed=None,
    stop_ids=None,
    prefix_cache=None,
):
    """Complete one prompt, a piece of text at a time.

    Yields strings, whole characters only; joined they equal `generate`'s
    text. What a `prefix_cache`, a `PrefixCache` kept between the turns of a
    chat, already holds of the prompt is not read again.
    """
    (token_ids,) = _encode_prompts(model, tokenizer, [prompt], max_new_tokens)
    room = len(token_ids) + max_new_tokens
    prefix_cache = prefix_cache or PrefixCache(model, room)
    prefix_cache.read(token_ids, max_new_tokens)
    stop_ids = tokenizer.stop_ids if stop_ids is None else stop_ids
    (number,) = row_seeds([prompt], None, 1, seed)[0]
    row = Row(token_ids, number, sampling, max_new_tokens)
    batch = DecodingBatch(model, prefix_cache.cache, [row])
    decoder = tokenizer.stream_decoder()
    for _ in decode(
        batch,
        (),
        stop_ids=stop_ids,
        vocab_size=tokenizer.vocab_size,
        steps_between_looks=1,
    ):
        token = row.token_ids[-1]
        prefix_cache.token_ids.append(token)
        if token not in stop_ids and (piece := decoder.push(token)):
            yield piece
    if rest := decoder.flush():
        yield rest


def _encode_prompts(model, tokenizer, prompts, max_new_tokens):
    """Token ids of every prompt, or an error that names the bad one."""
    if isinstance(prompts, str):
        raise TypeError(
            "prompts must be a list of strings, got one string; "
            "write generate(model, tokenizer, [prompt])"
        )
    if not prompts:
        raise ValueError("prompts is empty; give at least one prompt")
    _check_counts(max_new_tokens=max_new_tokens)
    encoded = [tuple(tokenizer.encode(prompt)) for prompt in prompts]
    limit = model.config.max_position_embeddings
    for number, token_ids in enumerate(encoded):
        if not token_ids:
            raise ValueError(
                f"prompt {number} is empty: a completion needs at least one "
                "token to start from"
            )
        if len(token_ids) + max_new_tokens > limit:
            raise ValueError(
                f"prompt {number} has {len(token_ids):,} tokens; with "
                f"max_new_tokens={max_new_tokens:,} it exceeds the model's "
                f"{limit:,} positions; shorten the prompt or lower "
                "max_new_tokens"
            )
    return encoded


def _check_counts(**counts):
    """Refuse what is no whole number from 1 up; None takes the default."""
    for name, count in counts.items():
        if count is not None and not (count >= 1 and count == int(count)):
            raise ValueError(
                f"{name} must be a whole number >= 1, got {count}"
            )


def row_seeds(prompts, ids, num_samples, seed, first_sample=0):
    """Per prompt, the seeds of its samples."""
    if ids is not None and len(ids) != len(prompts):
        raise ValueError(
            f"ids has {len(ids)} entries for {len(prompts)} prompts"
        )
    if seed is None:
        seed = int(torch.randint(2**62, ()))
    occurrences, seeds = {}, []
    for identifier in prompts if ids is None else ids:
        first = occurrences.get(identifier, first_sample)
        occurrences[identifier] = first + num_samples
        numbers = range(first, first + num_samples)
        seeds.append([row_seed(seed, identifier, n) for n in numbers])
    return seeds


def rows_that_fit(model, num_tokens):
    """How many rows of a cache fit into half of the free memory."""
    config = model.config
    entries = config.num_layers * config.num_kv_heads * config.head_dim
    bytes_per_row = 2 * entries * model.dtype.itemsize * num_tokens
    budget = CPU_CACHE_BYTES
    if model.device.type == "cuda":
        budget = torch.cuda.mem_get_info(model.device)[0] // 2
    return max(1, min(DEFAULT_BATCH_SIZE, budget // bytes_per_row))


def _read_output(row, tokenizer, stop_ids):
    """What became of a row."""
    measured = dict(row.written)
    token_ids, logprobs = measured.pop("token_ids"), measured.pop("logprobs")
    stopped = token_ids[-1] in stop_ids
    return GenerationOutput(
        text=tokenizer.decode(token_ids[: len(token_ids) - stopped]),
        token_ids=token_ids,
        logprobs=logprobs,
        stop_reason="stop" if stopped else "length",
        num_prompt_tokens=len(row.prompt),
        statistics=measured,
    )
