"""The gradient step: what it changes, and what must not change it."""

from dataclasses import replace

import pytest
import test_rollouts
import torch
from tiny import tiny_model, weights_of

from reasoning_from_scratch.training import GRPOConfig, LossConfig
from reasoning_from_scratch.training.optimization import MasterAdamW
from reasoning_from_scratch.training.update import (
    micro_batches,
    score_rows,
    training_rows,
    update_policy,
)

CONFIG = GRPOConfig(
    prompts_per_step=3, group_size=4, warmup_steps=0, learning_rate=1e-2
)


def rollouts_of(model, **changes):
    reward = {"long": lambda text, problem: float(len(text) > 2)}
    changes = {"reward": reward, "max_new_tokens": 8, **changes}
    return test_rollouts.rollouts_of(model=model, require_end=False, **changes)


def optimizer_of(model):
    return MasterAdamW(model, weight_decay=0.1, max_grad_norm=1.0)


class Recorder:
    """An optimizer that keeps the gradient and changes nothing."""

    num_updates = num_skipped = 0

    def __init__(self, model):
        self.parameters = list(model.parameters())

    def step(self, learning_rate):
        grads = [p.grad.flatten() for p in self.parameters]
        self.gradient = torch.cat(grads)
        for parameter in self.parameters:
            parameter.grad = None
        return 0.0


def gradient_of(model, rollouts, config=CONFIG, **changes):
    recorder = Recorder(model)
    config = replace(config, **changes)
    metrics = update_policy(model, recorder, rollouts, config)
    return recorder.gradient, metrics["loss"]


def test_without_a_signal_not_one_weight_moves():
    # Given an optimizer with momentum and weight decay under way
    model = tiny_model()
    optimizer = optimizer_of(model)
    update_policy(model, optimizer, rollouts_of(model), CONFIG)
    before = weights_of(model)
    # When every rollout earns the same
    flat = rollouts_of(model, reward=lambda text, problem: 0.3)
    metrics = update_policy(model, optimizer, flat, CONFIG)
    # Then
    assert torch.equal(weights_of(model), before)
    assert metrics["num_updates"] == 0 and metrics["loss"] == 0.0


@pytest.mark.parametrize(
    "loss",
    [
        LossConfig(),
        LossConfig(reduction="sequence_mean"),
        LossConfig(reduction="constant", constant_length=8),
    ],
)
def test_the_gradient_does_not_depend_on_pieces_order_or_checkpoints(loss):
    model = tiny_model()
    forward = model.layers[0].forward.__func__
    rollouts = rollouts_of(model)
    config = replace(CONFIG, loss=loss)
    whole, value = gradient_of(model, rollouts, config, micro_batch_size=12)
    assert whole.any()
    for batch, changes in (
        (rollouts, {"micro_batch_size": 5}),
        (rollouts, {"micro_batch_size": 1}),
        (rollouts, {"activation_checkpointing": True}),
        (rollouts.select_prompts([2, 0, 1]), {}),
    ):
        gradient, loss_value = gradient_of(model, batch, config, **changes)
        # float32 sums in another order
        torch.testing.assert_close(gradient, whole, atol=1e-5, rtol=1e-4)
        assert loss_value == pytest.approx(value, abs=1e-6)
    assert model.layers[0].forward.__func__ is forward


def test_stale_rollouts_and_other_samplers_are_noticed():
    model = tiny_model()
    config = replace(CONFIG, epochs=3, minibatches=3, learning_rate=2e-2)
    metrics = update_policy(
        model, optimizer_of(model), rollouts_of(model), config
    )
    assert metrics["num_updates"] > 3
    assert metrics["clip_share"] > 0.0
    assert metrics["ratio"] != pytest.approx(1.0, abs=1e-4)
    model = tiny_model()
    rollouts = rollouts_of(model)
    shifted = rollouts.sampler_logprobs - 0.1 * rollouts.mask
    rollouts = replace(rollouts, sampler_logprobs=shifted)
    metrics = update_policy(model, optimizer_of(model), rollouts, CONFIG)
    # log pi_old - log pi_sampler is 0.1 on every token
    assert metrics["mismatch"] == pytest.approx(0.1, abs=1e-4)
    assert metrics["mismatch_max"] == pytest.approx(0.1, abs=1e-4)


def test_a_reference_holds_the_policy_back():
    start = tiny_model()
    drifts = []
    for kl_coef in (0.0, 10.0):
        model = tiny_model()
        optimizer = optimizer_of(model)
        loss = LossConfig(kl_coef=kl_coef, kl_estimator="k2")
        config = replace(CONFIG, loss=loss, learning_rate=3e-3)
        for step in range(6):
            rollouts = rollouts_of(model, seed=step)
            update_policy(model, optimizer, rollouts, config, reference=start)
        rows = rollouts_of(start, seed=99).row_tensors
        gap = score_rows(start, rows, config) - score_rows(model, rows, config)
        drifts.append(gap[rows["mask"]].mean().item())
    assert drifts[1] < 0.5 * drifts[0]


def test_micro_batches_are_sorted_and_cut_to_their_longest():
    rows = training_rows(tiny_model(), rollouts_of(tiny_model()), CONFIG)
    rows["row"] = torch.arange(12)
    batches = list(micro_batches(rows, 5))
    seen = torch.cat([micro["row"] for micro in batches])
    assert sorted(seen.tolist()) == list(range(12))
    lengths = rows["key_mask"].sum(dim=1)[seen]
    assert lengths.tolist() == sorted(lengths.tolist(), reverse=True)
    sizes = [len(micro["row"]) for micro in batches]
    longest = [part.max() for part in lengths.split(sizes)]
    assert [micro["token_ids"].shape[1] for micro in batches] == longest
    assert max(sizes) <= 5
