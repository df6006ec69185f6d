"""The keys and values of the tokens a model has already read.

They never change once computed, so a decoding step needs only those of the
new token. What a token may look at, and its position, follow from the cache
and a `key_mask`. Paging and quantised caches are out of scope.

Source: Pope et al. 2022, "Efficiently Scaling Transformer Inference".
"""

import itertools

import torch


class KVCache:
    """Preallocated keys and values, one pair of buffers a layer.

    Args:
        config: the model's `Qwen3Config`.
        max_tokens: room for this many tokens in every row.
        static: shapes never change, as a compiled step needs: whole buffers
            are handed back, and the caller's `key_mask` must be false for
            columns not yet written.

    Attributes:
        keys, values: lists of (batch, kv_heads, max_tokens, head_dim).
        length: number of columns filled, the same in every row.
    """

    def __init__(
        self,
        config,
        batch_size,
        max_tokens,
        *,
        device=None,
        dtype=None,
        static=False,
    ):
        shape = batch_size, config.num_kv_heads, max_tokens, config.head_dim
        # Zeros only where unwritten columns are read: 0 * garbage is garbage
        allocate = torch.zeros if static else torch.empty
        self.keys, self.values = (
            [
                allocate(shape, device=device, dtype=dtype)
                for _ in range(config.num_layers)
            ]
            for _ in range(2)
        )
        self.max_tokens = max_tokens
        self.static = static
        self._length = 0
        if static:
            self._length = torch.zeros(1, dtype=torch.long, device=device)

    @property
    def length(self):
        return int(self._length)

    @property
    def next_column(self):
        """Where the next token goes, as a tensor (1,); static caches only."""
        return self._length

    @property
    def batch_size(self):
        return self.keys[0].shape[0]

    def update(self, layer, keys, values):
        """Store (batch, kv_heads, new tokens, head_dim) of one layer.

        Returns the keys and values of all filled columns, the new ones
        included; of every column when static. ValueError: they do not fit.
        """
        if self.static:
            columns = self._length + torch.arange(
                keys.shape[2], device=keys.device
            )
            self.keys[layer].index_copy_(2, columns, keys)
            self.values[layer].index_copy_(2, columns, values)
            return self.keys[layer], self.values[layer]
        end = self._length + keys.shape[2]
        if end > self.max_tokens:
            raise ValueError(
                f"the sequence has {end:,} tokens but the cache holds "
                f"{self.max_tokens:,}; create KVCache with max_tokens >= "
                f"{end:,} + the tokens still to come"
            )
        self.keys[layer][:, :, self._length : end] = keys
        self.values[layer][:, :, self._length : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def advance(self, num_tokens):
        """Count columns that every layer has now stored."""
        if self.static:
            self._length.add_(num_tokens)
        else:
            self._length += num_tokens

    def expand(self, num_copies):
        """Repeat every row: one prefilled prompt for a group of samples."""
        if num_copies > 1:
            rows = torch.arange(self.batch_size, device=self.keys[0].device)
            self.keep(rows.repeat_interleave(num_copies))

    def keep(self, rows):
        """Keep these rows, (new batch,) indices, in this order.

        Where all that move come from behind the new batch, the others stay
        in place: dropping a few rows copies a few.
        """
        length = self.max_tokens if self.static else self.length
        places = (rows.cpu() != torch.arange(len(rows))).nonzero()[:, 0]
        sources = rows[places.to(rows.device)]
        is_in_place = bool((sources >= len(rows)).all())
        is_in_place &= len(rows) <= self.batch_size
        for buffers in (self.keys, self.values):
            for layer, old in enumerate(buffers):
                if is_in_place:
                    new = old[: len(rows)]
                    new[places, :, :length] = old[sources, :, :length]
                else:
                    new = old.new_empty(len(rows), *old.shape[1:])
                    new[:, :, :length] = old[rows, :, :length]
                buffers[layer] = new

    def truncate(self, length):
        """Forget the columns from `length` on; ValueError if it has fewer."""
        if not 0 <= length <= self.length:
            raise ValueError(
                f"cannot truncate to {length:,} tokens: "
                f"the cache holds {self.length:,}"
            )
        if self.static:
            self._length.fill_(length)
        else:
            self._length = length


class PrefixCache:
    """A one-row cache that remembers which tokens it has read.

    Each turn of a chat repeats the turns before it; only what follows the
    longest common prefix is read. `max_tokens` holds a whole conversation.
    """

    def __init__(self, model, max_tokens):
        self.model = model
        where = {"device": model.device, "dtype": model.dtype}
        self.cache = KVCache(model.config, 1, max_tokens, **where)
        self.token_ids = []

    @torch.inference_mode()
    def read(self, token_ids, max_new_tokens):
        """Read a prompt, at least its last token -> logits (1, vocab)."""
        needed = len(token_ids) + max_new_tokens
        if needed > self.cache.max_tokens:
            raise ValueError(
                f"prompt has {len(token_ids):,} tokens but the cache holds "
                f"{self.cache.max_tokens:,}; create it with max_tokens >= "
                f"{len(token_ids):,} + max_new_tokens ({max_new_tokens:,})"
            )
        known = self.token_ids[: self.cache.length]
        pairs = zip(known, token_ids[:-1], strict=False)
        common = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
        self.cache.truncate(sum(1 for _ in common))
        rest = token_ids[self.cache.length :]
        self.token_ids = list(token_ids)
        new = torch.tensor([rest], device=self.model.device)
        return self.model(new, self.cache, last_only=True)[:, -1]


# ---- Positions, counted from a row's first real token, and masks


def causal_view(token_ids, cache, key_mask):
    """Positions (batch, tokens) and the attention mask of the new tokens."""
    tokens, device = token_ids.shape[1], token_ids.device
    order = torch.arange(tokens, device=device)
    if cache is not None and cache.static:
        if key_mask is None:
            raise ValueError(
                "a static cache needs a key_mask over all columns"
            )
        return _masked_view(key_mask, cache.next_column + order)
    start = 0 if cache is None else cache.length
    if key_mask is None:
        positions = (start + order)[None]
        if tokens == 1 or start == 0:
            return positions, None
        columns = torch.arange(start + tokens, device=device)
        return positions, (columns <= positions.mT)[None, None]
    if key_mask.shape[1] != start + tokens:
        raise ValueError(
            f"key_mask has {key_mask.shape[1]:,} columns; expected "
            f"{start + tokens:,}: {start:,} cached + {tokens:,} new tokens"
        )
    return _masked_view(key_mask, start + order)


def _masked_view(key_mask, columns):
    """Positions and mask of the tokens that stand in `columns`."""
    if len(columns) == 1:  # decoding: the last token sees all that count
        positions = key_mask.sum(dim=1, keepdim=True) - 1
        return positions, key_mask[:, None, None]
    positions = key_mask.long().cumsum(dim=1)[:, columns] - 1
    order = torch.arange(key_mask.shape[1], device=key_mask.device)
    allowed = key_mask[:, None, :] & (order <= columns[:, None])
    # A padding token sees itself, for a softmax over nothing is NaN
    allowed = allowed | (order == columns[:, None])
    return positions.clamp(min=0), allowed[:, None]


def packed_view(document_ids):
    """Positions and mask of rows packed with several documents."""
    order = torch.arange(document_ids.shape[1], device=document_ids.device)
    same = document_ids[:, :, None] == document_ids[:, None, :]
    allowed = same & (order <= order[:, None])
    positions = allowed.sum(dim=-1) - 1  # earlier tokens of the same document
    return positions, allowed[:, None]
