"""Triton kernels of a decoding step: a product of vectors, and attention.

`fused_step` calls them; they know shapes and addresses, no model. Numbers are
rounded where `Qwen3Model` rounds them; norms, softmax and sums are float32.
With EARLY (Hopper and later) a kernel starts while the one before it runs,
and waits for it where it first reads what a kernel of the same step wrote.

Source: Dao et al. 2023, "Flash-Decoding for long-context inference" (splits).
"""

from __future__ import annotations

try:
    import triton
    import triton.language as tl
except ImportError:  # a build of PyTorch without it: Windows, macOS, CPU
    triton = None


def _jit(function):
    return function if triton is None else triton.jit(function)


@_jit
def let_the_next_come(EARLY: tl.constexpr):
    """Let the next kernel start once all programs of this one have."""
    if EARLY:
        tl.extra.cuda.gdc_launch_dependents()


@_jit
def wait_for_the_last(EARLY: tl.constexpr):
    """Wait until all that the kernel before this one wrote is there."""
    if EARLY:
        tl.extra.cuda.gdc_wait()


@_jit
def product_kernel(
    x,
    weight,
    out,
    norm,
    residual,
    eps,
    N,
    K: tl.constexpr,
    HAS_NORM: tl.constexpr,
    IS_GATED: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    EARLY: tl.constexpr,
):
    """Multiply row program_id(1) of x with BLOCK_N rows of a matrix."""
    dtype = out.dtype.element_ty
    row = tl.program_id(1)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    let_the_next_come(EARLY)
    at = weight + n[:, None] * K + k[None, :]
    inside = (n < N)[:, None] & (k < K)[None, :]
    matrix = tl.load(at, mask=inside, other=0.0)
    if IS_GATED:  # `weight` is the gate's matrix, then the other factor's
        other = tl.load(at + N * K, mask=inside, other=0.0)
    wait_for_the_last(EARLY)  # the weights travel meanwhile
    vector = tl.load(x + row * K + k, mask=k < K, other=0.0).to(tl.float32)
    if HAS_NORM:
        mean_square = tl.sum(vector * vector) / K
        vector = (vector * tl.rsqrt(mean_square + eps)).to(dtype)
        vector = vector * tl.load(norm + k, mask=k < K, other=0.0)
        vector = vector.to(tl.float32)
    result = tl.sum(matrix.to(tl.float32) * vector[None, :], axis=1).to(dtype)
    if IS_GATED:
        factor = tl.sum(other.to(tl.float32) * vector[None, :], axis=1)
        gate = result.to(tl.float32)
        result = (gate * tl.sigmoid(gate)).to(dtype) * factor.to(dtype)
    if HAS_RESIDUAL:
        result += tl.load(residual + row * N + n, mask=n < N, other=0.0)
    tl.store(out + row * N + n, result, mask=n < N)


