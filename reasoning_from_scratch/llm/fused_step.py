"""A decoding step in five kernels a layer, for NVIDIA GPUs.

While one row decodes, `Qwen3Model` runs a thousand short kernels a token, and
a GPU mostly waits between them. Here the step is written again, with the same
weights and the same roundings, over the two kernels of `gpu_kernels`: a
product of one vector with what stands before and behind it (norm, gate,
residual), and attention over the filled columns of a static cache. Many rows
multiply with cuBLAS. The queries', keys' and values' matrices are one product,
gate and up another: in memory they are joined, on disk and by name they stay
the official ones.
"""

import os
import shutil

import torch
from torch.nn import functional as F

from .gpu_kernels import attention_kernel, product_kernel, triton
from .qwen3 import rope_tables

ROWS_OF_A_TILE = 16  # a product on tensor cores has at least so many
MAX_SPLITS = 16
# Up to so many rows a product is bound by reading its matrix
MAX_SINGLE_ROWS = 4
TILE = 8192  # entries of a matrix that one program multiplies
PRODUCT_WARPS = 4
ATTENTION_WARPS = 4
BLOCK = 32  # columns that attention reads at a time
# Hopper and later start a kernel while the one before it finishes
EARLY_FROM_CAPABILITY = 9


def is_available(model):
    """Whether this model's step can be run by these kernels, here."""
    config = model.config
    weight = model.embed_tokens.weight
    compiler = os.environ.get("CC") or "gcc"  # Triton builds its launcher
    return (
        triton is not None
        and weight.is_cuda
        and torch.version.cuda is not None
        and type(weight.data) is torch.Tensor
        and config.head_dim in (32, 64, 128, 256)
        and config.num_heads // config.num_kv_heads <= ROWS_OF_A_TILE
        and any(map(shutil.which, (compiler, "clang")))
    )


def joined(*layers):
    """The matrices of several `Linear` as one, moved together if need be.

    The parameters stay what they are, views of the one matrix from now on.
    """
    weights = [layer.weight for layer in layers]
    first, address = weights[0], weights[0].data_ptr()
    for weight in weights:
        storage = weight.untyped_storage().data_ptr()
        if (
            weight.data_ptr() != address
            or storage != first.untyped_storage().data_ptr()
        ):
            break
        address += weight.nbytes
    else:
        num_rows = sum(map(len, weights))
        return first.detach().as_strided(
            (num_rows, first.shape[1]), (first.shape[1], 1)
        )
    with torch.inference_mode(False), torch.no_grad():
        matrix = torch.cat([weight.detach() for weight in weights])
        sizes = list(map(len, weights))
        for weight, piece in zip(weights, matrix.split(sizes), strict=True):
            weight.data = piece
    return matrix


