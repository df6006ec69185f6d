"""The model: shapes, masks and laws; the oracle is in test_qwen3_oracle."""

import math

import pytest
import torch
from tiny import tiny_config, tiny_model
from torch.nn import functional as F

from reasoning_from_scratch.llm.config import QWEN3_CONFIGS, Qwen3Config
from reasoning_from_scratch.llm.qwen3 import (
    Linear,
    Qwen3Model,
    RMSNorm,
    apply_rope,
    attend,
    project,
    rope_tables,
)

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
PUBLISHED_PARAMETERS = {
    "0.6b": 596_049_920,
    "1.7b": 1_720_574_976,
    "4b": 4_022_468_096,
    "8b": 8_190_735_360,
    "14b": 14_768_307_200,
    "32b": 32_762_123_264,
}


@pytest.mark.parametrize("size", PUBLISHED_PARAMETERS)
def test_every_dense_size_has_its_published_number_of_parameters(size):
    config = QWEN3_CONFIGS[size]
    with torch.device("meta"):
        model = Qwen3Model(config)
    counted = sum(p.numel() for p in model.parameters())
    assert counted == config.num_parameters == PUBLISHED_PARAMETERS[size]


def test_a_config_survives_the_official_layout():
    config = tiny_config(tie_word_embeddings=False)
    assert Qwen3Config.from_hf(config.to_hf()) == config


def test_rope_theta_is_read_from_both_layouts():
    layout = tiny_config(rope_theta=5e6).to_hf()
    version_4 = {k: v for k, v in layout.items() if k != "rope_parameters"}
    version_5 = {k: v for k, v in layout.items() if k != "rope_theta"}
    assert Qwen3Config.from_hf(version_4).rope_theta == 5e6
    assert Qwen3Config.from_hf(version_5).rope_theta == 5e6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "model_type 'llama'"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "RoPE type 'yarn'"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_act": "gelu"}, "activation 'gelu'"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"num_key_value_heads": 3}, "must be a multiple"),
        ({"head_dim": 15}, "head_dim must be even"),
        ({"hidden_size": 0}, "hidden_size must be positive"),
    ],
)
def test_a_config_that_cannot_be_built_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Qwen3Config.from_hf({**tiny_config().to_hf(), **changes})


def test_an_incomplete_config_names_what_it_lacks():
    layout = tiny_config().to_hf()
    del layout["hidden_size"], layout["vocab_size"]
    with pytest.raises(ValueError, match="lacks vocab_size, hidden_size"):
        Qwen3Config.from_hf(layout)


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        Qwen3Config.from_hf(tmp_path)


def test_rms_norm_gives_root_mean_square_one():
    # Root mean square of (3, 4) is sqrt(12.5) = 3.5355
    norm = RMSNorm(2, eps=0.0)
    expected = torch.tensor([3.0, 4.0]) / math.sqrt(12.5)
    assert torch.allclose(norm(torch.tensor([3.0, 4.0])), expected)


def test_rope_turns_a_pair_by_its_angle():
    # One pair, frequency 1: position 2 turns (1, 0) by two radians
    cos, sin = rope_tables(torch.tensor([[2]]), 2)
    turned = apply_rope(torch.tensor([[[[1.0, 0.0]]]]), cos, sin).flatten()
    assert turned.tolist() == pytest.approx([math.cos(2), math.sin(2)])


def test_rope_products_depend_on_distance_alone():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 16, generator=generator)

    def product(position_q, position_k):
        turned = [
            apply_rope(x, *rope_tables(torch.tensor([[p]]), 16, 100.0))
            for x, p in ((query, position_q), (key, position_k))
        ]
        return (turned[0] * turned[1]).sum().item()

    assert product(7, 3) == pytest.approx(product(104, 100), abs=1e-4)


def test_grouped_attention_equals_an_explicit_softmax():
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 6, 5, 8, generator=generator)
    keys, values = torch.randn(2, 2, 2, 5, 8, generator=generator)
    wide_keys = keys.repeat_interleave(3, dim=1)
    scores = queries @ wide_keys.mT / math.sqrt(8)
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    weights = scores.masked_fill(future, -math.inf).softmax(-1)
    expected = weights @ values.repeat_interleave(3, dim=1)
    assert torch.allclose(attend(queries, keys, values), expected, atol=1e-6)
    last = attend(queries[:, :, -1:], keys, values)
    assert torch.allclose(last, expected[:, :, -1:], atol=1e-6)


