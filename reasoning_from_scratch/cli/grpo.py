"""Train a model to reason by reinforcement learning on right and wrong.

    rfs grpo --run reasoner
    rfs grpo --model qwen3-0.6b-base --problems math-train --run reasoner-q
    torchrun --nproc-per-node 2 -m -- reasoning_from_scratch grpo --run pair

Without further flags this is the chapter's run of the model's row in
`settings`. Ctrl-C saves; the same command with --resume goes on.
"""

from dataclasses import asdict

from reasoning_from_scratch.cli.flags import (
    add_model_arguments,
    add_problem_arguments,
    add_run_arguments,
    choose_problems,
    describe_training,
)
from reasoning_from_scratch.evaluation.problems import load_splits
from reasoning_from_scratch.options import add_options, given_options
from reasoning_from_scratch.settings import default_model, get_settings
from reasoning_from_scratch.training.config import PER_REWARD, GRPOConfig
from reasoning_from_scratch.training.variants import (
    GRPO_VARIANTS,
    variant_config,
)

REWARDS = ("accuracy", "partial", "format", "both", "code")
# accuracy with a term of rewards.LENGTH_TERMS
LENGTH_REWARDS = ("target", "group", "right", "easy")


def add_arguments(parser) -> None:
    """Declare the flags."""
    add_model_arguments(parser)
    add_problem_arguments(parser)
    parser.add_argument(
        "--variant",
        choices=GRPO_VARIANTS,
        default="grpo",
        help="a row of GRPO_VARIANTS (default: %(default)s)",
    )
    parser.add_argument(
        "--prompt",
        default="direct",
        help="how the problems are put (default: %(default)s)",
    )
    parser.add_argument(
        "--reward",
        choices=(*REWARDS, *(f"short-{name}" for name in LENGTH_REWARDS)),
        help="both: accuracy and format; short-…: accuracy less what the "
        "length costs, measured against a target, the group, its right "
        "answers, or how easy the problem is; code: a program that prints "
        "the answer (default: accuracy; both where a variant takes several "
        "rewards)",
    )
    parser.add_argument(
        "--allow-code-execution",
        action="store_true",
        help="let --reward code run what the model writes, in a jail; read "
        "training/code_reward.py first",
    )
    add_run_arguments(parser)
    settings = get_settings()
    add_options(
        parser.add_argument_group(f"training, as for {settings.name}"),
        GRPOConfig,
        row=settings.grpo,
    )


def run(args) -> None:
    """Train, and say where the result lies."""
    from reasoning_from_scratch.llm import load_model
    from reasoning_from_scratch.training.grpo import train_grpo
    from reasoning_from_scratch.training.parallel import (
        open_run,
        process_rank,
        start_processes,
    )

    model_name = args.model or default_model()
    settings = get_settings(model_name)
    config = choose_config(args, settings)
    reward_name = args.reward or default_reward(config)
    reward = choose_reward(reward_name, args.allow_code_execution)
    source = choose_problems(args, settings)
    problems, validation = load_splits(source, args.split)
    start_processes()
    about = {
        "command": "grpo",
        "model": model_name,
        "problems": source,
        "variant": args.variant,
        "reward": reward_name,
    }
    folder = open_run(args.run, about | asdict(config), resume=args.resume)
    model, tokenizer = load_model(
        model_name, device=args.device, dtype=args.dtype
    )
    train_grpo(
        model,
        tokenizer,
        problems,
        config,
        reward=reward,
        validation=validation,
        run=folder,
    )
    if process_rank() == 0:
        print(describe_training(folder))


def choose_config(args, settings):
    """The variant with the model's row and then the flags laid over it."""
    chosen = settings.grpo.of(GRPOConfig) | given_options(args, GRPOConfig)
    chosen["prompt"] = settings.prompts.get(args.prompt, args.prompt)
    return variant_config(args.variant, **chosen)


def default_reward(config):
    """Right or wrong; with a box as a reward of its own for several."""
    return "both" if config.advantages == PER_REWARD else "accuracy"


def choose_reward(name, allow_code_execution=False):
    """The reward function, or the set of them, behind a name."""
    if name == "code":
        from reasoning_from_scratch.training.code_reward import CodeReward

        return CodeReward(allow_execution=allow_code_execution)
    from reasoning_from_scratch.training import rewards

    accuracy = rewards.accuracy_reward
    if name == "both":
        return rewards.RewardSet(
            {"accuracy": accuracy, "format": rewards.format_reward}
        )
    if name.startswith("short-"):
        term = rewards.LENGTH_TERMS[name.removeprefix("short-")]
        return rewards.RewardSet({"accuracy": accuracy}, length_term=term)
    return {
        "accuracy": accuracy,
        "partial": rewards.partial_credit_reward,
        "format": rewards.format_reward,
    }[name]
