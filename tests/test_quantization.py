"""Weights of few bits: rounded as worked by hand, multiplied as restored."""

import pytest
import torch
from commands import open_run, rfs
from tiny import QWEN2, ByteTokenizer, random_ids, tiny_config, tiny_model

from reasoning_from_scratch import llm
from reasoning_from_scratch.device import missing_compiler
from reasoning_from_scratch.llm.quantization import (
    GROUP_SIZES,
    PRODUCTS,
    JoinedMatrices,
    PlainProduct,
    bytes_per_token,
    dequantize,
    fastest,
    pack_pairs,
    quantize,
    quantize_model,
    split_in_bytes,
    unpack_pairs,
)
from reasoning_from_scratch.training.optimization import MasterAdamW

NAMES = ("int8", "int4")
WIDE = {"intermediate_size": 64}  # whole groups of 32
DTYPES = (torch.float32, torch.bfloat16)


def random_matrix(outputs=48, inputs=64, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(outputs, inputs, generator=generator).to(dtype)


def rounded_model(name, **changes):
    return quantize_model(tiny_model(**{**WIDE, **changes}), name)


# ---- Rounding


def test_rounding_and_packing_by_hand():
    # 4 bits: whole numbers up to 7; the largest, 1.4, gives steps of 0.2,
    # and -0.5 / 0.2 = -2.5 goes to the even neighbour
    codes, scales = quantize(torch.tensor([[1.4, -0.5, 0.29, 0.0]]), 4)
    assert codes.tolist() == [[7, -2, 1, 0]]
    assert scales.tolist() == [[pytest.approx(0.2)]]
    expected = torch.tensor([[1.4, -0.4, 0.2, 0.0]])
    assert torch.allclose(dequantize(codes, scales), expected)
    weight = torch.tensor([[7.0, 3.0, 0.7, 0.3]])
    codes, scales = quantize(weight, 4, group_size=2)
    assert codes.tolist() == [[7, 3, 7, 3]]
    assert torch.allclose(scales, torch.tensor([[1.0, 0.1]]))
    codes, scales = quantize(torch.zeros(2, 4), 8)
    assert not dequantize(codes, scales).any()
    codes = torch.tensor([[-7, 7, 0, -1]], dtype=torch.int8)
    packed = pack_pairs(codes)
    # -7 + 8 = 1 and 7 + 8 = 15: 1 + 16 * 15 = 241; 8 + 16 * 7 = 120
    assert packed.tolist() == [[241, 120]]
    assert torch.equal(unpack_pairs(packed), codes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bits", [8, 4])
def test_no_number_is_off_by_more_than_half_a_scale(bits, dtype):
    weight = random_matrix(dtype=dtype)
    codes, scales = quantize(weight, bits, GROUP_SIZES[bits])
    restored = dequantize(codes.double(), scales.double())
    error = (
        (restored - weight.double()).abs().unflatten(1, (scales.shape[1], -1))
    )
    # A bfloat16 scale is off by up to 2^-9 itself, so a group's largest
    # number, 127 scales, may be off by 0.25 + a code that had to be cut
    slack = 0.0 if dtype == torch.float32 else 0.5
    assert (error <= (0.5 + slack + 1e-4) * scales.double()[..., None]).all()


# ---- Products


def test_a_vector_in_two_bytes_is_off_by_half_a_step():
    x = torch.cat([random_matrix(3), torch.zeros(1, 64)])
    x[0, 0] = 1000.0  # an outlier, as language models have them
    parts, steps = split_in_bytes(x)
    high, low = parts.double().chunk(2)
    error = (steps.double() * (128 * high + low) - x.double()).abs()
    assert parts.dtype == torch.int8 and parts.shape == (8, 64)
    assert (error <= 0.501 * steps).all()


# PyTorch packs 64 rows of a matrix together; many vectors restore it
@pytest.mark.parametrize(("rows", "outputs"), [(1, 48), (5, 128), (300, 128)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("bits", "kind"),
    [(bits, kind) for bits, kinds in PRODUCTS.items() for kind in kinds],
)
def test_a_fast_product_equals_the_plain_one(bits, kind, dtype, rows, outputs):
    weight, x = random_matrix(outputs).to(dtype), random_matrix(rows).to(dtype)
    rounded = quantize(weight, bits, GROUP_SIZES[bits])
    try:
        product = kind(*rounded)(x[None])
    except (RuntimeError, AttributeError) as error:
        pytest.skip(f"not in this PyTorch, on this processor: {error}")
    expected = PlainProduct(*rounded)(x[None])
    # As the last positions of a batch of prompts come: not side by side
    apart = torch.stack([x, x], dim=1)[:, -1:]
    assert torch.equal(kind(*rounded)(apart)[:, 0], product[0])
    assert product.dtype == dtype and product.shape == (1, rows, outputs)
    # Sums of 64 products near 8: float32 but for a vector in two bytes
    # (2^-15), bfloat16 keeps 8 bits
    atol = 2e-3 if dtype == torch.float32 else 0.1
    assert torch.allclose(product, expected, rtol=2**-6, atol=atol)


def test_a_product_that_is_wrong_absent_or_no_faster_is_left_out(monkeypatch):
    class Wrong(PlainProduct):
        def __call__(self, x):
            return 1.1 * super().__call__(x)

    class Absent:
        def __init__(self, codes, scales):
            torch.ops.onednn.no_such_product(codes, scales)

    monkeypatch.setitem(PRODUCTS, 8, (Wrong, Absent))
    monkeypatch.setattr(llm.quantization, "MEASURED_SHAPE", (64, 64))
    choose = llm.quantization.choose_product.__wrapped__
    assert choose(8, torch.float32, 1) is PlainProduct
    # The first product stays unless another is clearly faster
    clock = [0.0]
    monkeypatch.setattr(
        llm.quantization.time, "perf_counter", lambda: clock[0]
    )

    def lasting(seconds):
        return lambda: clock.__setitem__(0, clock[0] + seconds)

    assert fastest({"a": lasting(1.0), "b": lasting(0.95)}) == "a"
    assert fastest({"a": lasting(1.0), "b": lasting(0.5)}) == "b"


def test_layers_that_are_joined_answer_as_each_alone():
    layers = [torch.nn.Linear(32, n) for n in (16, 48)]
    joined = JoinedMatrices(layers, 8, PlainProduct)
    x = random_matrix(3, 32)
    for index, layer in enumerate(layers):
        alone = JoinedMatrices([layer], 8, PlainProduct).multiply(x, 0)
        assert torch.equal(joined.multiply(x, index), alone)
    assert joined.vector is joined.parts is None  # nothing is held on to


# ---- The model


@pytest.mark.parametrize("is_qwen2", [False, True])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_rounded_model_has_restored_matrices(name, tied, is_qwen2):
    family = QWEN2 if is_qwen2 else {}
    changes = {**WIDE, **family, "tie_word_embeddings": tied}
    plain, bits = tiny_model(**changes), {"int8": 8, "int4": 4}[name]
    rounded = rounded_model(name, **changes)
    token_ids = random_ids(2, 12)
    embedding = plain.embed_tokens.weight.detach().clone()
    with torch.no_grad():
        for matrix in plain.parameters():
            if matrix.dim() == 2:
                pair = quantize(matrix, bits, GROUP_SIZES[bits])
                matrix.copy_(dequantize(*pair))
        expected_head = plain.embed_tokens.weight.clone()
        plain.embed_tokens.weight.copy_(embedding)  # read as it was
        hidden = plain.hidden_states(token_ids)
        plain.embed_tokens.weight.copy_(expected_head)
        expected, logits = plain.lm_logits(hidden), rounded(token_ids)
    # Vectors in two bytes are off by 2^-15 of their largest number
    assert torch.allclose(logits, expected, rtol=1e-3, atol=2e-2)


@pytest.mark.parametrize("name", NAMES)
def test_cached_batched_and_single_agree_with_few_bits(name):
    model, token_ids = rounded_model(name), random_ids(3, 10)
    with torch.inference_mode():
        whole = model(token_ids)
        cache = llm.KVCache(model.config, 3, 10)
        model(token_ids[:, :6], cache)
        cached = model(token_ids[:, 6:], cache)
        single = model(token_ids[:1])
    assert torch.allclose(cached, whole[:, 6:], rtol=1e-3, atol=1e-2)
    assert torch.allclose(single, whole[:1], rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_a_device_without_packed_products_restores_the_matrices(name):
    with torch.device("meta"):  # stands for any device but the CPU
        model = quantize_model(llm.Qwen3Model(tiny_config(**WIDE)), name)
        logits = model(torch.zeros(2, 3, dtype=torch.long))
    assert type(model.lm_head.matrices.product) is PlainProduct
    assert logits.shape == (2, 3, 256)


def test_fewer_bits_are_fewer_bytes_or_refused(tmp_path):
    config = {"hidden_size": 64, "intermediate_size": 128}
    plain = bytes_per_token(tiny_model(**config).bfloat16())
    shares = [
        bytes_per_token(quantize_model(tiny_model(**config).bfloat16(), name))
        / plain
        for name in NAMES
    ]
    # 1 of 2 bytes and a scale per 64 or 128; 4 of 16 bits and up to two
    # 16-bit numbers per 32; norms, and bookkeeping of so small a model
    assert 0.5 < shares[0] < 0.65 and 0.25 < shares[1] < 0.4
    tokenizer = ByteTokenizer()
    with pytest.raises(ValueError, match="'int3'; expected int8 or int4"):
        llm.load_model("pocket", weights="int3")
    with pytest.raises(ValueError, match="48 wide; take int8"):
        rounded_model("int4", intermediate_size=48)
    model = rounded_model("int8")
    with pytest.raises(ValueError, match="save it as loaded without weights="):
        llm.save_model(model, tokenizer, tmp_path / "model")
    with pytest.raises(ValueError, match="load it without weights="):
        MasterAdamW(model)


@pytest.mark.skipif(missing_compiler() is not None, reason="no C++ compiler")
def test_the_compiled_step_with_8_bits_equals_the_eager_one(capsys):
    model, tokenizer = rounded_model("int8"), ByteTokenizer()
    eager, compiled = (
        llm.generate(model, tokenizer, ["ab"], max_new_tokens=6, compiled=each)
        for each in (False, True)
    )
    assert eager[0].token_ids == compiled[0].token_ids
    assert "uncompiled" not in capsys.readouterr().err


def test_an_evaluation_keeps_to_its_weights(model_folder, runs_folder, capsys):
    command = f"""evaluate --model {model_folder} --run eight --limit 2
        --problems pocketmath --device cpu --max-new-tokens 4"""
    assert rfs(f"{command} --weights int8") == 0
    assert open_run("eight").config["weights"] == "int8"
    assert rfs(f"{command} --resume") != 0
    assert "weights" in capsys.readouterr().err
