"""Chapter 6's versions of loss, step and loop give the package's."""

import ast
import copy
import math

import torch
from test_notebooks import ROOT, code_cells
from tiny import tiny_model

from reasoning_from_scratch.training import (
    DistillationConfig,
    Example,
    distillation,
    sft_data,
    train_distillation,
)
from reasoning_from_scratch.training.distillation import hard_loss
from reasoning_from_scratch.training.distillation_loss import learned_hidden
from reasoning_from_scratch.training.optimization import MasterAdamW


def notebook_functions():
    """Every version that the notebook grows, with what they call."""
    space = {
        "math": math,
        "torch": torch,
        "MasterAdamW": MasterAdamW,
        "count_learned_tokens": sft_data.count_learned_tokens,
        "draw_batch": distillation.draw_batch,
        "micro_batches": sft_data.micro_batches,
        "planned_rate": distillation.planned_rate,
    }
    for cell in code_cells(ROOT / "ch06" / "ch06_main.ipynb"):
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef) and node.name[-3:] == "_v1":
                exec(ast.unparse(node), space)
    return space


def random_examples(count, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def ids(low, high):
        length = int(torch.randint(low, high, (), generator=generator))
        drawn = torch.randint(1, 256, (length,), generator=generator)
        return drawn.tolist()

    return [Example(ids(2, 9), [*ids(1, 12), 0]) for _ in range(count)]


def test_the_loss_by_hand_is_the_packages_on_any_batch():
    model, examples = tiny_model(), random_examples(7)
    batch = sft_data.make_batch(examples)
    num_tokens = sft_data.count_learned_tokens(examples)
    ours = notebook_functions()["hard_loss_v1"](
        model(batch.token_ids), batch.token_ids, batch.mask, num_tokens
    )
    packages = hard_loss(model, learned_hidden(model, batch), batch)
    torch.testing.assert_close(ours, packages / num_tokens)


def test_the_loss_by_hand_moves_no_logit_of_a_prompt_but_that_of_the_end():
    # prompt 1 2 3, completion 4 and the end: only columns 2 and 3 predict
    # what is learned, and column 3 predicts the end
    batch = sft_data.make_batch([Example([1, 2, 3], [4, 0])])
    logits = torch.randn(1, 5, 9, requires_grad=True)
    hard_loss_v1 = notebook_functions()["hard_loss_v1"]
    hard_loss_v1(logits, batch.token_ids, batch.mask, 2).backward()
    moved = logits.grad.abs().sum(dim=-1)[0] > 0
    assert moved.tolist() == [False, False, True, True, False]
    assert logits.grad[0, 3, 0] < 0  # a step against it raises the end


def test_the_loop_of_one_screen_gives_the_packages_weights():
    config = DistillationConfig(
        epochs=2, batch_size=4, micro_batch_tokens=40, warmup_steps=2
    )
    examples, start = random_examples(10), tiny_model()
    ours, packages = copy.deepcopy(start), copy.deepcopy(start)
    losses = notebook_functions()["train_distillation_v1"](
        ours, examples, config
    )
    rows = train_distillation(packages, None, examples, config, progress=False)
    expected = torch.tensor([row["loss"] for row in rows[1:]])
    torch.testing.assert_close(torch.tensor(losses), expected)
    for name, weight in packages.named_parameters():
        # The package projects learned positions alone: float32 sums in
        # another order, which Adam's division may enlarge
        torch.testing.assert_close(
            ours.get_parameter(name), weight, atol=2e-4, rtol=1e-4
        )
        assert not torch.equal(weight, start.get_parameter(name))
