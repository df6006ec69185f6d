"""Drafts that a model really writes, labelled by the exact verifier.

A bank is a JSONL file of rows {seed, draft, right}; the exercise of a seed
can be drawn again by any route (`exercise_of`).
"""

import argparse
import json
import sys
import time
from random import Random

import torch

from reasoning_from_scratch.evaluation.verifier import verify
from reasoning_from_scratch.llm import SamplingConfig, generate
from reasoning_from_scratch.llm.weights import load_model
from reasoning_from_scratch.pocket.families import FAMILIES, LEVELS
from reasoning_from_scratch.pocket.problem_sets import held_out_keys

PROBE_SEEDS = range(10_000_000, 10_000_000 + 1_000)  # 20 a cell


def cell_of(seed):
    number = seed % 50
    return list(FAMILIES)[number // 5], LEVELS[number % 5]


def exercise_of(seed, route=0, is_detailed=False):
    """The exercise of a seed, solved by a route."""
    family, level = cell_of(seed)
    return FAMILIES[family](
        Random(f"problem-{seed}"), level, Random(f"route-{seed}-{route}"),
        is_detailed,
    )


def probe_keys():
    return {exercise_of(seed).key for seed in PROBE_SEEDS}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=24000)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--prompt", default="step")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load_model(
        args.model, device="cpu", dtype=torch.float32
    )
    kept_out = held_out_keys() | probe_keys()
    with open(args.out, "a", encoding="utf-8") as out:
        for start in range(args.first, args.first + args.count, 1000):
            began = time.time()
            seeds = [
                seed
                for seed in range(start, start + 1000)
                if exercise_of(seed).key not in kept_out
            ]
            exercises = [exercise_of(seed) for seed in seeds]
            prompts = [
                f"Problem: {e.question}\nAnswer: Let's think step by step."
                for e in exercises
            ]
            outputs = generate(
                model,
                tokenizer,
                prompts,
                max_new_tokens=160,
                sampling=SamplingConfig(temperature=args.temperature),
                seed=start,
                ids=[str(seed) for seed in seeds],
                batch_size=250,
            )
            right = 0
            for seed, exercise, output in zip(
                seeds, exercises, outputs, strict=True
            ):
                if output.stop_reason == "length":
                    continue
                is_right = bool(verify(output.text, exercise.answer))
                right += is_right
                row = {"seed": seed, "draft": output.text, "right": is_right}
                out.write(json.dumps(row) + "\n")
            out.flush()
            print(
                start,
                f"{100 * right / len(seeds):.1f} % right",
                f"{time.time() - began:.1f} s",
                file=sys.stderr,
                flush=True,
            )


if __name__ == "__main__":
    main()
