"""How likely the model finds given tokens.

The projection to the vocabulary is done in chunks of tokens, and again in the
backward pass, so memory never holds (batch, tokens, vocab).
"""

import math

import torch
from torch.utils.checkpoint import checkpoint

# Entries of one chunk of float32 logits: 2^25 x 4 bytes = 134 MB
MAX_CHUNK_ENTRIES = 2**25


def token_logprobs(model, token_ids, *, key_mask=None, temperature=1.0):
    """Log-probability of every token after the first, given those before.

    Args:
        token_ids: (batch, tokens).
        key_mask: (batch, tokens) bool, false for padding; a padding token's
            own entry is meaningless.
        temperature: the one at which the tokens were sampled.

    Returns:
        (batch, tokens - 1) float32, differentiable. Column t is token t + 1.
    """
    hidden = model.hidden_states(token_ids, key_mask=key_mask)
    logprobs, _ = hidden_logprobs(
        model, hidden[:, :-1], token_ids[:, 1:], temperature=temperature
    )
    return logprobs


def hidden_logprobs(
    model,
    hidden,
    targets,
    *,
    temperature=1.0,
    with_entropy=False,
    kept_ids=None,
):
    """Log-probabilities of targets (...) from hidden states (..., hidden).

    Returns (...) float32 and, if asked for, else None, the entropies in nats
    over the full vocabulary, without gradient. `kept_ids`, (..., kept), are
    the ids over which to normalise; negative ones are ignored.
    """

    def project(hidden_chunk, target_chunk, kept_chunk=None):
        logits = model.lm_logits(hidden_chunk).float() / temperature
        entropy = token_entropy(logits.detach()) if with_entropy else None
        chosen = logits.gather(-1, target_chunk[:, None]).squeeze(-1)
        if kept_chunk is not None:
            kept = logits.gather(-1, kept_chunk.long().clamp(min=0))
            logits = kept.masked_fill(kept_chunk < 0, float("-inf"))
        return chosen - logits.logsumexp(dim=-1), entropy

    chunk_size = max(1, MAX_CHUNK_ENTRIES // model.config.vocab_size)
    flat_hidden, flat_targets = hidden.flatten(0, -2), targets.flatten()
    is_chunked = len(flat_targets) > chunk_size and torch.is_grad_enabled()
    parts = []
    for start in range(0, max(len(flat_targets), 1), chunk_size):
        piece = slice(start, start + chunk_size)
        arguments = [flat_hidden[piece], flat_targets[piece]]
        if kept_ids is not None:
            arguments.append(kept_ids.flatten(0, -2)[piece])
        if is_chunked:
            parts.append(checkpoint(project, *arguments, use_reentrant=False))
        else:
            parts.append(project(*arguments))
    logprobs = torch.cat([part[0] for part in parts]).view(targets.shape)
    if not with_entropy:
        return logprobs, None
    entropy = torch.cat([part[1] for part in parts]).view(targets.shape)
    return logprobs, entropy


def sequence_logprob(model, token_ids, *, key_mask=None, start=1):
    """Log-probability of a row's tokens from column `start` >= 1 on.

    (batch, tokens) ids -> (batch,) float32, summed over the tokens that count.
    ValueError: start below 1, for nothing precedes column 0.
    """
    if start < 1:
        raise ValueError(f"start must be >= 1, got {start}")
    logprobs = token_logprobs(model, token_ids, key_mask=key_mask)
    logprobs = logprobs[:, start - 1 :]
    if key_mask is not None:
        logprobs = logprobs.masked_fill(~key_mask[:, start:], 0.0)
    return logprobs.sum(dim=-1)


def token_entropy(logits):
    """Entropy of each distribution in nats, (..., vocab) -> (...) float32.

    0 when one token is certain, log(vocab) when all are equally likely.

    >>> token_entropy(torch.tensor([0.0, 0.0]))
    tensor(0.6931)
    """
    logprobs = logits.float().log_softmax(dim=-1)
    return -(logprobs.exp() * logprobs.clamp(min=-1e30)).sum(dim=-1)


def distribution_statistics(logits, top_k=20):
    """How sure the model is of a next token: (batch, vocab) -> three measures.

    Source: Kang et al. 2025 (self-certainty); Fu et al. 2025 (DeepConf).
    """
    logprobs = logits.float().log_softmax(dim=-1)
    vocab_size = logprobs.shape[-1]
    largest = logprobs.topk(min(top_k, vocab_size), dim=-1).values
    return {
        "entropy": -(logprobs.exp() * logprobs).sum(dim=-1),
        # The mean of -log(vocab * p): 0 for the uniform distribution
        "confidence": -logprobs.mean(dim=-1) - math.log(vocab_size),
        "topk_confidence": -largest.mean(dim=-1),
    }
