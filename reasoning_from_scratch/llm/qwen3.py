"""Qwen3 and Qwen2, the dense models, from scratch.

The model holds weights alone: what was read before lives in a `KVCache`, which
token counts in a `key_mask`. Mixture-of-experts models are out of scope.

Sources: Yang et al. 2025 (Qwen3); Zhang and Sennrich 2019 (RMSNorm); Su et al.
2021 (RoPE); Ainslie et al. 2023 (grouped queries); Shazeer 2020 (SwiGLU).
"""

import torch
from torch import nn
from torch.nn import functional as F

from .kv_cache import causal_view, packed_view


class Linear(nn.Linear):
    """A learned matrix, by default without bias, inputs -> outputs."""

    def __init__(self, num_inputs, num_outputs, bias=False):
        super().__init__(num_inputs, num_outputs, bias=bias)

    def forward(self, x):
        return project(x, self.weight, self.bias)


# Whether mv multiplies one bfloat16 vector faster than linear on this CPU,
# with the same result; processors differ, so `load_model` measures it
mv_is_faster = True


def project(x, weight, bias=None):
    """Multiply (..., inputs) with a matrix (outputs, inputs); add a bias."""
    # float32 gains nothing by it, float16 loses
    is_one_vector = x.numel() == weight.shape[1] and mv_is_faster
    if is_one_vector and x.dtype == torch.bfloat16 and x.device.type == "cpu":
        product = torch.mv(weight, x.flatten()).view(*x.shape[:-1], -1)
        return product if bias is None else product + bias
    return F.linear(x, weight, bias)


class RMSNorm(nn.Module):
    """Scale each vector to root mean square 1, then by a learned weight.

    Any shape (..., size) in and out; computed in float32.
    """

    def __init__(self, size, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        wide = x.float()
        mean_square = wide.pow(2).mean(dim=-1, keepdim=True)
        return self.weight * (wide * torch.rsqrt(mean_square + self.eps)).to(
            x.dtype
        )


def rope_tables(positions, head_dim, theta=1_000_000.0):
    """Cosines and sines of the angle for every position and frequency.

    positions (batch, tokens), 0 for a row's first real token -> cos and sin,
    (batch, 1, tokens, head_dim) float32, ready for all heads. Pair i turns by
    theta^(-2i / head_dim) radians a position.

    Source: Su et al. 2021, "RoFormer", section 3.2.
    """
    pairs = torch.arange(0, head_dim, 2, device=positions.device)
    frequencies = theta ** (-pairs.float() / head_dim)  # (head_dim / 2,)
    angles = positions[:, None, :, None].float() * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def apply_rope(x, cos, sin):
    """Turn the pairs (i, i + head_dim/2) of each vector by their angles.

    x, (batch, heads, tokens, head_dim), keeps its shape and dtype. A dot
    product of two turned vectors depends on the distance of their positions.
    """
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return x * cos.to(x.dtype) + turned * sin.to(x.dtype)


class GroupedQueryAttention(nn.Module):
    """Attention in which several query heads share one key-value head.

    (batch, tokens, hidden) in and out. Fewer key-value heads mean a smaller
    cache; QK-norm keeps the attention logits in range.
    """

    def __init__(self, config):
        super().__init__()
        self.head_dim = config.head_dim
        query_size = config.num_heads * config.head_dim
        kv_size = config.num_kv_heads * config.head_dim
        bias = config.qkv_bias  # Qwen2 has it, and no QK-norm
        self.q_proj = Linear(config.hidden_size, query_size, bias)
        self.k_proj = Linear(config.hidden_size, kv_size, bias)
        self.v_proj = Linear(config.hidden_size, kv_size, bias)
        self.o_proj = Linear(query_size, config.hidden_size)
        self.q_norm = self.k_norm = nn.Identity()
        if config.qk_norm:
            self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps)
            self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps)

    def forward(self, x, cos, sin, mask=None, cache=None, layer=0):
        heads = *x.shape[:2], -1, self.head_dim
        queries = self.q_norm(self.q_proj(x).view(heads)).transpose(1, 2)
        keys = self.k_norm(self.k_proj(x).view(heads)).transpose(1, 2)
        values = self.v_proj(x).view(heads).transpose(1, 2)
        # queries (batch, heads, tokens, head_dim), keys (batch, kv_heads, …)
        queries = apply_rope(queries, cos, sin)
        keys = apply_rope(keys, cos, sin)
        if cache is not None:
            keys, values = cache.update(layer, keys, values)
        context = attend(queries, keys, values, mask)
        return self.o_proj(context.transpose(1, 2).flatten(2))


