"""Chapter 5's versions of loss, log-probs and loop give the package's."""

import ast
import copy
from dataclasses import replace

import torch
from test_grpo import CONFIG, PROBLEMS
from test_notebooks import ROOT, code_cells
from test_rollouts import StoppingTokenizer
from tiny import tiny_model

from reasoning_from_scratch import training
from reasoning_from_scratch.llm import SamplingConfig, token_logprobs
from reasoning_from_scratch.training.loop import shuffled_indices
from reasoning_from_scratch.training.objective import token_weights
from reasoning_from_scratch.training.optimization import MasterAdamW
from reasoning_from_scratch.training.progress import rollout_metrics
from reasoning_from_scratch.training.update import update_policy


def notebook_functions():
    """Every function that the notebook defines, with what they call."""
    space = {
        "torch": torch,
        "MAX_LOG_RATIO": 20.0,
        "MasterAdamW": MasterAdamW,
        "SamplingConfig": SamplingConfig,
        "collect_rollouts": training.collect_rollouts,
        "group_advantages": training.group_advantages,
        "rollout_metrics": rollout_metrics,
        "shuffled_indices": shuffled_indices,
        "update_policy": update_policy,
        "token_weights": token_weights,
        "token_logprobs": token_logprobs,
    }
    for cell in code_cells(ROOT / "ch05" / "ch05_main.ipynb"):
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef) and node.name not in space:
                exec(ast.unparse(node), space)
    return space


def test_the_loss_by_hand_is_the_packages_on_any_batch():
    grpo_loss_v1 = notebook_functions()["grpo_loss_v1"]
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
    torch.testing.assert_close(grpo_loss_v1(logprobs, **options), packages)


def test_the_logprobs_by_hand_are_the_packages():
    token_logprobs_v1 = notebook_functions()["token_logprobs_v1"]
    token_ids = torch.arange(40).view(2, 20)
    torch.testing.assert_close(
        token_logprobs_v1(tiny_model(), token_ids),
        token_logprobs(tiny_model(), token_ids),
        atol=1e-5,  # float32 sums in another order
        rtol=1e-5,
    )


def test_the_loop_of_one_screen_gives_the_packages_bits():
    train_grpo_v1 = notebook_functions()["train_grpo_v1"]
    config = replace(
        CONFIG, steps=3, eval_every=0, track_kl=False, max_new_tokens=40
    )
    reward = {"reward": lambda text, problem: float(len(text) % 2)}
    start = tiny_model()
    ours, packages = copy.deepcopy(start), copy.deepcopy(start)
    space = train_grpo_v1.__globals__
    space["collect_rollouts"] = lambda *arguments, **options: (
        training.collect_rollouts(
            *arguments, reward=reward, require_end=False, **options
        )
    )
    train_grpo_v1(ours, StoppingTokenizer(), PROBLEMS, config)
    training.train_grpo(
        packages,
        StoppingTokenizer(),
        PROBLEMS,
        config,
        reward=reward,
        progress=False,
    )
    pairs = list(zip(ours.parameters(), packages.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(ours.norm.weight, start.norm.weight)
