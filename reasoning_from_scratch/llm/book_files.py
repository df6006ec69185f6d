"""Checkpoints of the book's own package: one `.pth` file, pickled tensors.

Tensors alone are read (`weights_only`) and mapped into memory; a pickle that
holds anything else could run code and is refused. The tensors' shapes tell the
model's, and nothing tells of RoPE and norms: they are taken to be Qwen3's.
"""

import pickle
import re

import torch

from reasoning_from_scratch.settings import get_settings

from .config import Qwen3Config
from .tokenizer import Qwen3Tokenizer

# What a damaged file makes the reader raise
BROKEN = (RuntimeError, EOFError, OSError, LookupError, TypeError)
BROKEN += (AttributeError, ValueError)
# Parts of the book's names, and of the official ones
RENAMED = {
    "_orig_mod.": "",  # of a compiled model
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
    return str(name_or_path).lower().endswith((".pth", ".pt"))


def read_state_dict(path):
    """The tensors of a file under their official names, as a `StateDict`."""
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}; the book's download_qwen3_small fetches "
            "qwen3-0.6B-base.pth, and 'qwen3-0.6b-base' is the same model "
            "from the Hub"
        )
    path.open("rb").close()  # may raise what it is: no permission, …
    try:
        content = torch.load(
            path, map_location="cpu", weights_only=True, mmap=True
        )
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        raise _refusal(path, found and found[1]) from error
    except BROKEN as error:
        reason = str(error).splitlines()[:1]
        raise ValueError(
            f"{path} is truncated, or no file that torch.save writes today "
            f"({''.join(reason)[:80]}); copy or download it again"
        ) from error
    if not isinstance(content, dict):
        raise _refusal(path, type(content).__name__)
    tensors = StateDict()
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            held = f"{type(value).__name__} under {str(name)[:40]!r}"
            raise _refusal(path, held)
        official = str(name)
        for theirs, ours in RENAMED.items():
            official = official.replace(theirs, ours)
        tensors[official] = value
    return tensors


def _refusal(path, held):
    return ValueError(
        f"{path} is no state dict: it holds {held or 'more than tensors'}. "
        "Opening such a pickle can run any code, so it is refused. Where you "
        "trust it, open it with the program that wrote it and save its "
        "weights alone: torch.save(model.state_dict(), path)"
    )


def read_book_config(path):
    """Find the shape of the model from that of its tensors."""
    tensors = read_state_dict(path)
    head = tensors.get("lm_head.weight")
    layers = {name.split(".")[2] for name in tensors if ".layers." in name}

    def size_of(part):
        return len(tensors[f"model.layers.0.{part}.weight"])

    try:
        embedding = tensors["model.embed_tokens.weight"]
        vocab_size, hidden_size = embedding.shape
        head_dim = size_of("self_attn.q_norm")
        return Qwen3Config(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            num_layers=len(layers),
            num_heads=size_of("self_attn.q_proj") // head_dim,
            num_kv_heads=size_of("self_attn.k_proj") // head_dim,
            head_dim=head_dim,
            intermediate_size=size_of("mlp.gate_proj"),
            # The book's class trains its head apart, at first a copy
            tie_word_embeddings=head is None or torch.equal(head, embedding),
        )
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise ValueError(
            f"{path} is not a Qwen3 in the book's layout: among its tensors "
            f"are {', '.join(sorted(tensors)[:3]) or 'none'}, not "
            "tok_emb.weight and trf_blocks.0.att.q_norm.scale with the rest"
        ) from error


def open_book_tokenizer(path):
    """The tokenizer that the book keeps beside such a file."""
    kind = "reasoning" if get_settings(path).is_chat else "base"
    names = [f"tokenizer-{kind}.json", "tokenizer.json"]
    for name in names:
        if (path.parent / name).is_file():
            return Qwen3Tokenizer(path.parent / name)
    raise FileNotFoundError(
        f"no {' and no '.join(names)} in {path.parent}; copy the tokenizer "
        "file that the book downloads with the model to there"
    )
