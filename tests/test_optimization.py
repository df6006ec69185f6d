"""AdamW on master weights against PyTorch's, and the learning rate."""

import copy
import math

import pytest
import torch
from tiny import tiny_model, weights_of

from reasoning_from_scratch.training.optimization import (
    MasterAdamW,
    join_halves,
    scheduled_learning_rate,
    split_halves,
)


def set_gradients(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        gradient = torch.randn(parameter.shape, generator=generator)
        parameter.grad = gradient.to(parameter.dtype)


@pytest.mark.parametrize(
    ("moments", "error"),
    [
        # float32: the same formula in another order of operations
        (torch.float32, 2e-6),
        # half-sized: at most a few percent of four updates of 0.01
        (torch.bfloat16, 5e-3),
    ],
)
def test_updates_equal_pytorchs_adamw(moments, error):
    model = tiny_model()
    oracle = copy.deepcopy(model)
    groups = [
        {
            "params": [p for p in oracle.parameters() if p.dim() == dim],
            "weight_decay": decay,
        }
        for dim, decay in ((2, 0.1), (1, 0.0))
    ]
    adamw = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-8)
    options = {"weight_decay": 0.1, "max_grad_norm": 1e9}
    optimizer = MasterAdamW(model, moment_dtype=moments, **options)
    for seed in range(4):
        set_gradients(model, seed)
        set_gradients(oracle, seed)
        optimizer.step(0.01)
        adamw.step()
    torch.testing.assert_close(
        weights_of(model), weights_of(oracle), atol=error, rtol=1e-5
    )


def test_the_norm_is_reported_and_a_large_gradient_scaled_down():
    # Adam divides by the gradient's size, so that clipping shows only in
    # the moments: after one update the mean is 0.1 of the clipped gradient.
    model = tiny_model()
    optimizer = MasterAdamW(model, max_grad_norm=1.0)
    set_gradients(model, 0)
    grads = torch.cat([p.grad.flatten() for p in model.parameters()])
    norm = optimizer.step(0.01)
    assert norm == pytest.approx(grads.norm().item(), rel=1e-5)
    means = torch.cat([mean.flatten() for mean in optimizer.means])
    assert means.norm().item() == pytest.approx(0.1, rel=1e-4)


def test_two_halves_hold_a_float32_number_whole():
    # Random bits are numbers of every size; half-way cases, as 1 + 2^-8,
    # round up in size, and their lower half is then the smallest, -2^15
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(-(2**31), 2**31, (2**16,), generator=generator)
    numbers = bits.int().view(torch.float32)
    numbers = numbers[numbers.isfinite()]
    numbers[:4] = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 0.0])
    weights = torch.empty_like(numbers, dtype=torch.bfloat16)
    lower = torch.empty_like(numbers, dtype=torch.int16)
    split_halves(numbers, weights, lower)
    assert torch.equal(join_halves(weights, lower), numbers)
    assert lower[0] == -(2**15)
    # The upper half is as near to the number as PyTorch's own rounding
    error, least = (
        (numbers.double() - rounded.double()).abs()
        for rounded in (weights, numbers.bfloat16())
    )
    assert torch.equal(error, least)


@pytest.mark.parametrize("rate", [0.01, 1e-6])  # the second is below rounding
def test_bfloat16_weights_are_updated_as_float32_ones_would_be(rate):
    # Given a bfloat16 model and its float32 copy with the same gradients
    model = tiny_model().bfloat16()
    copied = copy.deepcopy(model).float()
    # the norm of a bfloat16 gradient is rounded: no clipping
    optimizer, oracle = (
        MasterAdamW(each, max_grad_norm=1e9) for each in (model, copied)
    )
    for seed in range(3):
        set_gradients(model, seed)
        pairs = zip(model.parameters(), copied.parameters(), strict=True)
        for ours, theirs in pairs:
            theirs.grad = ours.grad.float()
        optimizer.step(rate)
        oracle.step(rate)
    masters = map(join_halves, optimizer.parameters, optimizer.lower_halves)
    assert all(map(torch.equal, masters, copied.parameters()))


def test_weights_that_cannot_be_trained_are_refused_or_stay():
    with pytest.raises(ValueError, match="--dtype float32"):
        MasterAdamW(tiny_model().half())
    with pytest.raises(ValueError, match="no weights that can be trained"):
        MasterAdamW(tiny_model().requires_grad_(False))
    model = tiny_model()
    model.embed_tokens.weight.requires_grad_(False)
    before = copy.deepcopy(model)
    optimizer = MasterAdamW(model)
    model.norm.weight.grad = torch.ones_like(model.norm.weight)
    optimizer.step(0.01)
    changed = [
        name
        for name, weight in model.named_parameters()
        if not torch.equal(weight, before.get_parameter(name))
    ]
    assert changed == ["norm.weight"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_saved_optimizer_goes_on_to_the_same_bits(dtype):
    model = tiny_model().to(dtype)
    optimizer = MasterAdamW(model)
    set_gradients(model, 0)
    optimizer.step(0.01)
    copied = copy.deepcopy(model)
    restored = MasterAdamW(copied)
    restored.load_state_dict(optimizer.state_dict())
    for one, other in ((model, optimizer), (copied, restored)):
        set_gradients(one, 1)
        other.step(0.01)
    assert torch.equal(weights_of(model), weights_of(copied))


def test_the_rate_warms_up_in_a_line_and_falls_as_a_cosine():
    # 4 warm-up updates: 1/4 … 4/4; then 8 along half a cosine:
    # 1, …, in the middle 1/2, …, at the end 0
    rates = [
        scheduled_learning_rate(s, peak=1.0, warmup_steps=4, total_steps=12)
        for s in range(13)
    ]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[8] == pytest.approx(0.5)
    assert rates[12] == pytest.approx(0.0)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    # Without an end it stays at its peak
    assert scheduled_learning_rate(999, peak=0.5, warmup_steps=2) == 0.5


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_dropped_and_counted(bad):
    # Given an optimizer with momentum
    model = tiny_model()
    optimizer = MasterAdamW(model, weight_decay=0.1)
    set_gradients(model, 0)
    optimizer.step(0.01)
    before = weights_of(model)
    means = [mean.clone() for mean in optimizer.means]
    # When one number of one gradient is bad
    set_gradients(model, 1)
    model.norm.weight.grad[3] = bad
    assert not math.isfinite(optimizer.step(0.01))
    # Then nothing moves, the gradients are gone, and it is counted
    assert torch.equal(weights_of(model), before)
    assert all(map(torch.equal, optimizer.means, means))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (optimizer.num_updates, optimizer.num_skipped) == (1, 1)
    # And the next good one is taken
    set_gradients(model, 2)
    assert optimizer.step(0.01) > 0