@_jit
def attention_kernel(
    projected,
    keys,
    values,
    out,
    q_norm,
    k_norm,
    cos,
    sin,
    starts,
    next_column,
    sums,
    stats,
    counters,
    eps,
    max_tokens,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    DIM: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE_ROWS: tl.constexpr,
    EARLY: tl.constexpr,
):
    """Attention of one row's group of heads over a share of its columns.

    The first split also has the new token, whose key and value it stores;
    the last program of a group to finish adds up what all of them found.
    """
    row, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    GROUP: tl.constexpr = HEADS // KV_HEADS
    half, dim = tl.arange(0, DIM // 2), tl.arange(0, DIM)
    member = tl.arange(0, TILE_ROWS)
    mask = (member < GROUP)[:, None]  # queries past the group are zeros
    let_the_next_come(EARLY)
    column = tl.load(next_column).to(tl.int32)
    start = tl.load(starts + row).to(tl.int32)
    angle = (column - start) * DIM + half
    angles = tl.load(cos + angle)[None, :], tl.load(sin + angle)[None, :]
    wait_for_the_last(EARLY)

    # Stage 1: the new token's queries, key and value
    at = projected + row * (HEADS + 2 * KV_HEADS) * DIM
    query = at + (head * GROUP + member[:, None]) * DIM + half[None, :]
    query = turned_unit(query, mask, q_norm, angles, eps, DIM)
    at += (HEADS + head) * DIM
    key = at + half[None, :]
    key = turned_unit(key, half[None, :] >= 0, k_norm, angles, eps, DIM)
    value = tl.load(at + KV_HEADS * DIM + dim)
    buffer = (row * KV_HEADS + head).to(tl.int64) * max_tokens * DIM
    keys, values = keys + buffer, values + buffer
    if split == 0:
        store_token(keys + column * DIM, values + column * DIM, key, value)

    # Stage 2: a softmax over the split's columns
    softmax = softmax_of_one(query, key, value, split == 0, DIM)
    share = tl.cdiv(tl.cdiv(column - start, SPLITS), BLOCK) * BLOCK
    low = start + split * share
    high = tl.minimum(low + share, column)
    softmax = add_columns(softmax, query, keys, values, low, high, DIM, BLOCK)

    # Stage 3: the splits of a group together
    if SPLITS > 1:
        group = row * KV_HEADS + head
        place = group * SPLITS * TILE_ROWS + member
        store_split(softmax, stats, sums, place + split * TILE_ROWS, mask, DIM)
        if tl.atomic_add(counters + group, 1, sem="acq_rel") < SPLITS - 1:
            return
        tl.store(counters + group, 0)
        softmax = add_splits(stats, sums, place, mask, DIM, SPLITS)
    at = out + (row * HEADS + head * GROUP + member[:, None]) * DIM
    context = softmax[2] / softmax[1][:, None]
    tl.store(at + dim[None, :], context.to(value.dtype), mask=mask)


@_jit
def turned_unit(at, mask, norm, angles, eps, DIM: tl.constexpr):
    """QK-norm and rotary position of the vectors at `at`, as two halves."""
    dtype = at.dtype.element_ty
    HALF: tl.constexpr = DIM // 2
    half = tl.arange(0, HALF)
    first = tl.load(at, mask=mask, other=0.0).to(tl.float32)
    second = tl.load(at + HALF, mask=mask, other=0.0).to(tl.float32)
    squares = tl.sum(first * first + second * second, axis=1)
    scale = tl.rsqrt(squares / DIM + eps)[:, None]
    first = (first * scale).to(dtype) * tl.load(norm + half)[None, :]
    second = (second * scale).to(dtype) * tl.load(norm + HALF + half)[None, :]
    cos, sin = angles
    return first * cos - second * sin, second * cos + first * sin


@_jit
def store_token(keys, values, key, value):
    """Put the new token's key, in two halves, and value into the cache."""
    half: tl.constexpr = key[0].shape[1]
    at = keys + tl.arange(0, half)[None, :]
    tl.store(at, key[0])
    tl.store(at + half, key[1])
    tl.store(values + tl.arange(0, 2 * half), value)


@_jit
def softmax_of_one(query, key, value, counts, DIM: tl.constexpr):
    """A softmax over one column, or over none yet where it does not count.

    It is held as the largest score, the sum of the weights and the weighted
    sum of the values, a row of each for every query.
    """
    score = query[0].to(tl.float32) * key[0].to(tl.float32)
    score += query[1].to(tl.float32) * key[1].to(tl.float32)
    score = tl.sum(score, axis=1) / DIM**0.5
    largest = tl.where(counts, score, float("-inf"))
    total = tl.where(counts, 1.0, tl.zeros_like(score))
    return largest, total, total[:, None] * value.to(tl.float32)[None, :]


@_jit
def add_columns(
    softmax, query, keys, values, low, high, DIM: tl.constexpr, BLOCK
):
    """Go on with a softmax over the columns from low to high."""
    largest, total, context = softmax
    half, dim = tl.arange(0, DIM // 2), tl.arange(0, DIM)
    for block in range(low, high, BLOCK):
        columns = block + tl.arange(0, BLOCK)
        inside = columns < high
        at = keys + columns[None, :] * DIM + half[:, None]  # (DIM / 2, BLOCK)
        key_1 = tl.load(at, mask=inside[None, :], other=0.0)
        key_2 = tl.load(at + DIM // 2, mask=inside[None, :], other=0.0)
        at = values + columns[:, None] * DIM + dim[None, :]
        value = tl.load(at, mask=inside[:, None], other=0.0)
        scores = tl.dot(query[0], key_1, input_precision="ieee")
        scores += tl.dot(query[1], key_2, input_precision="ieee")
        scores = tl.where(inside[None, :], scores / DIM**0.5, float("-inf"))
        larger = tl.maximum(largest, tl.max(scores, axis=1))
        weights = tl.exp(scores - larger[:, None])
        fade = tl.exp(largest - larger)
        total = total * fade + tl.sum(weights, axis=1)
        part = tl.dot(weights.to(value.dtype), value, input_precision="ieee")
        context = context * fade[:, None] + part
        largest = larger
    return largest, total, context


@_jit
def store_split(softmax, stats, sums, place, mask, DIM: tl.constexpr):
    """Leave a split's part of the softmax for the group's last program."""
    tl.store(stats + 2 * place, softmax[0])
    tl.store(stats + 2 * place + 1, softmax[1])
    at = sums + place[:, None] * DIM + tl.arange(0, DIM)[None, :]
    tl.store(at, softmax[2], mask=mask)
    tl.debug_barrier()  # all of it is written before it is counted


@_jit
def add_splits(
    stats, sums, place, mask, DIM: tl.constexpr, SPLITS: tl.constexpr
):
    """The softmax over all columns, from the parts of all splits."""
    rows: tl.constexpr = place.shape[0]
    largest = tl.full([rows], float("-inf"), tl.float32)
    total = tl.zeros([rows], tl.float32)
    context = tl.zeros([rows, DIM], tl.float32)
    for _ in tl.static_range(SPLITS):
        found = tl.load(stats + 2 * place)
        larger = tl.maximum(largest, found)
        fade, weight = tl.exp(largest - larger), tl.exp(found - larger)
        total = total * fade + weight * tl.load(stats + 2 * place + 1)
        at = sums + place[:, None] * DIM + tl.arange(0, DIM)[None, :]
        part = tl.load(at, mask=mask, other=0.0)
        context = context * fade[:, None] + part * weight[:, None]
        largest = larger
        place += rows
    return largest, total, context
