"""A key-value cache for one conversation that grows turn by turn."""

import itertools

import torch

from .kv_cache import KVCache


class PrefixCache:
    """A cache that remembers which tokens it has read.

    Each turn of a chat repeats the turns before it; only what differs from
    the longest common prefix has to be read.

    Args:
        model: a `Qwen3Model`.
        max_tokens: room for a whole conversation.
    """

    def __init__(self, model, max_tokens):
        self.model = model
        self.cache = KVCache(
            model.config,
            1,
            max_tokens,
            device=model.device,
            dtype=model.dtype,
        )
        self.token_ids = []

    @torch.inference_mode()
    def read(self, token_ids, max_new_tokens):
        """Read a prompt and return the logits of its next token.

        Args:
            token_ids: the whole prompt; at least its last token is read.
            max_new_tokens: room that must be left behind it.

        Returns:
            (1, vocab) logits.

        Raises:
            ValueError: prompt and new tokens exceed the cache.
        """
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
