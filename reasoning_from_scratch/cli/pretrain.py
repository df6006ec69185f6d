"""Make a pocket model from random weights, or the data it learns from.

    rfs pretrain --run my-pocket
    rfs pretrain --write-data made/

Without further flags this is how the built-in model was made. The same
command with --resume goes on after an interruption, to the same weights.
"""

from dataclasses import replace
from pathlib import Path

from reasoning_from_scratch import llm
from reasoning_from_scratch.cli.flags import describe_run, new_run
from reasoning_from_scratch.options import given_options
from reasoning_from_scratch.pocket.problem_sets import write_problem_sets
from reasoning_from_scratch.pocket.recipes import RECIPES, PretrainConfig

FLAGS = f"""
--model-config {{{",".join(RECIPES)}}}=pocket   a row of RECIPES
--run NAME       name of its folder
--resume         go on with the run of that name
--write-data FOLDER   instead write the problem sets and the tokenizer there
"""
CONFIGS = (PretrainConfig,)


def run(args) -> None:
    """Train, and say where the model lies."""
    if args.write_data:
        return write_data(Path(args.write_data))
    if not args.run:
        raise ValueError("--run NAME is missing: the folder to train in")
    from reasoning_from_scratch.pocket import tokenizer_training
    from reasoning_from_scratch.pocket.pretrain import pretrain

    config = choose_config(args)
    if config.init_from:
        llm.load_model(config.init_from, device="cpu")  # is it there?
    with new_run(args, describe_run(args, "", config)) as folder:
        path = folder.path / "tokenizer"
        tokenizer_training.write_tokenizer(path, is_chat=config.is_chat)
        pretrain(config, folder, tokenizer=llm.Qwen3Tokenizer(path))
    print(f"model: {folder.checkpoint_path(config.steps)}")


def choose_config(args):
    """The recipe with the flags laid over it."""
    flags = given_options(args, PretrainConfig)
    return replace(RECIPES[args.model_config], **flags)


def write_data(folder: Path) -> None:
    """Write what pre-training starts from; the same files every time."""
    from reasoning_from_scratch.pocket import tokenizer_training

    write_problem_sets(folder / "pocketmath")
    tokenizer_training.write_tokenizer(folder / "pocket")
    print(f"problem sets and tokenizer written to {folder}")
