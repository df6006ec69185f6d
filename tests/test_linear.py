"""Weight products: the single vector's short cut changes no number."""

import pytest
import torch
from tiny import tiny_config
from torch.nn import functional as F

from reasoning_from_scratch.llm.qwen3 import Linear, Qwen3Model, project

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


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
