"""Build the playground: a page on which the pocket models run in a browser.

    python tools/playground.py build/playground
    python -m http.server --directory build/playground

The page is docs/playground as it stands; its links to the book need the
whole site (tools/build_site.py). What is made here is its data: each
model as one file of 16-bit weights, the list of models with their measured
rows, and problems to ask. 16 bits are float16: rounded to it, pocket writes
the same greedy tokens on all of the 200 problems that were compared, rounded
to bfloat16 it does not (LOG.md).
"""

import json
import shutil
import sys
from pathlib import Path

from safetensors.torch import load_file, save

from reasoning_from_scratch.evaluation import load_problems
from reasoning_from_scratch.llm.tokenizer import Qwen3Tokenizer
from reasoning_from_scratch.llm.weights import find_model_folder
from reasoning_from_scratch.results import load_results
from reasoning_from_scratch.settings import get_settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "playground"
NUM_PROBLEMS = 500  # of the test split, those for quick looks
# What the page offers, in this order. A model is a name or a folder that
# `load_model` opens; `rows` are results/NAME.json, measured on all of the
# test split, for the three ways in which the page asks.
MODELS = [
    {
        "name": "pocket",
        "about": "the one that every chapter of the book starts from",
        "vote": "step-by-step",  # the prompt of the sixteen samples
        "rows": {
            "direct": "ch03-direct",
            "step-by-step": "ch03-step-by-step",
            "vote": "ch04-vote-16",
        },
    },
    {
        "name": "pocket-grpo",
        "about": "pocket after GRPO, in which it was told only which of its "
        "own answers were right",
        "vote": "direct",
        "rows": {"direct": "ch05-shipped"},
    },
    {
        "name": "pocket-distilled",
        "about": "pocket after it learned from 6,000 answers of its teacher",
        "vote": "direct",
        "rows": {"direct": "ch06-shipped"},
    },
    {
        "name": "pocket-teacher",
        "about": "the teacher, which thinks in short steps before it answers",
        "vote": "direct",
        "rows": {"direct": "ch06-teacher"},
    },
]


def build(folder: Path) -> None:
    """Write the whole page into a folder."""
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    rows = load_results()
    entries = [write_model(model, folder, rows) for model in MODELS]
    write_json(folder / "models.json", entries)
    problems = load_problems("pocketmath", limit=NUM_PROBLEMS)
    kept = ("problem", "answer", "subject", "level")
    write_json(
        folder / "problems.json",
        [{name: getattr(p, name) for name in kept} for p in problems],
    )


def write_model(model: dict, folder: Path, rows: dict) -> dict:
    """Write one model's file; returns its entry in the list."""
    source = find_model_folder(model["name"])
    tensors = load_file(source / "model.safetensors")
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    if not all(tensor.isfinite().all() for tensor in halves.values()):
        raise ValueError(
            f"{source} has weights beyond 65,504, the largest float16"
        )
    about = {
        "config": json.dumps(read_config(source)),
        "tokenizer": (source / "tokenizer.json").read_text("utf-8"),
    }
    path = folder / f"{model['name']}.safetensors"
    path.write_bytes(save(halves, metadata=about))
    settings = get_settings(model["name"])
    return {
        "name": model["name"],
        "about": model["about"],
        "vote": model["vote"],
        "file": path.name,
        "bytes": path.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in halves.values()),
        "temperature": settings.temperature,
        "maxNewTokens": settings.max_new_tokens,
        "accuracy": {
            way: f"{100 * rows[name]['accuracy']:.1f} %"
            for way, name in model["rows"].items()
        },
    }


def read_config(source: Path) -> dict:
    """A model's configuration, with all tokens that end its answers."""
    config = json.loads((source / "config.json").read_text("utf-8"))
    return {**config, "eos_token_id": list(Qwen3Tokenizer(source).stop_ids)}


def write_json(path: Path, content) -> None:
    """Write what the page reads, without spaces."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/playground.py FOLDER")
    build(Path(sys.argv[1]))
