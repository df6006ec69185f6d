"""How fast GRPO training is here, beside TRL's GRPOTrainer.

    pip install trl
    python benchmarks/training.py
    python benchmarks/training.py --model runs/reasoner --steps 50

The same weights, problems, reward, groups, learning rate and steps in both
trainers, one after the other; the first step of each warms up. Prints a card
for people and ends with one line of JSON.
"""

import argparse
import json
import tempfile
import time

import torch

from reasoning_from_scratch.evaluation import Problem, load_problems
from reasoning_from_scratch.evaluation.prompts import render_prompt
from reasoning_from_scratch.llm import load_model, save_model
from reasoning_from_scratch.training import (
    accuracy_reward,
    train_grpo,
    variant_config,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    config = variant_config("grpo", steps=args.steps, eval_every=0)
    problems = load_problems("pocketmath", split="train")
    ours = train_ours(args.model, problems, config)
    theirs = train_theirs(args.model, problems, config)
    card = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    for name, (rewards, seconds) in {"ours": ours, "trl": theirs}.items():
        card[f"{name}, steps a minute"] = round(
            60 * (len(seconds) - 1) / sum(seconds[1:]), 2
        )
        tail = rewards[len(rewards) // 2 :]
        card[f"{name}, mean reward of the first half"] = round(
            sum(rewards[: len(rewards) // 2]) / (len(rewards) // 2), 4
        )
        card[f"{name}, mean reward of the second half"] = round(
            sum(tail) / len(tail), 4
        )
    ratio = card["ours, steps a minute"] / card["trl, steps a minute"]
    card["ours / trl"] = round(ratio, 2)
    for key, value in card.items():
        print(f"  {key:40} {value}")
    print(json.dumps(card))


def train_ours(name, problems, config):
    """Reward and seconds of every step here."""
    model, tokenizer = load_model(name)
    rows = train_grpo(model, tokenizer, problems, config)
    parts = "generation_seconds", "scoring_seconds", "update_seconds"
    seconds = [sum(row[part] for part in parts) for row in rows]
    return [row["reward"] for row in rows], seconds


def train_theirs(name, problems, config):
    """The same from `trl.GRPOTrainer` on the same weights, exported."""
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    seconds = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.start = time.perf_counter()

        def on_step_end(self, *_, **__):
            seconds.append(time.perf_counter() - self.start)

    model, tokenizer = load_model(name)
    rows = [
        {"prompt": render_prompt(config.prompt, p), "answer": p.answer}
        for p in problems[: config.steps * config.prompts_per_step]
    ]
    end_id = tokenizer.eos_id

    def reward(completions, completion_ids, answer, **_):
        return [
            accuracy_reward(text, Problem("", reference))
            * (ids[-1] == end_id or len(ids) < config.max_new_tokens)
            for text, ids, reference in zip(
                completions, completion_ids, answer, strict=True
            )
        ]

    with tempfile.TemporaryDirectory() as folder:
        save_model(model, tokenizer, f"{folder}/model")
        rollouts = config.prompts_per_step * config.group_size
        trainer = GRPOTrainer(
            model=f"{folder}/model",
            processing_class=AutoTokenizer.from_pretrained(f"{folder}/model"),
            reward_funcs=reward,
            train_dataset=Dataset.from_list(rows),
            callbacks=[Clock()],
            args=GRPOConfig(
                output_dir=f"{folder}/out",
                per_device_train_batch_size=rollouts,
                num_generations=config.group_size,
                max_completion_length=config.max_new_tokens,
                learning_rate=config.learning_rate,
                temperature=config.temperature,
                beta=0.0,
                loss_type="grpo",
                lr_scheduler_type="constant_with_warmup",
                warmup_steps=config.warmup_steps,
                max_grad_norm=config.max_grad_norm,
                adam_beta2=0.95,
                max_steps=config.steps,
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=not torch.cuda.is_available(),
                logging_steps=1,
                save_strategy="no",
                report_to="none",
            ),
        )
        trainer.train()
    history = trainer.state.log_history
    return [row["reward"] for row in history if "reward" in row], seconds


if __name__ == "__main__":
    main()
