"""The keys and values of the tokens a model has already read.

They never change once computed, so a decoding step needs only those of the
new token. Each row begins in column 0 and has a length of its own: another can
take its place while the rest goes on. Paging is out of scope.

Source: Pope et al. 2022, "Efficiently Scaling Transformer Inference".
"""

import itertools

import torch


class KVCache:
    """Preallocated keys and values, one pair of buffers per layer.

    Args:
        config: the model's `Qwen3Config`.
        batch_size: rows there is room for.
        max_tokens: room for this many tokens in every row.
        static: shapes never change, as a compiled step needs: all columns
            are handed back, and those not yet written are masked.

    Attributes:
        keys, values: lists of (rows, kv_heads, max_tokens, head_dim).
        lengths: (rows,) columns filled in each.
        length: those of the longest row; 0 when static.
        batch_size: rows in use, the first ones.
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
        # Zeros, for a mask does not help: 0 * garbage may be garbage
        self.keys, self.values = (
            [torch.zeros(shape, device=device, dtype=dtype) for _ in layers]
            for layers in 2 * [range(config.num_layers)]
        )
        starts = torch.arange(batch_size * config.num_kv_heads, device=device)
        self._starts = starts.view(*shape[:2], 1) * max_tokens  # of the rows
        self.lengths = torch.zeros(batch_size, dtype=torch.long, device=device)
        self.length = 0
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.static = static

    @classmethod
    def of(cls, model, batch_size, max_tokens, *, static=False):
        """A cache on the model's device, in its numbers."""
        at = {"device": model.device, "dtype": model.dtype}
        return cls(model.config, batch_size, max_tokens, static=static, **at)

    def next_columns(self, num_tokens):
        """Where the new tokens go, (batch, new tokens): their positions.

        ValueError: they do not fit.
        """
        end = self.length + num_tokens
        if end > self.max_tokens:
            raise ValueError(
                f"the sequence has {end:,} tokens but the cache holds "
                f"{self.max_tokens:,}; create KVCache with max_tokens >= "
                f"{end:,} + the tokens still to come"
            )
        order = torch.arange(num_tokens, device=self.lengths.device)
        columns = self.lengths[: self.batch_size, None] + order
        # Where (batch, kv_heads, new tokens) stand in a flat buffer
        places = self._starts[: self.batch_size] + columns[:, None]
        self._places = places.flatten()
        return columns

    def update(self, layer, keys, values):
        """Store (batch, kv_heads, new tokens, head_dim) of one layer.

        Returns the keys and values of all filled columns, the new ones
        included; of every column when static.
        """
        end = self.max_tokens if self.static else self.length + keys.shape[2]
        size = keys.shape[-1]
        stored = self.keys[layer], self.values[layer]
        for buffer, new in zip(stored, (keys, values), strict=True):
            new = new.reshape(-1, size)
            buffer.view(-1, size).index_copy_(0, self._places, new)
        return [buffer[: self.batch_size, :, :end] for buffer in stored]

    def advance(self, num_tokens):
        """Count columns that every layer has now stored."""
        self.lengths[: self.batch_size] += num_tokens
        if not self.static:
            self.length += num_tokens

    def keep(self, rows):
        """Keep these rows, indices, in this order; few moved, few copied."""
        places = (rows.cpu() != torch.arange(len(rows))).nonzero()[:, 0]
        sources = rows[places.to(rows.device)]
        self.lengths[places] = self.lengths[sources]
        self.batch_size = len(rows)
        self.measure()
        length = self.max_tokens if self.static else self.length
        for buffer in (*self.keys, *self.values):
            buffer[places, :, :length] = buffer[sources, :, :length]

    def take(self, places, other, sources):
        """Copy rows of another cache, by number, to these places."""
        for mine, theirs in (
            *zip(self.keys, other.keys, strict=True),
            *zip(self.values, other.values, strict=True),
        ):
            part = mine[:, :, : other.max_tokens]
            part.index_copy_(0, places, theirs[sources])
        self.lengths[places] = other.lengths[sources]
        self.measure()

    def measure(self):
        """Find the longest row again, after lengths were set."""
        if not self.static:
            self.length = int(self.lengths[: self.batch_size].max())

    def truncate(self, length):
        """Forget the columns from `length` on; ValueError if it has fewer."""
        if not 0 <= length <= self.length:
            raise ValueError(
                f"cannot truncate to {length:,} tokens: "
                f"the cache holds {self.length:,}"
            )
        self.lengths.fill_(length)
        self.length = length


class PrefixCache:
    """A one-row cache that remembers which tokens it has read.

    Each turn of a chat repeats the turns before it; only what follows the
    longest common prefix is read. `max_tokens` holds a whole conversation.
    """

    def __init__(self, model, max_tokens):
        self.model = model
        self.cache = KVCache.of(model, 1, max_tokens)
        self.token_ids = []

    @torch.inference_mode()
    def read(self, token_ids, max_new_tokens):
        """Read a prompt up to its last token, which decoding starts with."""
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
        self.token_ids = list(token_ids)
        if rest := token_ids[self.cache.length : -1]:
            new = torch.tensor([rest], device=self.model.device)
            self.model.hidden_states(new, self.cache)


# ---- Positions, counted from a row's first real token, and masks


def causal_view(token_ids, cache, key_mask):
    """Positions (batch, tokens) and the attention mask of the new tokens."""
    tokens, device = token_ids.shape[1], token_ids.device
    positions = torch.arange(tokens, device=device)[None]
    start, is_static = 0, cache is not None and cache.static
    if cache is not None:
        start, positions = cache.length, cache.next_columns(tokens)
    is_alone = len(token_ids) == tokens == 1
    if key_mask is None and not is_static and (start == 0 or is_alone):
        return positions, None  # plain causal attention
    width = cache.max_tokens if is_static else start + tokens
    columns = torch.arange(width, device=device)
    own = positions[..., None]  # the columns where the tokens stand
    allowed = columns <= own
    if key_mask is not None:
        if key_mask.shape[1] != width:
            raise ValueError(
                f"key_mask has {key_mask.shape[1]:,} columns; expected "
                f"{width:,}: {start:,} cached + {tokens:,} new tokens"
            )
        # A padding token sees itself, for a softmax over nothing is NaN
        allowed = allowed & (key_mask[:, None] | (columns == own))
        positions = key_mask.long().cumsum(dim=1)[:, start:] - 1
    return positions.clamp(min=0), allowed[:, None]


def packed_view(document_ids):
    """Positions and mask of rows packed with several documents."""
    order = torch.arange(document_ids.shape[1], device=document_ids.device)
    same = document_ids[:, :, None] == document_ids[:, None, :]
    allowed = same & (order <= order[:, None])
    positions = allowed.sum(dim=-1) - 1  # earlier tokens of the same document
    return positions, allowed[:, None]
