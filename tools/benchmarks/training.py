"""How fast GRPO training is here, beside TRL's GRPOTrainer.

    pip install trl
    python tools/benchmarks/training.py
    python tools/benchmarks/training.py --model runs/reasoner --steps 50

The same weights, problems in the same order, reward, groups, loss, optimizer
settings and steps in both trainers, one after the other; the random numbers
differ. A step is timed from its first prompt to the end of its update; the
first one warms up. With one thread on a CPU the clock is the processor's, so
that whatever else the machine does counts for neither; else the wall's.
Prints a card for people and ends with one line of JSON.
"""

import argparse
import json
import statistics
import tempfile
import time

import torch

from reasoning_from_scratch.evaluation import Problem, load_problems
from reasoning_from_scratch.evaluation.prompts import render_prompt
from reasoning_from_scratch.llm import load_model, save_model
from reasoning_from_scratch.training import accuracy_reward, variant_config
from reasoning_from_scratch.training.grpo import Trainer
from reasoning_from_scratch.training.loop import shuffled_indices
from reasoning_from_scratch.training.update import update_policy


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = variant_config(
        "grpo", steps=args.steps, eval_every=0, track_kl=False
    )
    problems = load_problems("pocketmath", split="train")
    clock = clock_for(args.threads)
    card = {
        "threads": args.threads,
        "torch": torch.__version__,
        "clock": clock.__name__,
        "rollouts a step": config.prompts_per_step * config.group_size,
    }
    for name, train in (("ours", train_ours), ("trl", train_theirs)):
        rewards, seconds = train(args.model, problems, config, clock)
        card |= describe(name, rewards, seconds)
    ratio = card["ours, steps a minute"] / card["trl, steps a minute"]
    card["ours / trl"] = round(ratio, 2)
    show(card)


def clock_for(threads):
    """The processor's clock for one thread of a CPU, else the wall's."""
    is_alone = threads == 1 and not torch.cuda.is_available()
    return time.process_time if is_alone else time.perf_counter


def show(card):
    """Print a card for people, and it once more as a line of JSON."""
    for key, value in card.items():
        print(f"  {key:40} {value}")
    print(json.dumps(card))


def describe(name, rewards, seconds):
    """A trainer's speed after the first step, and what its rollouts earned."""
    timed = seconds[1:]
    last = rewards[-max(1, len(rewards) // 4) :]
    return {
        f"{name}, steps a minute": round(60 / statistics.median(timed), 2),
        f"{name}, seconds per step": [round(s, 2) for s in timed],
        f"{name}, mean reward a step": [round(r, 3) for r in rewards],
        f"{name}, mean reward": round(statistics.mean(rewards), 3),
        f"{name}, of the last quarter": round(statistics.mean(last), 3),
    }


def train_ours(name, problems, config, clock):
    """Reward and seconds of every step here."""
    model, tokenizer = load_model(name)
    trainer = Trainer(model, tokenizer, config)
    rewards, seconds = [], []
    for _ in range(config.steps):
        start = clock()
        rollouts, metrics = trainer.sample(problems, accuracy_reward)
        update_policy(model, trainer.optimizer, rollouts, config)
        seconds.append(clock() - start)
        rewards.append(metrics["reward"])
    return rewards, seconds


def train_theirs(name, problems, config, clock):
    """The same from `trl.GRPOTrainer` on the same weights, exported."""
    from transformers import AutoTokenizer, TrainerCallback
    from trl import GRPOTrainer

    earned, seconds = [], []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.start = clock()

        def on_step_end(self, *_, **__):
            seconds.append(clock() - self.start)

    model, tokenizer = load_model(name)
    end_id = tokenizer.eos_id

    def reward(completions, completion_ids, answer, **_):
        values = [
            accuracy_reward(text, Problem("", reference))
            * (ids[-1] == end_id or len(ids) < config.max_new_tokens)
            for text, ids, reference in zip(
                completions, completion_ids, answer, strict=True
            )
        ]
        earned.append(statistics.mean(values))
        return values

    with tempfile.TemporaryDirectory() as folder:
        save_model(model, tokenizer, f"{folder}/model")
        trainer = GRPOTrainer(
            model=f"{folder}/model",
            processing_class=AutoTokenizer.from_pretrained(f"{folder}/model"),
            reward_funcs=reward,
            train_dataset=their_problems(problems, config),
            callbacks=[Clock()],
            args=their_config(config, f"{folder}/out"),
        )
        trainer.train()
    return earned, seconds


def their_problems(problems, config):
    """The problems in the order in which we ask them, as prompts."""
    from datasets import Dataset

    count = config.steps * config.prompts_per_step
    order = shuffled_indices(len(problems), 0, count, seed=config.seed)
    return Dataset.from_list(
        [
            {"prompt": render_prompt(config.prompt, p), "answer": p.answer}
            for p in (problems[index] for index in order)
        ]
    )


def their_config(config, folder):
    """Our settings in their names.

    TRL's own setting is kept where ours has none, but for what would cost it
    time: gradient checkpointing, logging and the progress bar are off.
    """
    from trl import GRPOConfig

    return GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=config.prompts_per_step
        * config.group_size,
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
        shuffle_dataset=False,
        seed=config.seed,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=config.steps,
        disable_tqdm=True,
        save_strategy="no",
        report_to="none",
    )


if __name__ == "__main__":
    main()
