"""Make a pocket model from random weights.

    rfs pretrain --run my-pocket

Without further flags this is how the built-in model was made. The same
command with --resume goes on after an interruption, to the same weights.
"""

from dataclasses import replace

from pocket.recipes import RECIPES, PretrainConfig

from reasoning_from_scratch import llm
from reasoning_from_scratch.cli.flags import describe_run, new_run
from reasoning_from_scratch.options import given_options

FLAGS = f"""
--model-config {{{",".join(RECIPES)}}}=pocket   a row of RECIPES
--run NAME!      name of its folder
--resume         go on with the run of that name
"""
CONFIGS = (PretrainConfig,)


def run(args) -> None:
    """Train, and say where the model lies."""
    from pocket.pretrain import pretrain

    from reasoning_from_scratch.llm.weights import ASSETS

    config = choose_config(args)
    if config.init_from:
        llm.load_model(config.init_from, device="cpu")  # is it there?
    with new_run(args, describe_run(args, "", config)) as folder:
        tokenizer = llm.Qwen3Tokenizer(ASSETS / "pocket")
        pretrain(config, folder, tokenizer=tokenizer)
    print(f"model: {folder.checkpoint_path(config.steps)}")


def choose_config(args):
    """The recipe with the flags laid over it."""
    flags = given_options(args, PretrainConfig)
    return replace(RECIPES[args.model_config], **flags)
