"""How much memory GRPO training takes, and how it scales.

    python tools/benchmarks/training_memory.py --steps 2000
    python tools/benchmarks/training_memory.py --case qwen3     # a GPU's case

`rollouts`: peak of an update from 8 and from 32 rollouts at one micro-batch.
`steps`: growth over many steps of a micro model. At Qwen3-0.6B's shape with
random bfloat16 weights, cases for a GPU: `qwen3`, peak of scoring and update
and rollouts a second; `sft`, peak of a supervised update on one example of
2,048 tokens; `variants`, seconds and peak of a step of every GRPO variant;
`preset`, predicted and measured peak of 8 rollouts of 1,024 tokens with what
`rfs grpo --memory 8` chooses, sampling included.
Prints a card for people and ends with one line of JSON. Peaks are in GB,
10^9 bytes, but for `rollouts`.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
from dataclasses import replace

import torch
from generation import NumberTokenizer, random_qwen3
from training import show

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import QWEN3_CONFIGS, Qwen3Config, Qwen3Model
from reasoning_from_scratch.memory import MEMORY_SETTINGS, fit_training
from reasoning_from_scratch.training import (
    GRPO_VARIANTS,
    DistillationConfig,
    accuracy_reward,
    train_grpo,
    variant_config,
)
from reasoning_from_scratch.training import distillation as sft
from reasoning_from_scratch.training.grpo import peak_memory_gib
from reasoning_from_scratch.training.optimization import MasterAdamW
from reasoning_from_scratch.training.rewards import RewardSet
from reasoning_from_scratch.training.rollouts import RolloutBatch
from reasoning_from_scratch.training.sft_data import Example
from reasoning_from_scratch.training.update import update_policy

PARTS = "generation_seconds", "scoring_seconds", "update_seconds"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cases = {
        "rollouts": rollouts_case,
        "steps": steps_case,
        "qwen3": qwen3_case,
        "sft": sft_case,
        "variants": variants_case,
        "preset": preset_case,
        "peak": peak_case,
    }
    parser.add_argument("--case", choices=cases)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rollouts", type=int, default=8)
    args = parser.parse_args()
    names = [args.case] if args.case else ["rollouts", "steps"]
    card = {"device": DEVICE, "torch": torch.__version__}
    for name in names:
        card |= cases[name](args)
    show(card)


def rollouts_case(args):
    """Peak of an update by rollouts, each in a process of its own.

    glibc is told to hand freed blocks back at once, so that the peak counts
    what was in use and not the holes between.
    """
    card = {}
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    for rollouts in (8, 32):
        command = [sys.executable, __file__, "--case", "peak"]
        result = subprocess.run(
            [*command, "--rollouts", str(rollouts)],
            capture_output=True,
            encoding="utf-8",
            check=True,
            env=environment,
        )
        peak = json.loads(result.stdout.splitlines()[-1])["peak, GiB"]
        card[f"peak of {rollouts} rollouts, GiB"] = peak
    few, many = card.values()
    card["growth from 8 to 32 rollouts, %"] = round(100 * (many / few - 1), 2)
    return card


def peak_case(args):
    """Peak of scoring and updating so many rollouts of 128 tokens.

    Micro-batches of 4: with a single one, 8 rollouts would never hold
    gradients and activations together.
    """
    model = small_model(
        20_000, 256, 768, num_layers=4, num_heads=4, head_dim=64
    )
    update_twice(model, args.rollouts, num_tokens=128, micro_batch_size=4)
    return {"peak, GiB": round(peak_memory_gib(), 3)}


def small_model(
    vocab_size, hidden_size, intermediate_size, *, num_heads, **sizes
):
    """A random model with a head of keys for every two of queries."""
    config = Qwen3Config(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_heads=num_heads,
        num_kv_heads=num_heads // 2,
        **sizes,
    )
    return Qwen3Model(config).init_weights(0)


def steps_case(args):
    """Resident memory after a tenth of the steps and after all."""
    import psutil

    process, seen = psutil.Process(), []
    model = small_model(1000, 16, 32, num_layers=1, num_heads=2, head_dim=8)

    def reward(text, problem):
        seen.append(process.memory_info().rss)
        return float(sum(map(ord, text)) % 2)

    train_grpo(
        model,
        NumberTokenizer(),
        [Problem(f"{n}?", "1", id=f"p{n}") for n in range(64)],
        variant_config(
            "grpo",
            steps=args.steps,
            prompts_per_step=2,
            group_size=4,
            max_new_tokens=8,
            prompt="{problem}",
            require_end=False,
            eval_every=0,
        ),
        reward=reward,
    )
    start, end = seen[len(seen) // 10], seen[-1]
    return {
        "steps": args.steps,
        "growth after a tenth of the steps, %": round(
            100 * (end / start - 1), 2
        ),
    }


def qwen3_case(args):
    """Memory of an update, and rollouts a second end to end."""
    card = {}
    for moments in (torch.float32, torch.bfloat16):
        model, _ = random_qwen3(DEVICE)
        forget_peak()
        update_twice(
            model,
            8,
            num_tokens=1024,
            micro_batch_size=1,
            activation_checkpointing=True,
            moment_dtype=moments,
        )
        name = str(moments).removeprefix("torch.")
        card[f"update peak with {name} moments, GB"] = peak_gb()
        del model
    rows = train_variant(
        "grpo",
        steps=3,
        prompts_per_step=8,
        max_new_tokens=512,
        micro_batch_size=16,
    )
    parts = {part: rows[-1][part] for part in PARTS}
    rate = 64 / sum(parts.values())
    return card | parts | {"rollouts a second": rate}


def preset_case(args):
    """Peak of a whole step of 8 rollouts of 1,024 tokens in 8 GB."""
    sizes = {"prompts_per_step": 1, "max_new_tokens": 1024}
    config = variant_config("grpo", group_size=8, eval_problems=8, **sizes)
    fitted, predicted = fit_training(
        QWEN3_CONFIGS["0.6b"], config, 8, prompt_tokens=64
    )
    names = (*MEMORY_SETTINGS, "moments")
    chosen = {n: getattr(fitted, n) for n in names if hasattr(fitted, n)}
    forget_peak()
    train_variant("grpo", steps=2, **sizes, **chosen)
    peaks = {"predicted, GB": round(predicted / 1e9, 2), "peak, GB": peak_gb()}
    return chosen | peaks


def sft_case(args):
    """Peak of supervised updates on one example of 2,048 tokens."""
    card = {}
    for moments in (torch.float32, torch.bfloat16):
        model, _ = random_qwen3(DEVICE)
        forget_peak()
        config = DistillationConfig(activation_checkpointing=True)
        optimizer = MasterAdamW(model, moment_dtype=moments)
        for _ in range(2):
            sft.learn_examples(
                model,
                optimizer,
                [Example([7] * 64, [9] * 1984)],
                sft.hard_loss,
                config,
                1e-5,
            )
        name = str(moments).removeprefix("torch.")
        card[f"SFT peak with {name} moments, GB"] = peak_gb()
        del model, optimizer
    return card


def variants_case(args):
    """Seconds and peak of a step of every variant, 32 rollouts of 256."""
    sizes = {
        "prompts_per_step": 4,
        "max_new_tokens": 256,
        "micro_batch_size": 8,
        "activation_checkpointing": True,
    }
    train_variant("grpo", steps=1, **sizes)  # the first step warms up
    card = {}
    for name in GRPO_VARIANTS:
        forget_peak()
        (row,) = train_variant(name, steps=1, **sizes)
        seconds = {part: round(row[part], 2) for part in PARTS}
        card[name] = seconds | {"peak, GB": peak_gb()}
    return card


def train_variant(name, **sizes):
    """Steps of one variant on made-up problems; the rows of its metrics."""
    model, tokenizer = random_qwen3(DEVICE)
    config = variant_config(
        name,
        group_size=8,
        learning_rate=1e-6,
        prompt="{problem}",
        require_end=False,
        eval_every=0,
        track_kl=False,
        **sizes,
    )

    def is_odd(text, problem):
        return float(sum(map(ord, text)) % 2)

    return train_grpo(
        model,
        tokenizer,
        [Problem("x" * (40 + n), "1", id=str(n)) for n in range(32)],
        config,
        reward={"odd": is_odd, "short": lambda text, problem: 0.0},
    )


def forget_peak():
    """Let the next peak be that of what comes now."""
    if DEVICE == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gb():
    """Most memory held since `forget_peak`, in GB."""
    return round(peak_memory_gib() * 2**30 / 1e9, 2)


def update_twice(
    model, rollouts, *, num_tokens, moment_dtype=torch.float32, **changes
):
    """Two optimizer steps on random rollouts of 64 prompt tokens more."""
    config = replace(variant_config("grpo"), prompts_per_step=1, **changes)
    optimizer = MasterAdamW(model, moment_dtype=moment_dtype)
    shape = rollouts, 64 + num_tokens
    mask = torch.zeros(shape, dtype=torch.bool, device=model.device)
    mask[:, 64:] = True
    rewards = torch.arange(rollouts)[None] % 2.0
    batch = RolloutBatch(
        token_ids=torch.randint(1000, shape, device=model.device),
        key_mask=torch.ones_like(mask),
        mask=mask[:, 1:],
        sampler_logprobs=torch.zeros(shape, device=model.device)[:, 1:],
        rewards=rewards,
        reward_parts=rewards[..., None],
        truncated=torch.zeros(rollouts, dtype=torch.bool),
        texts=[""] * rollouts,
        problems=[None],
        reward_set=RewardSet.of(accuracy_reward),
        num_reward_failures=0,
    )
    for _ in range(2):
        update_policy(model, optimizer, batch, config)


if __name__ == "__main__":
    main()
