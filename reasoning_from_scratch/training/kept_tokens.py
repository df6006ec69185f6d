"""The tokens that truncated sampling could have drawn, kept for the loss.

With top-p or top-k a token is drawn from a part of the vocabulary, so its
log-prob is one over that part:

    log pi(o | kept) = z_o - log sum_{v in kept} exp(z_v)

Scored over the full vocabulary instead, every completion would look less
likely than it was, and the ratio of two policies would compare different
supports. The kept set is that of the *sampling* policy and stays fixed while
the policy changes. It is found once, right after sampling, by the sampler's
own filters on the sampler's own weights, which costs one forward pass and
leaves the decoding loop alone; a token at the very edge of the set may fall
on the other side by rounding, and the drawn token always belongs to it.

The set is stored as token ids, padded to the largest set of the batch: 4
bytes each, so top_k=20 costs 80 bytes a token, where a bit for each of
Qwen3's 151,936 entries would cost 19,000. top_p alone may keep half of the
vocabulary where the model is at a loss: set top_k beside it.

Source: DeepSeek-V3.2, arXiv 2512.02556, "keep sampling mask".
"""

import torch

from reasoning_from_scratch.llm.logprobs import MAX_CHUNK_ENTRIES
from reasoning_from_scratch.llm.sampling import (
    filter_min_p,
    filter_top_k,
    filter_top_p,
    scale_by_temperature,
)

NOTHING = -1  # pads a set of ids
ROWS_AT_ONCE = 64  # in the forward pass: memory


def kept_token_ids(logits, drawn, sampling, vocab_size=None):
    """The ids that a sampler's filters leave over, row by row.

    Args:
        logits: (tokens, vocab), not divided by the temperature.
        drawn: (tokens,) ids that were sampled, kept in any case.
        sampling: a `SamplingConfig`.
        vocab_size: entries from here on are padding, never drawn.

    Returns:
        kept_ids: (tokens, largest set) int32, `NOTHING` after the last.
        log_mass: (tokens,) float32, log of the probability they hold.
    """
    scaled = scale_by_temperature(logits, sampling.temperature)
    drawable = scaled[:, :vocab_size]
    kept = filter_top_k(drawable, sampling.top_k)
    kept = filter_top_p(kept, sampling.top_p)
    kept = filter_min_p(kept, sampling.min_p)
    is_kept = kept > float("-inf")
    is_kept.scatter_(1, drawn[:, None], True)
    width = int(is_kept.sum(dim=1).max())
    is_member, ids = is_kept.int().sort(dim=1, descending=True, stable=True)
    ids = ids[:, :width].masked_fill(is_member[:, :width] == 0, NOTHING)
    members = drawable.masked_fill(~is_kept, float("-inf"))
    log_mass = members.logsumexp(dim=1) - scaled.logsumexp(dim=1)
    return ids.int(), log_mass


@torch.no_grad()
def renormalise_over_kept(model, tensors, sampling, vocab_size=None):
    """Add the kept ids, and take the sampler's log-probs over them.

    Args:
        model: the one that sampled, unchanged since.
        tensors: the row tensors of `rollouts.lay_out`.
        sampling: as it sampled.
        vocab_size: as for `kept_token_ids`.

    Returns:
        the tensors with `kept_ids`, (rows, tokens - 1, largest set) int32.
    """
    mask = tensors["mask"]
    targets = tensors["token_ids"][:, 1:]
    chunk_size = max(1, MAX_CHUNK_ENTRIES // model.config.vocab_size)
    found = []
    for rows in torch.arange(len(mask)).split(ROWS_AT_ONCE):
        hidden = model.hidden_states(
            tensors["token_ids"][rows], key_mask=tensors["key_mask"][rows]
        )
        is_completion = mask[rows]
        found += [
            kept_token_ids(
                model.lm_logits(states), drawn, sampling, vocab_size
            )
            for states, drawn in zip(
                hidden[:, :-1][is_completion].split(chunk_size),
                targets[rows][is_completion].split(chunk_size),
                strict=True,
            )
        ]
    width = max(ids.shape[1] for ids, _ in found)
    kept_ids = torch.full(
        (*mask.shape, width), NOTHING, dtype=torch.int32, device=mask.device
    )
    kept_ids[mask] = torch.cat([widen(ids, width) for ids, _ in found])
    logprobs = tensors["sampler_logprobs"].clone()
    logprobs[mask] -= torch.cat([log_mass for _, log_mass in found])
    return {**tensors, "sampler_logprobs": logprobs, "kept_ids": kept_ids}


def widen(kept_ids, width):
    """Room for sets of `width` ids: pads the last dimension."""
    missing = width - kept_ids.shape[-1]
    return torch.nn.functional.pad(kept_ids, (0, missing), value=NOTHING)


def join_kept(parts, margins):
    """The kept ids of several batches, in one rectangle.

    Args:
        parts: list of (rows, tokens, largest set).
        margins: for each, columns to add on its left and right.
    """
    width = max(part.shape[-1] for part in parts)
    padded = [
        torch.nn.functional.pad(
            widen(part, width), (0, 0, *margin), value=NOTHING
        )
        for part, margin in zip(parts, margins, strict=True)
    ]
    return torch.cat(padded)