def test_padding_on_the_left_changes_no_logit():
    model = tiny_model()
    token_ids = torch.randint(1, 256, (3, 7))
    padded = torch.cat([torch.zeros(3, 4, dtype=torch.long), token_ids], 1)
    key_mask = padded > 0
    with torch.inference_mode():
        expected = model(token_ids)
        logits = model(padded, key_mask=key_mask)
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits[:, 4:], expected, atol=1e-4)


def test_a_key_mask_of_the_wrong_width_is_refused():
    with pytest.raises(ValueError, match="key_mask has 3 columns"):
        tiny_model()(
            torch.ones(1, 5, dtype=torch.long),
            key_mask=torch.ones(1, 3, dtype=torch.bool),
        )


def test_packed_documents_do_not_see_each_other():
    model = tiny_model()
    first, second = torch.randint(1, 256, (2, 1, 6))
    packed = torch.cat([first, second], dim=1)
    document_ids = torch.tensor([[0] * 6 + [1] * 6])
    with torch.inference_mode():
        hidden = model.hidden_states(packed, document_ids=document_ids)
        expected = model.hidden_states(second)
    assert torch.allclose(hidden[:, 6:], expected, atol=1e-5)


def test_the_last_position_alone_has_the_same_logits():
    model = tiny_model()
    token_ids = torch.randint(1, 256, (2, 5))
    with torch.inference_mode():
        last = model(token_ids, last_only=True)
        assert torch.allclose(last, model(token_ids)[:, -1:], atol=1e-5)
    assert last.shape == (2, 1, 256)


def test_fresh_weights_depend_on_the_seed_alone():
    first, again, other = (
        Qwen3Model(tiny_config()).init_weights(seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first.embed_tokens.weight, again.embed_tokens.weight)
    assert not torch.equal(
        first.embed_tokens.weight, other.embed_tokens.weight
    )


# ---- Weight products: the single vector's short cut changes no number


def random_numbers(*shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 24), (24,), (3, 1, 24), (1, 3, 24)])
def test_a_product_equals_the_general_one_for_one_vector_and_many(
    shape, dtype
):
    x = random_numbers(*shape, dtype=dtype)
    weight = random_numbers(40, 24, dtype=dtype)
    product, expected = project(x, weight), F.linear(x, weight)
    assert product.shape == expected.shape == (*shape[:-1], 40)
    # Sums of 24 products near 5, in another order: a unit in the last place
    assert torch.allclose(product, expected, rtol=2**-7, atol=1e-5)


def test_only_a_single_bfloat16_vector_takes_the_short_cut(monkeypatch):
    taken = []
    product = torch.mv
    monkeypatch.setattr(
        torch, "mv", lambda *args: taken.append(1) or product(*args)
    )
    for dtype in DTYPES:
        layer = Linear(24, 40).to(dtype)
        for shape in ((1, 1, 24), (2, 1, 24)):
            layer(random_numbers(*shape, dtype=dtype))
    assert taken == [1]


def test_the_short_cut_has_the_general_products_gradients():
    gradients = []
    for product in (project, F.linear):
        x = random_numbers(1, 24, dtype=torch.bfloat16).requires_grad_()
        weight = random_numbers(40, 24, dtype=torch.bfloat16).requires_grad_()
        product(x, weight).float().sum().backward()
        gradients.append((x.grad, weight.grad))
    for ours, expected in zip(*gradients, strict=True):
        assert torch.allclose(ours, expected, rtol=2**-7, atol=1e-2)


def test_one_token_in_bfloat16_has_the_logits_of_its_row_in_a_batch():
    model = Qwen3Model(tiny_config()).init_weights(0).bfloat16().eval()
    token_ids = torch.tensor([[7], [9]])
    with torch.inference_mode():
        batch, single = model(token_ids), model(token_ids[:1])
    assert torch.allclose(single, batch[:1], rtol=2**-6, atol=1e-3)
