"""Opening a model by name, and saving one for everybody.

`load_model` finds the folder that a name means (built in, on disk, a run's
checkpoint, on the Hub) and fills a model from it; `save_model` writes the
official layout, which `transformers`, vLLM and llama.cpp open without our
code. `checkpoint` knows the files, `hub` the network.
"""

import difflib
import re
from pathlib import Path

import torch

from reasoning_from_scratch.device import pick_device, pick_dtype
from reasoning_from_scratch.files import atomic_folder, atomic_write_json
from reasoning_from_scratch.runs import resolve_checkpoint
from reasoning_from_scratch.settings import BASE_SIZES, CHAT_SIZES

from .checkpoint import (
    check_tensors,
    list_tensors,
    official_names,
    read_tensors,
    write_tensors,
)
from .config import Qwen3Config
from .hub import check_disk_space, download_model
from .qwen3 import Qwen3Model
from .tokenizer import Qwen3Tokenizer

BUILT_IN = ("pocket", "pocket-coarse", "pocket-teacher")
ASSETS = Path(__file__).parent.parent / "pocket" / "assets"
# Short name -> Hub id, for every dense size
HUB_IDS = {
    **{f"qwen3-{s}-base": f"Qwen/Qwen3-{s.upper()}-Base" for s in BASE_SIZES},
    **{f"qwen3-{s}": f"Qwen/Qwen3-{s.upper()}" for s in CHAT_SIZES},
}
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def load_model(
    name_or_path="pocket", *, device=None, dtype=None, revision=None
):
    """Open a model and its tokenizer.

    Args:
        name_or_path: "pocket" and its sisters, which come with the package;
            "qwen3-0.6b-base" … "qwen3-32b" or any Hub id such as
            "Qwen/Qwen3-0.6B", downloaded once; a model folder or
            "runs/NAME", never looked for on the network.
        device: a torch.device or its name; None takes the best there is.
        dtype: a torch.dtype or its name; None keeps float32 weights as they
            are and else takes what suits model and device.
        revision: branch, tag or commit on the Hub.

    Returns:
        model: `Qwen3Model` in evaluation mode.
        tokenizer: `Qwen3Tokenizer`.

    Raises:
        FileNotFoundError, ConnectionError, OSError: files are not to be had.
        ValueError: they are not those of a dense Qwen3 model.
    """
    folder = find_model_folder(name_or_path, revision)
    config = Qwen3Config.from_hf(folder)
    tokenizer = Qwen3Tokenizer(folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise ValueError(
            f"the tokenizer in {folder} has {tokenizer.vocab_size:,} entries "
            f"but the embedding only {config.vocab_size:,} rows; they are "
            "not from the same model"
        )
    with torch.device("meta"):  # shapes only, no memory
        model = Qwen3Model(config)
    device = pick_device(device)
    weights = _read_weights(model, folder, device, dtype, str(name_or_path))
    model.load_state_dict(weights, assign=True)
    return model.eval(), tokenizer


def find_model_folder(name_or_path, revision=None):
    """The folder with a model's files; only Hub names use the network.

    Args:
        name_or_path, revision: as for `load_model`.

    Raises:
        FileNotFoundError: a path with no folder at its end.
        ValueError: a name that means nothing.
    """
    name = str(name_or_path)
    if name in BUILT_IN:
        return ASSETS / name
    if isinstance(name_or_path, Path) or _looks_like_a_path(name):
        return resolve_checkpoint(Path(name).expanduser())
    repo_id = HUB_IDS.get(name.lower(), name)
    if HUB_ID.fullmatch(repo_id):
        return download_model(repo_id, revision)
    known = [*BUILT_IN, *HUB_IDS]
    close = difflib.get_close_matches(name, known, n=1) or ["pocket"]
    raise ValueError(
        f"unknown model {name!r}; did you mean {close[0]!r}? Known names: "
        f"{', '.join(known)}; else give a folder or a Hub id 'owner/name'"
    )


def save_model(model, tokenizer, folder, *, overwrite=False):
    """Write a model folder in the official layout, all or nothing.

    Args:
        model: a `Qwen3Model`; its weights are written in their own dtype.
        tokenizer: its `Qwen3Tokenizer`.
        folder: where to; made when missing.
        overwrite: replace the model that is there.

    Raises:
        FileExistsError: the folder holds something that may not go.
        OSError: no room on the disk.
    """
    folder = Path(folder)
    _refuse_to_destroy(folder, overwrite)
    names = official_names(model)
    weights = {names[name]: p for name, p in model.named_parameters()}
    with atomic_folder(folder) as unfinished:
        num_bytes = sum(tensor.nbytes for tensor in weights.values())
        check_disk_space(unfinished, num_bytes, "choose another folder")
        write_tensors(weights, unfinished)
        tokenizer.save(unfinished)
        config = _official_config(model, tokenizer)
        atomic_write_json(unfinished / "config.json", config)


def _read_weights(model, folder, device, dtype, name):
    """The model's state dict from a folder, checked before it is read."""
    names = official_names(model)
    shapes = {names[n]: tuple(p.shape) for n, p in model.named_parameters()}
    stored = list_tensors(folder)
    check_tensors(stored, shapes)
    stored = {official: stored[official] for official in shapes}
    if dtype is None and all(t.dtype == "F32" for t in stored.values()):
        dtype = torch.float32
    dtype = pick_dtype(device, name, dtype)
    tensors = read_tensors(stored, device=device, dtype=dtype)
    return {ours: tensors[official] for ours, official in names.items()}


def _looks_like_a_path(name):
    """Whether a name means a folder, there or not, and not the Hub."""
    starts = ("/", ".", "~", "runs/", "runs\\")
    return name.startswith(starts) or Path(name).is_dir()


def _refuse_to_destroy(folder, overwrite):
    """Raise FileExistsError unless the folder is ours to replace."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / "config.json").is_file():
        raise FileExistsError(
            f"{folder} holds something else than a model; choose another "
            "folder"
        )
    if not overwrite:
        raise FileExistsError(
            f"{folder} holds a model already; choose another folder, or "
            "replace it with overwrite=True (--overwrite)"
        )


def _official_config(model, tokenizer):
    """The content of config.json, for transformers 4 and 5."""
    dtype = str(model.dtype).removeprefix("torch.")
    return model.config.to_hf() | {
        "dtype": dtype,
        "torch_dtype": dtype,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_id,
        "pad_token_id": tokenizer.pad_id,
    }
