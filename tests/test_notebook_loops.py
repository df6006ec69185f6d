"""The versions of loops and losses that notebooks grow give the package's."""

import ast
import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from test_grpo import CONFIG, PROBLEMS
from test_notebooks import ROOT, code_cells, without_magics
from test_rollouts import StoppingTokenizer
from tiny import ByteTokenizer, tiny_model, weights_of

from reasoning_from_scratch import training
from reasoning_from_scratch.llm import generate, token_logprobs
from reasoning_from_scratch.settings import get_settings
from reasoning_from_scratch.training import distillation, sft_data
from reasoning_from_scratch.training.distillation_loss import learned_hidden

close = torch.testing.assert_close
# What the notebooks' functions read that a cell makes
MADE = {"direct": "", "settings": get_settings("pocket")}


def functions_of(chapter):
    """Every function that a chapter defines itself, by name."""
    space = dict(MADE)
    for cell in code_cells(ROOT / chapter / f"{chapter}_main.ipynb"):
        for node in ast.parse(without_magics(cell.source)).body:
            is_import = isinstance(node, ast.Import | ast.ImportFrom)
            if is_import or isinstance(node, ast.FunctionDef):
                exec(ast.unparse(node), space)
    return space


def test_the_loops_of_chapter_2_give_the_tokens_of_generate():
    loops = functions_of("ch02")
    model, tokenizer = tiny_model(), ByteTokenizer()
    for prompt in ("2+3", "a longer prompt", "x"):
        token_ids = tokenizer.encode(prompt)
        options = {"max_new_tokens": 20}
        (free,) = generate(model, tokenizer, [prompt], stop_ids=(), **options)
        stop_ids = free.token_ids[7:8]
        (output,) = generate(
            model, tokenizer, [prompt], stop_ids=stop_ids, **options
        )
        assert loops["generate_v1"](model, token_ids, 20) == free.token_ids
        for name in ("generate_v2", "generate_v3"):
            new = loops[name](model, token_ids, 20, stop_ids)
            assert new == output.token_ids


# Chapter 5


def test_loss_and_logprobs_by_hand_are_the_packages():
    generator = torch.Generator().manual_seed(0)
    logprobs = -torch.rand(6, 9, generator=generator).requires_grad_()
    lengths = torch.tensor([9, 1, 4, 7, 3, 9])
    options = {
        "old_logprobs": logprobs.detach()
        + 0.5 * torch.randn(6, 9, generator=generator),
        "advantages": torch.randn(6, generator=generator),
        "mask": torch.arange(9) < lengths[:, None],
        "config": training.LossConfig(reduction="sequence_mean"),
    }
    packages, metrics = training.grpo_loss(logprobs, **options)
    assert metrics["clip_share"] > 0.1
    space = functions_of("ch05")
    close(space["grpo_loss_v1"](logprobs, **options), packages)
    question = tiny_model(), torch.arange(40).view(2, 20)
    ours, packages = space["token_logprobs_v1"], token_logprobs
    # float32 sums in another order
    close(ours(*question), packages(*question), atol=1e-5, rtol=1e-5)


def test_the_grpo_loop_of_one_screen_gives_the_packages_bits():
    space = functions_of("ch05")
    config = replace(
        CONFIG, steps=3, eval_every=0, track_kl=False, max_new_tokens=40
    )
    reward = {"reward": lambda text, problem: float(len(text) % 2)}
    start = tiny_model()
    ours, packages = copy.deepcopy(start), copy.deepcopy(start)
    space["collect_rollouts"] = partial(
        training.collect_rollouts, reward=reward, require_end=False
    )
    arguments = StoppingTokenizer(), PROBLEMS, config
    space["train_grpo_v1"](ours, *arguments)
    training.train_grpo(packages, *arguments, reward=reward, progress=False)
    assert torch.equal(weights_of(ours), weights_of(packages))
    assert not torch.equal(ours.norm.weight, start.norm.weight)


# Chapter 6


def random_examples(count, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def ids(low, high):
        length = int(torch.randint(low, high, (), generator=generator))
        drawn = torch.randint(1, 256, (length,), generator=generator)
        return drawn.tolist()

    return [
        training.Example(ids(2, 9), [*ids(1, 12), 0]) for _ in range(count)
    ]


def test_the_loss_by_hand_is_hard_loss_and_moves_no_prompt():
    model, examples = tiny_model(), random_examples(7)
    batch = sft_data.make_batch(examples)
    num_tokens = sft_data.count_learned_tokens(examples)
    hard_loss_v1 = functions_of("ch06")["hard_loss_v1"]
    logits = model(batch.token_ids)
    ours = hard_loss_v1(logits, batch.token_ids, batch.mask, num_tokens)
    hidden = learned_hidden(model, batch)
    packages = distillation.hard_loss(model, hidden, batch)
    close(ours, packages / num_tokens)
    # prompt 1 2 3, completion 4 and the end: only columns 2 and 3 predict
    # what is learned, and column 3 predicts the end
    batch = sft_data.make_batch([training.Example([1, 2, 3], [4, 0])])
    logits = torch.randn(1, 5, 9, requires_grad=True)
    hard_loss_v1(logits, batch.token_ids, batch.mask, 2).backward()
    moved = logits.grad.abs().sum(dim=-1)[0] > 0
    assert moved.tolist() == [False, False, True, True, False]
    assert logits.grad[0, 3, 0] < 0  # a step against it raises the end


def test_the_distillation_loop_of_one_screen_gives_the_packages_weights():
    config = training.DistillationConfig(
        epochs=2, batch_size=4, micro_batch_tokens=40, warmup_steps=2
    )
    examples, start = random_examples(10), tiny_model()
    ours, packages = copy.deepcopy(start), copy.deepcopy(start)
    losses = functions_of("ch06")["train_distillation_v1"](
        ours, examples, config
    )
    rows = training.train_distillation(
        packages, None, examples, config, progress=False
    )
    assert losses == pytest.approx([row["loss"] for row in rows[1:]])
    # The package projects learned positions alone: float32 sums in another
    # order, which Adam's division may enlarge
    weights = map(weights_of, (ours, packages))
    close(*weights, atol=2e-4, rtol=1e-4)
    for name, weight in packages.named_parameters():
        assert not torch.equal(weight, start.get_parameter(name))
