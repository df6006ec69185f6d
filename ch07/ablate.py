"""Compare the rows of GRPO_VARIANTS: several seeds each, one table.

    rfs ablate --run ablation
    rfs ablate --variants grpo,dapo --seeds 0,1 --steps 5 --run two --resume

Each variant is trained with each seed for the same number of steps, with
every batch of rollouts used for 4 mini-batches x 2 epochs: fresh rollouts
would leave most variants without a difference. More epochs and a larger
--learning-rate tell them apart. The last checkpoint answers the test
problems, greedily. What is done is not done again, so the command can be
stopped, and with --only several processes can share the work.

Leaves runs/NAME with a GRPO run and an evaluation a variant and seed,
table.json, table.md and plot.png; the last line printed is JSON.
"""

import json
from dataclasses import asdict

import ablation_table as tables

from reasoning_from_scratch.cli.grpo import choose_reward, default_reward
from reasoning_from_scratch.evaluation import evaluate, load_problems
from reasoning_from_scratch.evaluation.problems import load_splits
from reasoning_from_scratch.files import atomic_write_text
from reasoning_from_scratch.llm import load_model
from reasoning_from_scratch.llm.weights import find_model_folder
from reasoning_from_scratch.plots import figure_style
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import default_model, get_settings
from reasoning_from_scratch.training import train_grpo
from reasoning_from_scratch.training.config import GRPOConfig
from reasoning_from_scratch.training.variants import (
    GRPO_VARIANTS,
    variant_config,
)

BASELINE = "grpo"
STEPS = 25  # about three minutes of pocket on one core
EPOCHS, MINIBATCHES = 2, 4  # staleness: 8 updates from a batch of rollouts
RESULT, TABLE = "result.json", "table.json"


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument("--model", help="default: RFS_MODEL, else pocket")
    parser.add_argument(
        "--problems", help="a set with a train split (default: the model's)"
    )
    parser.add_argument(
        "--variants",
        type=_names,
        default=tuple(GRPO_VARIANTS),
        help="rows of GRPO_VARIANTS, with commas (default: all)",
    )
    parser.add_argument(
        "--seeds",
        type=_numbers,
        default=(0, 1, 2),
        help="with commas (default: 0,1,2)",
    )
    parser.add_argument(
        "--steps", type=int, default=STEPS, help="default: %(default)s"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--minibatches", type=int, default=MINIBATCHES)
    parser.add_argument(
        "--learning-rate",
        type=float,
        help="the same in all steps (default: the model's quick rate, which "
        "its schedule lowers)",
    )
    parser.add_argument(
        "--limit", type=int, help="test problems (default: all of them)"
    )
    parser.add_argument(
        "--only",
        type=_names,
        help="do these variants and leave the others to another process",
    )
    parser.add_argument("--device", help="default: the best there is")
    parser.add_argument("--run", required=True, help="name of its folder")
    parser.add_argument("--resume", action="store_true")


def run(args) -> None:
    """Train, evaluate and compare what is there."""
    with figure_style():  # hours of work shall not end without matplotlib
        pass
    model = args.model or default_model()
    settings = get_settings(model)
    source = args.problems or settings.problems
    configs = {
        (name, seed): choose_config(name, seed, args, settings)
        for name in args.variants
        for seed in args.seeds
    }
    about = {
        "command": "ablate",
        "model": model,
        "problems": source,
        "limit": args.limit,
        "runs": {
            run_name(*key): asdict(config) for key, config in configs.items()
        },
    }
    problems, _ = load_splits(source, "train")
    find_model_folder(model)
    folder = RunFolder.create(args.run, about, resume=args.resume, shared=True)
    for number, ((name, seed), config) in enumerate(configs.items(), start=1):
        if args.only is None or name in args.only:
            print(f"[{number}/{len(configs)}] {run_name(name, seed)}")
            measure(
                folder,
                run_name(name, seed),
                config,
                problems=problems,
                device=args.device,
            )
    print(report(folder, args.variants, args.seeds))


def run_name(variant: str, seed: int) -> str:
    """The folder of one training run."""
    return f"{variant}-seed{seed}"


def choose_config(variant, seed, args, settings):
    """A variant at the model's sizes, with the staleness asked for.

    Raises:
        ValueError: an unknown variant.
    """
    choices = {
        "steps": args.steps,
        "epochs": args.epochs,
        "minibatches": args.minibatches,
        "learning_rate": settings.grpo.quick_learning_rate,  # many updates
        "prompt": settings.prompts["direct"],
        "seed": seed,
        "eval_every": 0,  # the last step counts, none is chosen
        "checkpoint_every": 10,
    }
    if args.learning_rate is not None:
        choices |= {"learning_rate": args.learning_rate, "cosine_decay": False}
    return variant_config(variant, **settings.grpo.of(GRPOConfig) | choices)


def measure(folder, name, config, *, problems, device) -> None:
    """Train one variant with one seed and evaluate it, unless it is done."""
    root = folder.path
    test_run = RunFolder.create(f"{name}-test", {}, root=root, resume=True)
    if (test_run.path / RESULT).exists():
        return
    model, tokenizer = load_model(folder.config["model"], device=device)
    about = {"model": folder.config["model"]} | asdict(config)
    train_grpo(
        model,
        tokenizer,
        problems,
        config,
        reward=choose_reward(default_reward(config)),
        run=RunFolder.create(name, about, root=root, resume=True),
    )
    evaluate(
        model,
        tokenizer,
        load_problems(
            folder.config["problems"],
            split="test",
            limit=folder.config["limit"],
        ),
        prompt=config.prompt,
        max_new_tokens=get_settings(folder.config["model"]).max_new_tokens,
        run=test_run,
    )


def report(folder, variants, seeds) -> str:
    """Write the table, the picture and the JSON of what is done so far.

    Returns:
        the table, the verdict and the JSON line.
    """
    runs = tables.read_runs(folder.path, variants, seeds, run_name)
    if len(runs) < 1:
        return "no variant has all its seeds yet"
    table = tables.compare(runs, BASELINE)
    folder.write_json(TABLE, table)
    text = tables.describe(table)
    atomic_write_text(folder.path / "table.md", text)
    tables.draw(table, folder.path / "plot.png")
    missing = [name for name in variants if name not in runs]
    if missing:
        text += f"\nnot done yet: {', '.join(missing)}"
    verdicts = [row.get("verdict") for row in table["variants"].values()]
    counts = {word: verdicts.count(word) for word in tables.VERDICTS}
    return f"{text}\n{json.dumps(counts)}"


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))
