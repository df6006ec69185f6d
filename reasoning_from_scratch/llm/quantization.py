"""Weights in fewer bits: whole numbers, and a scale for each group of them.

While one prompt decodes, a weight is read once for each token and used once;
in fewer bytes it is read sooner. The matrices of a loaded model, the output
projection among them, are rounded to 8 bits with a scale per row, or to 4
bits with a scale per 32 numbers. Norms, biases, the embedding's rows and the
cache stay as they are. Such a model answers; it is neither trained nor saved.

Sources: Dettmers et al. 2022 (LLM.int8(), rounding to a row's largest);
Dettmers and Zettlemoyer 2023 (4 bits in small groups).
"""

import functools
import time
from contextlib import suppress

import torch
from torch import nn
from torch.nn import functional as F

GROUP_SIZES = {8: None, 4: 32}  # numbers that share a scale; None: a row
FORMATS = {"int8": 8, "int4": 4}  # name -> bits
ROWS_AT_ONCE = 8192  # of a matrix, rounded together: bounds the memory
ABREAST = 64  # rows whose 4-bit numbers PyTorch packs side by side
# What products are measured on: larger than the near caches, where reading
# the matrix takes the time
MEASURED_SHAPE = 2**15, 1024
NUM_TIMINGS = 5
CLEARLY_FASTER = 1.15


# ---- Rounding ----


def quantize(weight, bits, group_size=None):
    """Round a matrix to whole numbers with one scale per group of a row.

    Args:
        weight: (outputs, inputs), any float dtype.
        group_size: a divisor of inputs; None makes each row one group.

    Returns:
        codes, int8 (outputs, inputs), from -(2^(bits-1) - 1) to as much, and
        scales, (outputs, groups) in weight's dtype. A group's largest number
        keeps its value; the others are off by up to half a scale.
    """
    largest = 2 ** (bits - 1) - 1
    groups = weight.float().unflatten(1, (-1, group_size or weight.shape[1]))
    scales = groups.abs().amax(dim=-1) / largest
    scales = scales.clamp(min=1e-20).to(weight.dtype)
    codes = (groups / scales.float()[..., None]).round()
    codes = codes.clamp(-largest, largest).to(torch.int8)
    return codes.flatten(1), scales


def dequantize(codes, scales):
    """The matrix that whole numbers and scales stand for, in scales' dtype."""
    groups = codes.to(scales.dtype).unflatten(1, (scales.shape[1], -1))
    return (groups * scales[..., None]).flatten(1)


def pack_pairs(codes):
    """Two 4-bit numbers in a byte, (outputs, inputs) -> half as many."""
    shifted = (codes + 8).to(torch.uint8)  # 1 to 15
    return shifted[:, 0::2] + 16 * shifted[:, 1::2]


def unpack_pairs(packed):
    """Undo `pack_pairs`."""
    pairs = torch.stack([packed & 15, packed >> 4], dim=-1)
    return pairs.flatten(1).to(torch.int8) - 8


# ---- Products with a rounded matrix ----


class PlainProduct:
    """Restore the matrix, then multiply: right on every device, and slow."""

    def __init__(self, codes, scales):
        self.is_packed = scales.shape[1] > 1  # groups: 4 bits
        self.codes = pack_pairs(codes) if self.is_packed else codes
        self.scales = scales

    def __call__(self, x):
        codes = unpack_pairs(self.codes) if self.is_packed else self.codes
        return F.linear(x, dequantize(codes, self.scales).to(x.dtype))


class PackedProduct8:
    """PyTorch's product of 8-bit weights, converted while they are read."""

    def __init__(self, codes, scales):
        self.codes, self.scales = codes, scales[:, 0].contiguous()

    def __call__(self, x):
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        product = torch._weight_int8pack_mm(rows, self.codes, self.scales)
        return product.view(*x.shape[:-1], -1)


class IntegerProduct8:
    """A product of whole numbers, exact; the vectors get two bytes each.

    Processors multiply bytes faster than they convert them. One byte would
    cost the vectors too much, two hold more than bfloat16 does.
    """

    def __init__(self, codes, scales):
        self.packed = torch.ops.onednn.qlinear_prepack(codes, None)
        self.scales = scales[:, 0].float()
        self.zeros = torch.zeros(len(codes), dtype=torch.long)

    def __call__(self, x):
        bytes_of_x, steps = split_in_bytes(x.reshape(-1, x.shape[-1]).float())
        sums = integer_product(
            bytes_of_x, self.packed, self.scales, self.zeros
        )
        high, low = sums.chunk(2)
        product = torch.add(low, high, alpha=128) * steps
        return product.to(x.dtype).view(*x.shape[:-1], -1)


