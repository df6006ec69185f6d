"""Train a model to reason by reinforcement learning on right and wrong.

    rfs grpo --run reasoner
    rfs grpo --model qwen3-0.6b-base --problems math-train --run reasoner-q
    torchrun --nproc-per-node 2 -m -- reasoning_from_scratch grpo --run pair

Without further flags this is the chapter's run of the model's row in
`settings`. Ctrl-C saves; the same command with --resume goes on.
"""

from .. import training
from ..evaluation.problems import load_splits
from ..options import given_options
from ..settings import get_settings
from ..training.config import PER_REWARD, GRPOConfig
from ..training.variants import GRPO_VARIANTS, variant_config
from . import flags

LENGTH_REWARDS = ("target", "group", "right", "easy")  # LENGTH_TERMS' names
REWARDS = ["accuracy", "partial", "format", "both", "code"]
REWARDS += [f"short-{name}" for name in LENGTH_REWARDS]
FLAGS = f"""{flags.TRAINING_FLAGS}{flags.MEMORY_FLAG}
--prompt NAME=direct   how the problems are put
--variant {{{",".join(GRPO_VARIANTS)}}}=grpo   a row of GRPO_VARIANTS
--reward {{{",".join(REWARDS)}}}
    both: accuracy and format; short-…: accuracy less what the length costs,
    measured against a target, the group, its right answers, or how easy the
    problem is; code: a program that prints the answer (default: accuracy;
    both where a variant takes several rewards)
--allow-code-execution
    let --reward code run what the model writes, in a jail; read
    ch07/code_reward.py first
"""
CONFIGS, ROW = (GRPOConfig,), "grpo"
TOLD = "command model problems split variant reward"


def run(args) -> None:
    """Train, and say where the result lies."""
    from ..training import parallel

    settings = get_settings(args.model)
    config = choose_config(args, settings)
    args.reward = args.reward or default_reward(config)
    reward = choose_reward(args.reward, args.allow_code_execution)
    args.problems = flags.choose_problems(args, settings)
    problems, validation = load_splits(args.problems, args.split)
    parallel.start_processes()
    model = flags.open_model(args, config.max_new_tokens)
    used = [*problems, *(validation or [])]
    config = flags.fit_training(args, config, model, used)
    about = flags.describe_run(args, TOLD, config, used)
    rest = {"reward": reward, "validation": validation}
    with flags.new_run(args, about, create=parallel.open_run) as folder:
        training.train_grpo(*model, problems, config, run=folder, **rest)
    if parallel.process_rank() == 0:
        print(flags.describe_training(folder))


def choose_config(args, settings):
    """The variant with the model's row and then the flags laid over it."""
    chosen = settings.grpo.of(GRPOConfig) | given_options(args, GRPOConfig)
    chosen["prompt"] = flags.choose_prompt(args.prompt, settings)
    return variant_config(args.variant, **chosen)


def default_reward(config):
    """Right or wrong; with a box as a reward of its own for several."""
    return "both" if config.advantages == PER_REWARD else "accuracy"


def choose_reward(name, allow_code_execution=False):
    """The reward function, or the set of them, behind a name."""
    from ..training import rewards

    if name == "code":
        from .main import import_from_checkout

        code_reward = import_from_checkout("ch07", "code_reward")
        return code_reward.CodeReward(allow_execution=allow_code_execution)
    right, box = rewards.accuracy_reward, rewards.format_reward
    if name.startswith("short-"):
        term = rewards.LENGTH_TERMS[name.removeprefix("short-")]
        return rewards.RewardSet({"accuracy": right}, length_term=term)
    return {
        "accuracy": right,
        "partial": rewards.partial_credit_reward,
        "format": box,
        "both": rewards.RewardSet({"accuracy": right, "format": box}),
    }[name]
