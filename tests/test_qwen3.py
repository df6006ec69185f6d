"""The model: shapes, masks and laws; the oracle is in test_qwen3_oracle."""

import math
from unittest.mock import Mock

import pytest
import torch
from tiny import QWEN2, table, tiny_config, tiny_model, weights_of
from torch.nn import functional as F

from reasoning_from_scratch.llm import config as configs
from reasoning_from_scratch.llm.config import Qwen3Config
from reasoning_from_scratch.llm.qwen3 import (
    Qwen3Model,
    apply_rope,
    attend,
    project,
    rope_tables,
)

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
PUBLISHED_PARAMETERS = table("published_parameters")


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_every_dense_size_has_its_published_number_of_parameters(name):
    family, size = name.split()
    qwen3, qwen2 = configs.QWEN3_CONFIGS, configs.QWEN2_CONFIGS
    config = (qwen3 if family == "qwen3" else qwen2)[size]
    with torch.device("meta"):
        model = Qwen3Model(config)
    counted = sum(p.numel() for p in model.parameters())
    assert counted == config.num_parameters == PUBLISHED_PARAMETERS[name]


def test_layouts_of_several_versions_are_read(tmp_path):
    for family in ({}, QWEN2):
        config = tiny_config(tie_word_embeddings=False, **family)
        assert Qwen3Config.from_hf(config.to_hf()) == config
    layout = tiny_config(head_dim=8, **QWEN2).to_hf()  # 32 / 4 heads
    del layout["head_dim"]
    # What Qwen2 files are full of, and means nothing while it is off
    layout |= {"sliding_window": 4096, "max_window_layers": 21}
    layout |= {"use_mrope": False, "use_sliding_window": False}
    config = Qwen3Config.from_hf(layout)
    assert config.head_dim == 8 and config.qkv_bias
    layout = tiny_config(rope_theta=5e6).to_hf()
    for left_out in ("rope_parameters", "rope_theta"):  # versions 4 and 5
        kept = {k: v for k, v in layout.items() if k != left_out}
        assert Qwen3Config.from_hf(kept).rope_theta == 5e6
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        Qwen3Config.from_hf(tmp_path)
    with pytest.raises(ValueError, match="no published model has qkv_bias"):
        tiny_config(qkv_bias=True).to_hf()


@pytest.mark.parametrize(("changes", "message"), table("refused_configs"))
def test_a_config_that_cannot_be_built_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Qwen3Config.from_hf({**tiny_config().to_hf(), **changes})


def test_rope_and_grouped_attention_follow_their_formulas():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 16, generator=generator)

    def product(position_q, position_k):
        turned = [
            apply_rope(x, *rope_tables(torch.tensor([[p]]), 16, 100.0))
            for x, p in ((query, position_q), (key, position_k))
        ]
        return (turned[0] * turned[1]).sum().item()

    assert product(7, 3) == pytest.approx(product(104, 100), abs=1e-4)
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
    with torch.inference_mode():
        expected = model(token_ids)
        logits = model(padded, key_mask=padded > 0)
        last = model(token_ids, last_only=True)
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits[:, 4:], expected, atol=1e-4)
    assert torch.allclose(last, expected[:, -1:], atol=1e-5)
    with pytest.raises(ValueError, match="key_mask has 3 columns"):
        model(padded, key_mask=padded[:, :3] > 0)


def test_weights_depend_on_the_seed_and_documents_on_themselves():
    first, again, other = (
        weights_of(Qwen3Model(tiny_config()).init_weights(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    model = tiny_model()
    first, second = torch.randint(1, 256, (2, 1, 6))
    packed = torch.cat([first, second], dim=1)
    document_ids = torch.tensor([[0] * 6 + [1] * 6])
    with torch.inference_mode():
        hidden = model.hidden_states(packed, document_ids=document_ids)
        expected = model.hidden_states(second)
    assert torch.allclose(hidden[:, 6:], expected, atol=1e-5)


# ---- Weight products: the single vector's short cut changes no number ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 24), (24,), (3, 1, 24), (1, 3, 24)])
def test_a_product_and_its_gradients_are_exact(shape, dtype, monkeypatch):
    short_cuts = Mock(wraps=torch.mv)
    monkeypatch.setattr(torch, "mv", short_cuts)
    results = []
    for product in (project, F.linear):
        torch.manual_seed(0)
        x = torch.randn(shape).to(dtype).requires_grad_()
        weight = torch.randn(40, 24).to(dtype).requires_grad_()
        result = product(x, weight)
        result.float().sum().backward()
        results.append((result, x.grad, weight.grad))
    assert results[0][0].shape == (*shape[:-1], 40)
    # Sums of 24 products near 5, in another order: a unit in the last place
    for ours, expected in zip(*results, strict=True):
        assert torch.allclose(ours, expected, rtol=2**-7, atol=1e-2)
    is_single = dtype == torch.bfloat16 and math.prod(shape) == 24
    assert short_cuts.call_count == is_single


@pytest.mark.parametrize("family", [{}, QWEN2], ids=["qwen3", "qwen2"])
def test_one_token_in_bfloat16_has_the_logits_of_its_row_in_a_batch(family):
    model = Qwen3Model(tiny_config(**family)).init_weights(0).bfloat16().eval()
    if family:
        for layer in model.layers:
            torch.nn.init.normal_(layer.self_attn.q_proj.bias, std=0.1)
    token_ids = torch.tensor([[7], [9]])
    with torch.inference_mode():
        batch, single = model(token_ids), model(token_ids[:1])
    assert torch.allclose(single, batch[:1], rtol=2**-6, atol=1e-3)