# An operation of our own, for torch.compile does not look inside of one
@torch.library.custom_op("reasoning_from_scratch::integer", mutates_args=())
def integer_product(
    x: torch.Tensor,
    packed: torch.Tensor,
    scales: torch.Tensor,
    zeros: torch.Tensor,
) -> torch.Tensor:
    """Bytes (rows, inputs) times a packed matrix -> (rows, outputs)."""
    return torch.ops.onednn.qlinear_pointwise(
        x,
        *(1.0, 0, packed, scales, zeros, None, 1.0, 0),
        *(torch.float32, "none", [], ""),  # nothing is fused behind it
    )


@integer_product.register_fake
def _shape_of_product(x, packed, scales, zeros):
    return x.new_empty(len(x), len(scales), dtype=torch.float32)


def split_in_bytes(x):
    """Vectors as two bytes: x = steps * (128 * high + low), nearly.

    (rows, inputs) float32 -> int8 (2 * rows, inputs), the high bytes first,
    and steps (rows, 1). Off by up to half a step, the 32,512th part of the
    row's largest.
    """
    steps = x.abs().amax(dim=-1, keepdim=True).clamp_(min=1e-30) / (127 * 128)
    whole = x / steps
    high = (whole / 128).round_()
    low = whole.sub_(high, alpha=128).round_()
    return torch.cat([high, low]).to(torch.int8), steps


