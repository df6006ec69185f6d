"""Write a model as a folder that other programs open.

    rfs export runs/reasoner exported/reasoner
    rfs export qwen3-0.6b-base exported/qwen --dtype float32
    rfs export runs/reasoner exported/reasoner --push-to me/my-reasoner

The folder is in the official layout, and must give the same logits when it is
opened again before anything is said or uploaded. The model card says what the
run's configuration and the measured rows say, and names what is not known.
"""

import re
from contextlib import suppress
from pathlib import Path

from .. import llm
from ..evaluation.prompts import render_prompt
from ..files import atomic_write_text
from ..llm.hub import upload_model
from ..results import is_measured, load_results
from ..runs import RunFolder, find_run, runs_root
from ..settings import TRAINED, get_settings

FLAGS = """
model NAME       a name, runs/NAME, folder or Hub id
folder FOLDER    where to
--dtype NAME     float32, bfloat16 or float16 (default: as it is)
--overwrite      replace the model there
--push-to OWNER/NAME   upload it to the Hub as well, as a private model
"""
PROBLEM = "What is 1/2 + 1/3?"
CARD = Path(__file__).with_name("model_card.md.jinja")


def run(args) -> None:
    """Export, check, describe, upload."""
    if args.push_to and not re.fullmatch(r"[\w.-]+/[\w.-]+", args.push_to):
        raise ValueError(f"--push-to takes OWNER/NAME, got {args.push_to!r}")
    name, folder = args.model.rstrip("/\\"), Path(args.folder)
    model = llm.load_model(name, device="cpu", dtype=args.dtype)
    llm.save_model(*model, folder, overwrite=args.overwrite)
    check_export(*model, folder)
    card = write_card(name, *model, args.push_to or str(folder))
    atomic_write_text(folder / "README.md", card)
    print(f"{folder} gives the same logits as {args.model}. To use it:\n")
    print(card.rpartition("## How to use it\n\n")[2])
    if args.push_to:
        print(f"uploaded to {upload_model(folder, args.push_to)}")


def check_export(model, tokenizer, folder) -> None:
    """Open the folder again; other token ids or logits are a ValueError."""
    import torch

    again, tokenizer_again = llm.load_model(folder, device="cpu")
    token_ids = tokenizer.encode(PROBLEM)
    if tokenizer_again.encode(PROBLEM) != token_ids:
        raise ValueError(f"the tokenizer saved in {folder} differs")
    batch = torch.tensor([token_ids])
    with torch.inference_mode():
        difference = (again.to(model.dtype)(batch) - model(batch)).abs().max()
    if not difference <= 1e-4:  # NaN is refused too
        raise ValueError(
            f"the model saved in {folder} differs: its logits are off by "
            f"{difference:.2g}"
        )


def write_card(name, model, tokenizer, repo_id) -> str:
    """The model card, as the Hub reads it."""
    from huggingface_hub import ModelCard, ModelCardData

    from ..llm.weights import HUB_IDS

    run, settings = {}, get_settings(name)
    with suppress(FileNotFoundError):  # not of a run
        folder = RunFolder.open(find_run(name))
        run = folder.config if folder.checkpoint_steps() else {}
    way = "direct" if name in TRAINED else "step-by-step"
    prompt = run.get("prompt") or settings.prompts[way]
    base = run.get("model") or name
    is_on_hub = base.startswith(("Qwen/", "deepseek-ai/"))
    row = get_settings(base)
    # A row that was guessed says nothing of the licence
    license = row.license if row.name in base.lower() else None
    is_open = license in ("apache-2.0", "mit", None)
    family = "qwen3" if model.config.qk_norm else "qwen2"
    card = ModelCard.from_template(
        ModelCardData(
            license=license if is_open else "other",
            license_name=None if is_open else license,
            library_name="transformers",
            pipeline_tag="text-generation",
            tags=[family, "reasoning", "reasoning-from-scratch"],
            base_model=HUB_IDS.get(base, base if is_on_hub else None),
        ),
        template_str=CARD.read_text("utf-8"),
        title=repo_id.rstrip("/").rsplit("/", 1)[-1],
        name=name,
        family=family.capitalize(),
        num_parameters=f"{model.config.num_parameters:,}",
        dtype=str(model.dtype).removeprefix("torch."),
        run=run,
        origin=load_results().get(TRAINED.get(name), {}),
        command=run.get("command", "pretrain"),
        results=measured_rows(name),
        repo_id=repo_id,
        problem=PROBLEM,
        prompt=repr(render_prompt(prompt, PROBLEM, tokenizer)),
        max_new_tokens=settings.max_new_tokens,
    )
    return f"{card}\n"


def measured_rows(name) -> list[dict]:
    """What results/ and finished evaluations say of these very weights."""
    rows = [
        row
        for row in load_results().values()
        if f"evaluate --model {name} " in row["command"]
        and is_measured(row)
        and "accuracy" in row
    ]
    for path in sorted(runs_root().glob("*/result.json")):
        run = RunFolder.open(path.parent)
        about, result = run.config, run.read_json("result.json")
        if about.get("model") == name:
            count = f"({result['num_problems']:,})"
            result["problems"] = (
                f"{about['problems']} {about['split']} {count}"
            )
            prompt = (
                about["prompt"] if about["prompt"].isprintable() else "own"
            )
            result["method"] = f"{prompt}, {about['method']}"
            rows.append(result)
    return rows
