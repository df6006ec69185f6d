"""Pre-training: packing, the optimizer, the schedule, resuming."""

import sys
from argparse import Namespace
from dataclasses import replace

import pytest
import torch
from pocket.pretrain import (
    IGNORE,
    MuonAndAdamW,
    pack,
    packed_loss,
    pretrain,
    step_size,
    training_batch,
)
from pocket.recipes import RECIPES
from pretrain import choose_config

from reasoning_from_scratch.llm import Qwen3Model, Qwen3Tokenizer
from reasoning_from_scratch.llm.weights import ASSETS
from reasoning_from_scratch.runs import RunFolder

POCKET = RECIPES["pocket"]
SHAPE = {"num_layers": 1, "num_heads": 2, "num_kv_heads": 1, "head_dim": 16}
SHAPE |= {"hidden_size": 32, "intermediate_size": 32}
SIZES = {"steps": 6, "num_rows": 2, "eval_every": 100, "checkpoint_every": 2}
SIZES |= {"prompts": (), "is_compiled": False}
TINY = replace(POCKET, model=replace(POCKET.model, **SHAPE), **SIZES)


@pytest.fixture(scope="module")
def tokenizer():
    return Qwen3Tokenizer(ASSETS / "pocket")


# ---- Packing ----


def test_documents_are_packed_whole_and_learned_as_if_alone():
    # Lengths 4 and 2 fill the row of 6; the third, of 3, fits nowhere
    documents = [([1], [2]), ([3, 4], [5, 6]), ([7], [8, 9])]
    token_ids, targets, document_ids = pack(documents, 1, 6)
    assert token_ids.tolist() == [[3, 4, 5, 6, 1, 2]]
    assert document_ids.tolist() == [[0, 0, 0, 0, 2, 2]]
    # At 4 the model predicts 5, at 5 it predicts 6, at 1 it predicts 2
    assert targets.tolist() == [[IGNORE, 5, 6, IGNORE, 2, IGNORE]]
    # Without a prompt it is predicted from its second token on
    _, targets, _ = pack([([], [1, 2, 3])], 1, 4)
    assert targets.tolist() == [[2, 3, IGNORE, IGNORE]]
    model = Qwen3Model(TINY.model).init_weights(0)
    documents = [([5, 6], [7, 8, 9]), ([10], [11, 12])]
    batches = [pack([document], 1, 8) for document in documents]
    counts = [int((targets != IGNORE).sum()) for _, targets, _ in batches]
    assert counts == [3, 2]
    first, second = (packed_loss(model, *batch) for batch in batches)
    together = packed_loss(model, *pack(documents, 1, 8))
    torch.testing.assert_close(together, (3 * first + 2 * second) / 5)


def test_a_batch_is_nearly_full_and_depends_on_seed_and_step(tokenizer):
    *_, document_ids = training_batch(POCKET, tokenizer, step=0)
    assert (document_ids >= 0).float().mean() > 0.9
    first, again, other_step, other_seed = (
        training_batch(replace(TINY, seed=seed), tokenizer, step)[0]
        for seed, step in ((0, 3), (0, 3), (0, 4), (1, 3))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other_step)
    assert not torch.equal(first, other_seed)


# ---- Muon and the schedule ----


def test_matrices_step_by_their_rate_whatever_the_size_of_the_gradient():
    updates = []
    for scale in (1.0, 1024.0):  # exact in bfloat16
        model = Qwen3Model(TINY.model).init_weights(0)
        before = model.layers[0].self_attn.q_proj.weight.detach().clone()
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        weight = model.layers[0].self_attn.q_proj.weight
        weight.grad = scale * torch.eye(*weight.shape)
        optimizer = MuonAndAdamW(model, TINY)
        optimizer.step(1.0)
        updates.append(weight.detach() - before)
    torch.testing.assert_close(updates[0], updates[1])
    # Singular values of the step end between about 0.7 and 1.2 by design
    values = torch.linalg.svdvals(updates[0]) / TINY.matrix_lr
    assert values.min() > 0.5 and values.max() < 1.3
    # All matrices of the blocks, and nothing else, learn by Muon
    for part, is_muon in zip(optimizer.parts, (True, False), strict=True):
        learned = set(map(id, part.param_groups[0]["params"]))
        assert learned == {
            id(parameter)
            for name, parameter in model.named_parameters()
            if (name.startswith("layers.") and "norm" not in name) == is_muon
        }


def test_the_recipe_sets_the_step_size_and_flags_lie_over_it():
    config = replace(POCKET, steps=100, warmup_steps=10, decay_share=0.5)
    assert step_size(config, 0) == pytest.approx(0.1)
    assert step_size(config, 9) == 1.0
    assert step_size(config, 50) == 1.0  # 50 steps left of the last 50
    assert step_size(config, 75) == pytest.approx(0.5)
    assert step_size(config, 99) == pytest.approx(0.02)
    flags = {"seed": 3, "steps": 10, "init_from": None}
    config = choose_config(Namespace(model_config="pocket", **flags))
    assert config == replace(POCKET, seed=3, steps=10)


# ---- Runs ----


def test_training_lowers_the_loss_and_goes_on(
    tokenizer, tmp_path, monkeypatch
):
    config = replace(TINY, steps=30, warmup_steps=2)
    first = RunFolder.create("first", {}, root=tmp_path)
    model = pretrain(config, first, tokenizer=tokenizer)
    losses = [row["loss"] for row in first.read("metrics.jsonl")]
    assert losses[-1] < losses[0] - 1.0
    # A step size of nothing leaves the weights as they were
    changes = {"steps": 1, "matrix_lr": 0.0, "other_lr": 0.0}
    changes |= {"prompts": ("direct", "step-by-step"), "max_new_tokens": 2}
    start = str(first.checkpoint_path(30))
    config = replace(TINY, init_from=start, **changes)
    second = RunFolder.create("second", {}, root=tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # nor a picture
    continued = pretrain(config, second, tokenizer=tokenizer)
    assert second.checkpoint_steps() == [1]
    assert not (second.path / "plot.png").exists()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, continued.state_dict()[name])
    # Validation is measured by prompt
    row = second.read("metrics.jsonl")[-1]
    assert row["direct_accuracy"] < 0.1
    assert row["step_by_step_tokens"] <= 2.0