class PackedProduct4:
    """PyTorch's product of 4-bit weights with a scale per group.

    It converts the matrix anew for every few vectors; for many of them the
    matrix is restored once.
    """

    def __init__(self, codes, scales):
        self.group_size = codes.shape[1] // scales.shape[1]
        self.packed = torch._convert_weight_to_int4pack_for_cpu(
            codes.int() + 8, 1
        )
        zeros = torch.zeros_like(scales)
        both = torch.stack([scales, zeros], dim=-1)
        self.scales = both.transpose(0, 1).contiguous()
        # PyTorch's product in float32 is slow from the second vector on
        self.many = 256 if scales.itemsize == 2 else 2
        # Processors differ in the order of what is packed
        if len(codes) % ABREAST or not torch.equal(self.unpacked(), codes):
            self.many = float("inf")

    def unpacked(self):
        """The whole numbers, where 64 rows were packed side by side."""
        width = 2 * self.packed.shape[1]
        blocks = self.packed.view(-1, width, ABREAST // 2)
        pairs = torch.cat([blocks & 15, blocks >> 4], dim=-1)
        return pairs.mT.flatten(0, 1).to(torch.int8) - 8

    def __call__(self, x):
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        if len(rows) < self.many:
            product = torch._weight_int4pack_mm_for_cpu(
                rows, self.packed, self.group_size, self.scales
            )
        else:
            scales = self.scales[..., 0].T
            product = F.linear(rows, dequantize(self.unpacked(), scales))
        return product.view(*x.shape[:-1], -1)


# The first stays unless another is clearly faster; where none works, the
# plain one does
PRODUCTS = {8: (IntegerProduct8, PackedProduct8), 4: (PackedProduct4,)}


@functools.cache
def choose_product(bits, dtype, num_threads):
    """The fastest kind of product here that is right, by running each.

    What PyTorch's products need differs between processors and releases, so
    one that fails, or answers otherwise than the plain one, is left out.
    """
    num_rows, width = MEASURED_SHAPE
    weight = torch.linspace(-1, 1, num_rows * width).to(dtype)
    rounded = quantize(weight.view(num_rows, -1), bits, GROUP_SIZES[bits])
    x = torch.linspace(-1, 2, width).to(dtype)[None]
    expected = PlainProduct(*rounded)(x)
    right = {}
    for kind in PRODUCTS[bits]:
        with suppress(RuntimeError, AttributeError):
            product = kind(*rounded)
            error = (product(x) - expected).abs().amax()
            if error <= 0.02 * expected.abs().amax():
                right[kind] = product
    return fastest(right or {PlainProduct: PlainProduct(*rounded)}, x)


def fastest(candidates, *args):
    """The key of the fastest callable, by its best of a few timings.

    The first one stays unless another is clearly faster.
    """
    seconds = dict.fromkeys(candidates, float("inf"))
    for _ in range(NUM_TIMINGS):
        for key, function in candidates.items():
            started = time.perf_counter()
            function(*args)
            took = time.perf_counter() - started
            seconds[key] = min(took, seconds[key])
    first, best = next(iter(seconds)), min(seconds, key=seconds.get)
    return best if seconds[best] * CLEARLY_FASTER < seconds[first] else first


# ---- The model ----


class JoinedMatrices:
    """The rounded matrices of layers that multiply the same vector, as one.

    The first layer asked multiplies for all; the last one's answer ends it.
    """

    def __init__(self, layers, bits, kind):
        self.sizes = [len(layer.weight) for layer in layers]
        parts = [
            quantize(rows, bits, GROUP_SIZES[bits])
            for layer in layers
            for rows in layer.weight.detach().split(ROWS_AT_ONCE)
        ]
        rounded = [torch.cat(part) for part in zip(*parts, strict=True)]
        try:
            self.product = kind(*rounded)
        except RuntimeError:  # a shape that the fast one does not take
            self.product = PlainProduct(*rounded)
        biases = [getattr(layer, "bias", None) for layer in layers]
        self.bias = None if biases[0] is None else torch.cat(biases).detach()
        self.vector = self.parts = None

    def multiply(self, x, index):
        """The product with the matrix of layer `index`."""
        if x is not self.vector:
            product = self.product(x)
            if self.bias is not None:
                product = product + self.bias
            self.vector, self.parts = x, product.split(self.sizes, dim=-1)
        part = self.parts[index]
        if index + 1 == len(self.sizes):
            self.vector = self.parts = None
        return part


class QuantizedLinear(nn.Module):
    """A rounded matrix in the place of a `Linear`."""

    def __init__(self, matrices, index):
        super().__init__()
        self.matrices, self.index = matrices, index

    def forward(self, x):
        return self.matrices.multiply(x, self.index)


@torch.no_grad()
def quantize_model(model, name):
    """Round the matrices of a model in place; name, "int8" or "int4".

    Raises:
        ValueError: another name, or rows that do not divide into groups.
    """
    bits = check_format(name)
    _refuse_odd_widths(model.config, name)
    kind = PlainProduct
    if model.device.type == "cpu":
        kind = choose_product(bits, model.dtype, torch.get_num_threads())
    for layer in model.layers:
        for module, names in (
            (layer.self_attn, ("q_proj", "k_proj", "v_proj")),
            (layer.self_attn, ("o_proj",)),
            (layer.mlp, ("gate_proj", "up_proj")),
            (layer.mlp, ("down_proj",)),
        ):
            layers = [getattr(module, name) for name in names]
            matrices = JoinedMatrices(layers, bits, kind)
            for index, name in enumerate(names):
                setattr(module, name, QuantizedLinear(matrices, index))
    is_tied = model.config.tie_word_embeddings
    head = model.embed_tokens if is_tied else model.lm_head
    model.lm_head = QuantizedLinear(JoinedMatrices([head], bits, kind), 0)
    return model.requires_grad_(False)


def check_format(name):
    """The bits of a format of weights; ValueError for another name."""
    if name not in FORMATS:
        raise ValueError(
            f"unknown weights {name!r}; expected {' or '.join(FORMATS)}, or "
            "none for those of the file"
        )
    return FORMATS[name]


def _refuse_odd_widths(config, name):
    """Raise ValueError where a row does not divide into groups."""
    size = GROUP_SIZES[FORMATS[name]]
    query_size = config.num_heads * config.head_dim
    widths = {config.hidden_size, config.intermediate_size, query_size}
    odd = [str(width) for width in sorted(widths) if size and width % size]
    if odd:
        raise ValueError(
            f"{name} weights share a scale among {size} numbers, but this "
            f"model has matrices that are {' and '.join(odd)} wide; take int8"
        )


def bytes_per_token(model):
    """How many bytes of weights one decoding step of one row reads."""
    tensors = list(model.parameters())
    for module in model.modules():
        if isinstance(module, QuantizedLinear) and module.index == 0:
            tensors += vars(module.matrices.product).values()
    size = sum(t.nbytes for t in tensors if isinstance(t, torch.Tensor))
    if hasattr(model, "lm_head"):  # of the embedding one row is read
        size -= model.embed_tokens.weight.nbytes
    return size


def is_quantized(model):
    """Whether the matrices of a model are rounded ones."""
    return any(isinstance(part, QuantizedLinear) for part in model.modules())


@functools.cache
def measure_mv(num_threads):
    """Whether mv multiplies a bfloat16 vector faster than linear, here."""
    matrix = torch.ones(MEASURED_SHAPE).bfloat16()
    return fastest(
        {
            True: lambda x: torch.mv(matrix, x),
            False: lambda x: F.linear(x, matrix),
        },
        matrix[0],
    )
