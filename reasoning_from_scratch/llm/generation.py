"""From prompts to answers: batches of samples, and streams of text.

Both `generate` and `generate_stream` consume the loop in `decoding`. A
sample's random numbers depend on the seed, the prompt's identifier, the
sample's number and the position alone, so the same sample comes out whatever
else is in the batch, up to rounding of the logits.
"""

from dataclasses import dataclass

import torch

from .decoding import decode, new_state, prefill
from .kv_cache import PrefixCache
from .sampling import SamplingConfig, row_seed

# Rows decoded together unless told otherwise, and room for their cache
DEFAULT_BATCH_SIZE = 256
CPU_CACHE_BYTES = 4 * 2**30
GREEDY = SamplingConfig()


@dataclass(frozen=True)
class GenerationOutput:
    """One completion.

    Attributes:
        text: the completion, without its end token.
        token_ids: its tokens, the end token included if there is one.
        logprobs: one a token: float32 log-softmax at the sampling temperature
            (1 when greedy) over the full vocabulary, before any truncation.
        stop_reason: "stop" for an end token, "length" for max_new_tokens.
        num_prompt_tokens: tokens of the prompt.
        statistics: name -> one number a token; empty unless asked for.
    """

    text: str
    token_ids: list
    logprobs: list
    stop_reason: str
    num_prompt_tokens: int
    statistics: dict


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
        model, tokenizer: as `load_model` returns them.
        prompts: list of strings.
        max_new_tokens: most tokens a completion may have.
        sampling: a `SamplingConfig`; the default is greedy.
        num_samples: completions a prompt.
        first_sample: number of the first one; a later call with this set to
            how many there are draws the ones that follow.
        seed: an integer repeats the samples; None draws one from torch's
            global generator.
        stop_ids: token ids that end a completion; None takes the
            tokenizer's, () never stops early.
        ids: one string a prompt to key its random numbers; None takes the
            prompt's text (a repeated prompt gets further samples).
        batch_size: rows decoded together; None fits memory.
        statistics: also measure the distribution behind each token.
        compiled: compile the decoding step; pays on long jobs.
        edit: as for `decode`: a tool that writes into the completions.
        progress: called with the number of completions just finished.

    Returns:
        list of len(prompts) * num_samples `GenerationOutput`, grouped by
        prompt.

    Raises:
        ValueError: no prompts, an empty one, or a context that would
            overflow, before the first token is generated.
    """
    encoded = _encode_prompts(model, tokenizer, prompts, max_new_tokens)
    _check_counts(num_samples=num_samples, batch_size=batch_size)
    seeds = _row_seeds(prompts, ids, num_samples, seed, first_sample)
    stop_ids = tokenizer.stop_ids if stop_ids is None else stop_ids
    longest = max(map(len, encoded)) + max_new_tokens
    batch_size = batch_size or _rows_that_fit(model, longest)
    # Neighbours in length share a batch: little padding
    order = sorted(range(len(prompts)), key=lambda i: -len(encoded[i]))
    outputs = {i: [] for i in order}
    for chosen, numbers in _batches(order, num_samples, batch_size):
        row_seeds = [seeds[i][numbers] for i in chosen]
        count = len(row_seeds[0])
        state = prefill(
            model,
            [encoded[i] for i in chosen],
            num_samples=count,
            max_new_tokens=max_new_tokens,
            static=compiled or model.device.type == "cuda",
        )
        steps = decode(
            model,
            state,
            sampling=sampling,
            row_seeds=torch.cat(row_seeds),
            stop_ids=stop_ids,
            vocab_size=tokenizer.vocab_size,
            statistics=statistics,
            compiled=compiled,
            edit=edit,
        )
        for _ in steps:
            pass
        lengths = [len(encoded[i]) for i in chosen for _ in range(count)]
        rows = _read_outputs(state, tokenizer, lengths, stop_ids)
        for place, i in enumerate(chosen):
            outputs[i] += rows[place * count : (place + 1) * count]
        if progress is not None:
            progress(len(rows))
    return [output for i in range(len(prompts)) for output in outputs[i]]


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

    Args:
        prompt: a string.
        prefix_cache: a `PrefixCache` kept between the turns of a chat: what
            it already holds of the prompt is not read again.
        The others are as for `generate`.

    Yields:
        str pieces, whole characters only; joined they equal `generate`'s
        text.
    """
    (token_ids,) = _encode_prompts(model, tokenizer, [prompt], max_new_tokens)
    if prefix_cache is None:
        room = len(token_ids) + max_new_tokens
        prefix_cache = PrefixCache(model, room)
    logits = prefix_cache.read(token_ids, max_new_tokens)
    state = new_state(
        logits, prefix_cache.cache, prefix_cache.key_mask, max_new_tokens
    )
    stop_ids = tokenizer.stop_ids if stop_ids is None else stop_ids
    steps = decode(
        model,
        state,
        sampling=sampling,
        row_seeds=_row_seeds([prompt], None, 1, seed)[0],
        stop_ids=stop_ids,
        vocab_size=tokenizer.vocab_size,
    )
    decoder = tokenizer.stream_decoder()
    for num_tokens in steps:
        token = int(state.token_ids[0, num_tokens - 1])
        prefix_cache.token_ids.append(token)
        if token in stop_ids:  # the loop itself looks only now and then
            break
        piece = decoder.push(token)
        if piece:
            yield piece
    rest = decoder.flush()
    if rest:
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
    encoded = [tokenizer.encode(prompt) for prompt in prompts]
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


def _row_seeds(prompts, ids, num_samples, seed, first_sample=0):
    """Per prompt, an int64 tensor with the seed of each of its samples."""
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
        seeds.append(
            torch.tensor([row_seed(seed, identifier, n) for n in numbers])
        )
    return seeds


def _batches(order, num_samples, batch_size):
    """Prompts, and a slice of their samples, that are decoded together."""
    num_prompts = max(1, batch_size // num_samples)
    for start in range(0, len(order), num_prompts):
        for first in range(0, num_samples, batch_size):
            samples = slice(first, min(first + batch_size, num_samples))
            yield order[start : start + num_prompts], samples


def _rows_that_fit(model, num_tokens):
    """How many rows of a cache fit into half of the free memory."""
    config = model.config
    entries = config.num_layers * config.num_kv_heads * config.head_dim
    bytes_per_row = 2 * entries * model.dtype.itemsize * num_tokens
    budget = CPU_CACHE_BYTES
    if model.device.type == "cuda":
        budget = torch.cuda.mem_get_info(model.device)[0] // 2
    return max(1, min(DEFAULT_BATCH_SIZE, budget // bytes_per_row))


def _read_outputs(state, tokenizer, prompt_lengths, stop_ids):
    """Turn the result tensors into one `GenerationOutput` a row."""
    token_ids, logprobs = state.token_ids.tolist(), state.logprobs.tolist()
    statistics = {
        name: values.tolist() for name, values in state.statistics.items()
    }
    outputs = []
    for row, count in enumerate(state.num_tokens.tolist()):
        completion = token_ids[row][:count]
        stopped = bool(completion) and completion[-1] in stop_ids
        outputs.append(
            GenerationOutput(
                text=tokenizer.decode(completion[: count - stopped]),
                token_ids=completion,
                logprobs=logprobs[row][:count],
                stop_reason="stop" if stopped else "length",
                num_prompt_tokens=prompt_lengths[row],
                statistics={
                    name: values[row][:count]
                    for name, values in statistics.items()
                },
            )
        )
    return outputs
