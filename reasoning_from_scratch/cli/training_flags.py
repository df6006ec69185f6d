"""What the training commands share: their flags, problems and last words.

`rfs grpo`, `rfs distill` and `rfs teach` declare here what means the same in
each; what belongs to one method stays in its own file.
"""

from reasoning_from_scratch.evaluation.problems import TRAINING_SETS


def add_problem_arguments(parser) -> None:
    """Declare which problems are asked."""
    parser.add_argument(
        "--problems", help="a set with a train split, or a JSONL file"
    )
    parser.add_argument(
        "--split",
        default="train",
        help="of the problem set (default: train; test is refused)",
    )


def add_run_arguments(parser) -> None:
    """Declare where the model is computed and the run is kept."""
    parser.add_argument("--device", help="default: the best there is")
    parser.add_argument("--dtype", help="float32 | bfloat16 | float16")
    parser.add_argument("--run", required=True, help="name of its folder")
    parser.add_argument("--resume", action="store_true")


def add_config_flags(parser, flags) -> None:
    """Declare a flag for each field of a configuration.

    Args:
        parser: receives them.
        flags: field -> (type, help); left out, a flag is None.
    """
    for name, (kind, description) in flags.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, help=description
        )
    parser.add_argument("--activation-checkpointing", action="store_true")


def given_flags(args, names) -> dict:
    """The flags that were given, by the field they set."""
    values = {name: getattr(args, name) for name in names}
    return {name: v for name, v in values.items() if v is not None}


def choose_problems(args, settings):
    """The problem set to train on.

    Raises:
        ValueError: a test split was asked for.
    """
    if args.split == "test":
        raise ValueError(
            "training on a test split would make its accuracy worthless; "
            "leave out --split, or name train or validation"
        )
    if args.problems:
        return args.problems
    return TRAINING_SETS.get(settings.problems, settings.problems)


def summary(run_folder):
    """Two lines: how accuracy moved, and how to use the result."""
    rows = [r for r in run_folder.read("metrics.jsonl") if "accuracy" in r]
    use = f"use it: rfs evaluate --model runs/{run_folder.path.name}"
    if not rows:
        return use
    best = max(rows, key=lambda row: row["accuracy"])
    return (
        f"validation {rows[0]['accuracy']:.1%} at step {rows[0]['step']}, "
        f"best {best['accuracy']:.1%} at step {best['step']}, "
        f"last {rows[-1]['accuracy']:.1%}\n{use}"
    )
