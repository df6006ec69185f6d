"""GRPO on a pilot's model; tells the styles of the rollouts apart."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from reasoning_from_scratch.evaluation.problems import load_problems
from reasoning_from_scratch.llm.weights import load_model
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import POCKET
from reasoning_from_scratch.training import train_grpo
from reasoning_from_scratch.training.config import GRPOConfig
from reasoning_from_scratch.training.rewards import accuracy_reward
from reasoning_from_scratch.training.variants import variant_config


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--run", required=True)
    parser.add_argument("--variant", default="grpo")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--minibatches", type=int, default=1)
    parser.add_argument("--room", type=int, default=224)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--prompt", default="direct")
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--eval-every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    changes = POCKET.grpo.of(GRPOConfig) | {
        "steps": args.steps,
        "learning_rate": args.lr,
        "epochs": args.epochs,
        "minibatches": args.minibatches,
        "max_new_tokens": args.room,
        "prompts_per_step": args.prompts,
        "group_size": args.group,
        "prompt": args.prompt,
        "cosine_decay": not args.flat,
        "eval_every": args.eval_every,
        "seed": args.seed,
    }
    config = variant_config(args.variant, **changes)
    path = Path(args.run)
    folder = RunFolder.create(
        path.name, vars(args), root=path.parent, resume=True
    )
    model, tokenizer = load_model(
        args.model, device="cpu", dtype=torch.float32
    )
    seen = []

    def reward(text, problem):
        value = accuracy_reward(text, problem)
        kind = "wait" if "Wait" in text else "plain"
        if text.strip().startswith("\\boxed"):
            kind = "at once"
        seen.append((kind, value >= 1))
        return value

    def watch(rows):
        row = {"step": rows[-1]["step"]}
        for kind in ("at once", "plain", "wait"):
            values = [right for name, right in seen if name == kind]
            row[kind] = len(values) / max(1, len(seen))
            row[f"{kind} right"] = sum(values) / max(1, len(values))
        row |= {k: rows[-1].get(k) for k in ("length", "entropy", "accuracy",
                                             "solve_rate", "clip_share",
                                             "seconds")}
        seen.clear()
        with open(path / "styles.jsonl", "a") as out:
            out.write(json.dumps(row) + "\n")
        if rows[-1]["step"] % 10 == 0 or row["accuracy"] is not None:
            print(json.dumps({k: round(v, 3) for k, v in row.items()
                              if v is not None}), flush=True)

    if args.variant == "gdpo":
        raise SystemExit("gdpo needs two rewards")
    train_grpo(
        model,
        tokenizer,
        load_problems("pocketmath", split="train"),
        replace(config, track_kl=False),
        reward=reward,
        validation=load_problems("pocketmath", split="validation"),
        run=folder,
        watch=watch,
        progress=False,
    )


if __name__ == "__main__":
    main()
