"""Write a model as a folder that other programs open.

    rfs export runs/reasoner exported/reasoner
    rfs export qwen3-0.6b-base exported/qwen --dtype float32
    rfs export runs/reasoner exported/reasoner --push-to me/my-reasoner

The folder is in the official layout, with a model card. It is opened again
and must give the same logits before anything is said or uploaded.
"""

from pathlib import Path

HELP = "write a folder that transformers and vLLM open, with a model card"
PROMPT = "Problem: What is 3/4 + 1/6?\nAnswer:"


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument("model", help="a name, runs/NAME, folder or Hub id")
    parser.add_argument("folder", help="where to")
    parser.add_argument(
        "--dtype", help="float32 | bfloat16 | float16 (default: as it is)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the model there"
    )
    parser.add_argument(
        "--push-to",
        metavar="OWNER/NAME",
        help="upload it to the Hub as well, as a private model",
    )


def run(args) -> None:
    """Export, check, describe, upload."""
    from reasoning_from_scratch.cli.model_card import (
        describe_model,
        how_to_use,
        write_card,
    )
    from reasoning_from_scratch.files import atomic_write_text
    from reasoning_from_scratch.llm import load_model, save_model

    folder = Path(args.folder)
    model, tokenizer = load_model(args.model, device="cpu", dtype=args.dtype)
    save_model(model, tokenizer, folder, overwrite=args.overwrite)
    check_export(model, tokenizer, folder)
    repo_id = args.push_to or str(folder)
    description = describe_model(args.model, model, tokenizer)
    card = write_card(description, repo_id)
    atomic_write_text(folder / "README.md", card)
    print(f"{folder} gives the same logits as {args.model}. To use it:\n")
    print(how_to_use(description, repo_id))
    if args.push_to:
        from reasoning_from_scratch.llm.hub import upload_model

        print(f"uploaded to {upload_model(folder, args.push_to)}")


def check_export(model, tokenizer, folder) -> None:
    """Open the folder again and compare token ids and logits.

    Raises:
        ValueError: they differ; the folder must not be used.
    """
    import torch

    from reasoning_from_scratch.llm import load_model

    again, tokenizer_again = load_model(folder, device="cpu")
    token_ids = tokenizer.encode(PROMPT)
    if tokenizer_again.encode(PROMPT) != token_ids:
        raise ValueError(f"the tokenizer saved in {folder} differs")
    batch = torch.tensor([token_ids])
    with torch.inference_mode():
        difference = (again.to(model.dtype)(batch) - model(batch)).abs().max()
    if not difference <= 1e-4:  # NaN is refused too
        raise ValueError(
            f"the model saved in {folder} differs: its logits are off by "
            f"{difference:.2g}"
        )
