"""Which tokens a token may look at, and at which position it stands.

Positions count from a row's first token that is no padding. Masks are true
where a query may look. Three situations: rows (padded or not) with or without
a cache, a static cache, and rows packed with several documents.
"""

import torch


def causal_view(token_ids, cache, key_mask):
    """Positions (batch, tokens) and the attention mask of the new tokens."""
    tokens, device = token_ids.shape[1], token_ids.device
    if cache is not None and cache.static:
        return _static_view(tokens, cache, key_mask)
    start = 0 if cache is None else cache.length
    if key_mask is None:
        positions = torch.arange(start, start + tokens, device=device)[None]
        if tokens == 1 or start == 0:
            return positions, None
        columns = torch.arange(start + tokens, device=device)
        return positions, (columns <= positions.mT)[None, None]
    if key_mask.shape[1] != start + tokens:
        raise ValueError(
            f"key_mask has {key_mask.shape[1]:,} columns; expected "
            f"{start + tokens:,}: {start:,} cached + {tokens:,} new tokens"
        )
    return _masked_view(key_mask, torch.arange(tokens, device=device) + start)


def _static_view(tokens, cache, key_mask):
    """As `causal_view`, over all columns of a static cache."""
    if key_mask is None:
        raise ValueError("a static cache needs a key_mask over all columns")
    columns = cache.next_column + torch.arange(tokens, device=key_mask.device)
    return _masked_view(key_mask, columns)


def _masked_view(key_mask, columns):
    """Positions and mask of the tokens that stand in `columns`."""
    if len(columns) == 1:  # decoding: the last token sees all that count
        positions = key_mask.sum(dim=1, keepdim=True) - 1
        return positions, key_mask[:, None, None]
    # Padding is not counted: a row's first real token has position 0
    positions = key_mask.long().cumsum(dim=1)[:, columns] - 1
    positions = positions.clamp(min=0)
    order = torch.arange(key_mask.shape[1], device=key_mask.device)
    allowed = key_mask[:, None, :] & (order <= columns[:, None])
    # A padding token sees itself, for a softmax over nothing is NaN
    allowed = allowed | (order == columns[:, None])
    return positions, allowed[:, None]


def packed_view(document_ids):
    """Positions and mask of rows packed with several documents."""
    tokens = document_ids.shape[1]
    order = torch.arange(tokens, device=document_ids.device)
    same = document_ids[:, :, None] == document_ids[:, None, :]
    allowed = same & (order <= order[:, None])
    positions = allowed.sum(dim=-1) - 1  # earlier tokens of the same document
    return positions, allowed[:, None]
