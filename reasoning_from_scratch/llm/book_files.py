"""Checkpoints of the book's own package: one `.pth` file, pickled tensors.

Tensors alone are read (`weights_only`) and mapped into memory; a pickle that
holds anything else could run code and is refused. The tensors' shapes tell the
model's, and nothing tells of RoPE and norms: they are taken to be Qwen3's.
"""

import pickle
import re
from pathlib import Path

import torch

from reasoning_from_scratch.settings import get_settings

from .config import Qwen3Config
from .tokenizer import Qwen3Tokenizer

SUFFIXES = (".pth", ".pt")
# What a damaged file makes the reader raise
BROKEN = (
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
)
# Parts of the book's names, and of the official ones
RENAMED = {
    "tok_emb.": "model.embed_tokens.",
    "trf_blocks.": "model.layers.",
    ".att.W_query.": ".self_attn.q_proj.",
    ".att.W_key.": ".self_attn.k_proj.",
    ".att.W_value.": ".self_attn.v_proj.",
    ".att.out_proj.": ".self_attn.o_proj.",
    ".att.q_norm.scale": ".self_attn.q_norm.weight",
    ".att.k_norm.scale": ".self_attn.k_norm.weight",
    ".ff.fc1.": ".mlp.gate_proj.",
    ".ff.fc2.": ".mlp.up_proj.",
    ".ff.fc3.": ".mlp.down_proj.",
    ".norm1.scale": ".input_layernorm.weight",
    ".norm2.scale": ".post_attention_layernorm.weight",
    "final_norm.scale": "model.norm.weight",
    "out_head.": "lm_head.",
}


class StateDict(dict):
    """Official name -> tensor, read as an open safetensors file is."""

    get_tensor = dict.__getitem__


def is_book_file(name_or_path):
    """Tell whether a model's name is that of such a file."""
    return str(name_or_path).lower().endswith(SUFFIXES)


def find_book_file(name_or_path):
    """The path of such a file, which must be there."""
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}; the book's download_qwen3_small fetches "
            "qwen3-0.6B-base.pth, and 'qwen3-0.6b-base' is the same model "
            "from the Hub"
        )
    return path


def read_state_dict(path):
    """The tensors of a file under their official names, as a `StateDict`."""
    path.open("rb").close()  # may raise what it is: no permission, …
    try:
        content = torch.load(
            path, map_location="cpu", weights_only=True, mmap=True
        )
    except pickle.UnpicklingError as error:
        held = re.search(r"GLOBAL (\S+)", str(error))
        raise ValueError(_refusal(path, held and held[1])) from error
    except BROKEN as error:
        reason = str(error).splitlines()[:1]
        raise ValueError(
            f"{path} is truncated, or no file that torch.save writes today "
            f"({''.join(reason)[:80]}); copy or download it again"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(_refusal(path, type(content).__name__))
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            held = f"{type(value).__name__} under {str(name)[:40]!r}"
            raise ValueError(_refusal(path, held))
    return StateDict({_official(n): t for n, t in content.items()})


def _refusal(path, held):
    return (
        f"{path} is no state dict: it holds {held or 'more than tensors'}. "
        "Opening such a pickle can run any code, so it is refused. Where you "
        "trust it, open it with the program that wrote it and save its "
        "weights alone: torch.save(model.state_dict(), path)"
    )


def _official(name):
    name = str(name).removeprefix("_orig_mod.")  # of a compiled model
    for theirs, official in RENAMED.items():
        name = name.replace(theirs, official)
    return name


def read_book_config(path):
    """Find the shape of the model from that of its tensors."""
    tensors = read_state_dict(path)
    embedding = tensors.get("model.embed_tokens.weight")
    head = tensors.get("lm_head.weight")
    layers = {name.split(".")[2] for name in tensors if ".layers." in name}
    attention = "model.layers.0.self_attn"
    try:
        vocab_size, hidden_size = embedding.shape
        head_dim = len(tensors[f"{attention}.q_norm.weight"])
        queries, keys = (
            len(tensors[f"{attention}.{part}_proj.weight"]) for part in "qk"
        )
        inner = len(tensors["model.layers.0.mlp.gate_proj.weight"])
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is not a Qwen3 in the book's layout: among its tensors "
            f"are {', '.join(sorted(tensors)[:3]) or 'none'}, not "
            "tok_emb.weight and trf_blocks.0.att.q_norm.scale with the rest"
        ) from error
    return Qwen3Config(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_layers=len(layers),
        num_heads=queries // head_dim,
        num_kv_heads=keys // head_dim,
        head_dim=head_dim,
        intermediate_size=inner,
        # The book's class trains its head apart, where it started as a copy
        tie_word_embeddings=head is None or torch.equal(head, embedding),
    )


def open_book_tokenizer(path):
    """The tokenizer that the book keeps beside such a file."""
    is_chat = get_settings(path).is_chat
    kind = "reasoning" if is_chat else "base"
    names = [f"tokenizer-{kind}.json", "tokenizer.json"]
    for name in names:
        if (path.parent / name).is_file():
            return Qwen3Tokenizer(path.parent / name)
    raise FileNotFoundError(
        f"no {' and no '.join(names)} in {path.parent}; copy the tokenizer "
        "file that the book downloads with the model to there"
    )