def attend(queries, keys, values, mask=None):
    """Scaled dot-product attention with grouped queries.

    Args:
        queries: (batch, heads, tokens, head_dim), as what is returned.
        keys, values: (batch, kv_heads, columns, head_dim).
        mask: (batch or 1, 1, tokens, columns), true where a query may look,
            or what is added to the products; None is the causal mask, or all
            columns for one new token.

    Appendix C derives the same result with an explicit softmax.
    """
    batch, _, tokens, head_dim = queries.shape
    if tokens == 1:  # a group's heads read one key-value head: one product
        grouped = queries.view(batch, keys.shape[1], -1, head_dim)
        context = F.scaled_dot_product_attention(
            grouped, keys, values, attn_mask=mask
        )
        return context.reshape(queries.shape)
    return F.scaled_dot_product_attention(
        queries,
        keys,
        values,
        attn_mask=mask,
        is_causal=mask is None,
        enable_gqa=queries.shape[1] != keys.shape[1],
    )


class FeedForward(nn.Module):
    """SwiGLU: a gated layer, (batch, tokens, hidden) in and out."""

    def __init__(self, config):
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        self.gate_proj = Linear(hidden, inner)
        self.up_proj = Linear(hidden, inner)
        self.down_proj = Linear(inner, hidden)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TransformerBlock(nn.Module):
    """Attention, then feed-forward, each on normalised input and added."""

    def __init__(self, config):
        super().__init__()
        size, eps = config.hidden_size, config.rms_norm_eps
        self.input_layernorm = RMSNorm(size, eps)
        self.self_attn = GroupedQueryAttention(config)
        self.post_attention_layernorm = RMSNorm(size, eps)
        self.mlp = FeedForward(config)

    def forward(self, x, cos, sin, mask=None, cache=None, layer=0):
        x = x + self.self_attn(
            self.input_layernorm(x), cos, sin, mask, cache, layer
        )
        return x + self.mlp(self.post_attention_layernorm(x))


class Qwen3Model(nn.Module):
    """Token ids in, logits for each next token out.

    Parameter names are the official checkpoint's without its leading
    "model."; `lm_head` is absent when the embeddings are tied.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            TransformerBlock(config) for _ in range(config.num_layers)
        )
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        if not config.tie_word_embeddings:
            self.lm_head = Linear(config.hidden_size, config.vocab_size)

    def forward(self, token_ids, cache=None, key_mask=None, last_only=False):
        """Predict the token after each position -> (batch, tokens, vocab).

        Args:
            token_ids: (batch, tokens); with a cache, the new tokens only.
            cache: a `KVCache` of what came before; it is filled further.
            key_mask: (batch, cached + tokens) bool, false for padding on the
                left; (batch, max_tokens) with a static cache. None: all count.
            last_only: the last position alone, all that decoding needs.
        """
        hidden = self.hidden_states(token_ids, cache, key_mask)
        return self.lm_logits(hidden[:, -1:] if last_only else hidden)

    def hidden_states(
        self, token_ids, cache=None, key_mask=None, document_ids=None
    ):
        """The final hidden states, (batch, tokens, hidden).

        `document_ids`, (batch, tokens), is for rows packed with several
        documents: each is read as if it were alone.
        """
        if document_ids is not None:
            positions, mask = packed_view(document_ids)
        else:
            positions, mask = causal_view(token_ids, cache, key_mask)
        x = self.embed_tokens(token_ids)  # (batch, tokens, hidden)
        if mask is not None and token_ids.shape[1] == 1:
            # What attention would make of it in every layer, once a step
            hidden = torch.zeros_like(mask, dtype=x.dtype)
            mask = hidden.masked_fill_(~mask, float("-inf"))
        cos, sin = rope_tables(
            positions, self.config.head_dim, self.config.rope_theta
        )
        cos, sin = cos.to(x.dtype), sin.to(x.dtype)
        for index, layer in enumerate(self.layers):
            x = layer(x, cos, sin, mask, cache, index)
        if cache is not None:
            cache.advance(token_ids.shape[1])
        return self.norm(x)

    def lm_logits(self, hidden):
        """Logits of hidden states, (..., hidden) -> (..., vocab)."""
        if hasattr(self, "lm_head"):
            return self.lm_head(hidden)
        return project(hidden, self.embed_tokens.weight)

    @torch.no_grad()
    def init_weights(self, seed=0):
        """Fresh weights: normal(0, 0.02), norms at 1, biases at 0."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            else:
                parameter.normal_(0.0, 0.02, generator=generator)
        return self

    @property
    def device(self):
        return self.embed_tokens.weight.device

    @property
    def dtype(self):
        return self.embed_tokens.weight.dtype