class FusedStep:
    """Reads one token a row of one batch, with a static cache.

    Called as the model is: (token_ids, cache, key_mask) -> (batch, 1, vocab).
    A batch of other rows, or another cache, needs another FusedStep.
    """

    def __init__(self, model, cache, key_mask):
        config, device = model.config, key_mask.device
        self.model, self.config = model, config
        self.matrices = [
            (
                joined(
                    layer.self_attn.q_proj,
                    layer.self_attn.k_proj,
                    layer.self_attn.v_proj,
                ),
                joined(layer.mlp.gate_proj, layer.mlp.up_proj),
            )
            for layer in model.layers
        ]
        positions = torch.arange(cache.max_tokens, device=device)[None]
        tables = rope_tables(positions, config.head_dim, config.rope_theta)
        self.cos, self.sin = (
            table.to(model.dtype).contiguous() for table in tables
        )
        self.starts = key_mask.int().argmax(dim=1)  # first that is no padding
        groups = cache.batch_size * config.num_kv_heads
        splits = max(1, min(MAX_SPLITS, 256 // groups))
        self.splits = 1 << (splits.bit_length() - 1)
        places = groups * self.splits * ROWS_OF_A_TILE
        options = {"device": device, "dtype": torch.float32}
        self.sums = torch.empty(places, config.head_dim, **options)
        self.stats = torch.empty(places, 2, **options)
        self.counters = torch.zeros(groups, dtype=torch.int32, device=device)
        self.launch = {"EARLY": False}
        if device.type == "cuda":
            major, _ = torch.cuda.get_device_capability(device)
            if major >= EARLY_FROM_CAPABILITY:
                self.launch = {"EARLY": True, "launch_pdl": True}
        self.product = (
            self.row_product
            if cache.batch_size <= MAX_SINGLE_ROWS
            else self.batch_product
        )

    def __call__(self, token_ids, cache, key_mask=None, last_only=True):
        model = self.model
        x = model.embed_tokens(token_ids[:, 0])  # (batch, hidden)
        for index, layer in enumerate(model.layers):
            qkv, gate_up = self.matrices[index]
            attention, mlp = layer.self_attn, layer.mlp
            projected = self.product(x, qkv, norm=layer.input_layernorm)
            context = self.attend(projected, attention, cache, index)
            x = self.product(context, attention.o_proj.weight, residual=x)
            inner = self.product(
                x, gate_up, norm=layer.post_attention_layernorm, is_gated=True
            )
            x = self.product(inner, mlp.down_proj.weight, residual=x)
        cache.advance(1)
        tied = self.config.tie_word_embeddings
        head = model.embed_tokens if tied else model.lm_head
        return self.product(x, head.weight, norm=model.norm)[:, None]

    def row_product(
        self, x, weight, *, norm=None, is_gated=False, residual=None
    ):
        """A product of few rows, with what stands before and behind it."""
        num_outputs, num_inputs = weight.shape
        num_outputs //= 2 if is_gated else 1
        out = x.new_empty(len(x), num_outputs)
        block_k = triton.next_power_of_2(num_inputs)
        block_n = max(1, TILE // block_k // (2 if is_gated else 1))
        grid = triton.cdiv(num_outputs, block_n), len(x)
        product_kernel[grid](
            x,
            weight,
            out,
            weight if norm is None else norm.weight,
            weight if residual is None else residual,
            self.config.rms_norm_eps,
            num_outputs,
            K=num_inputs,
            HAS_NORM=norm is not None,
            IS_GATED=is_gated,
            HAS_RESIDUAL=residual is not None,
            BLOCK_N=block_n,
            BLOCK_K=block_k,
            num_warps=PRODUCT_WARPS,
            **self.launch,
        )
        return out

    def batch_product(
        self, x, weight, *, norm=None, is_gated=False, residual=None
    ):
        """As `row_product`, for rows that share the reading of a matrix."""
        if norm is not None:
            x = F.rms_norm(x, norm.weight.shape, norm.weight, norm.eps)
        out = F.linear(x, weight)
        if is_gated:
            gate, up = out.chunk(2, dim=-1)
            out = F.silu(gate) * up
        return out if residual is None else residual + out

    def attend(self, projected, attention, cache, layer):
        """Queries, keys and values side by side -> (batch, heads, ...)."""
        config = self.config
        out = projected.new_empty(
            len(projected), config.num_heads * config.head_dim
        )
        grid = len(projected), config.num_kv_heads, self.splits
        attention_kernel[grid](
            projected,
            cache.keys[layer],
            cache.values[layer],
            out,
            attention.q_norm.weight,
            attention.k_norm.weight,
            self.cos,
            self.sin,
            self.starts,
            cache.next_column,
            self.sums,
            self.stats,
            self.counters,
            config.rms_norm_eps,
            cache.max_tokens,
            HEADS=config.num_heads,
            KV_HEADS=config.num_kv_heads,
            DIM=config.head_dim,
            SPLITS=self.splits,
            BLOCK=BLOCK,
            TILE_ROWS=ROWS_OF_A_TILE,
            num_warps=ATTENTION_WARPS,
            **self.launch,
        )
        return out
