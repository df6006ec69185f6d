"""Opening a model by name, and saving one for everybody.

`load_model` finds the folder that a name means (built in, on disk, a run's
checkpoint, on the Hub) and fills a model from its safetensors: one file, or
shards that an index lists. Files are mapped into memory: on a CPU a parameter
*is* the mapped file until something writes to it, so a large model opens at
once and without a second copy. `save_model` writes the official layout, which
`transformers`, vLLM and llama.cpp open without our code. Pickles are refused.
"""

import difflib
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from reasoning_from_scratch.device import pick_device, pick_dtype
from reasoning_from_scratch.files import atomic_folder, atomic_write_json
from reasoning_from_scratch.runs import resolve_checkpoint, runs_root
from reasoning_from_scratch.settings import (
    BASE_SIZES,
    CHAT_SIZES,
    get_settings,
)

from .config import Qwen3Config, read_json
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
SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
DTYPES = {  # as a safetensors file calls them
    "F64": torch.float64,
    "F32": torch.float32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
}


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
        ValueError: they are not those of a dense Qwen3 model, or there is no
            such device.
    """
    device = pick_device(device)
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
    stored = _matching_tensors(_list_tensors(folder), model)
    if dtype is None and all(t.dtype == "F32" for t in stored.values()):
        dtype = torch.float32
    dtype = pick_dtype(device, str(name_or_path), dtype)
    weights = _read_tensors(stored, device, dtype)
    model.load_state_dict(weights, assign=True)
    model.settings_name = get_settings(name_or_path).name
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
    if (
        isinstance(name_or_path, Path)
        or name.startswith(("/", ".", "~", "runs/", "runs\\"))
        or Path(name).is_dir()
        or (runs_root() / name).is_dir()  # the bare name of a run
    ):
        return resolve_checkpoint(name_or_path)
    repo_id = HUB_IDS.get(name.lower(), name)
    if HUB_ID.fullmatch(repo_id):
        return download_model(repo_id, revision)
    known = [*BUILT_IN, *HUB_IDS]
    close = difflib.get_close_matches(name, known, n=1) or ["pocket"]
    raise ValueError(
        f"unknown model {name!r}; did you mean {close[0]!r}? Known names: "
        f"{', '.join(known)}; else give a folder or a Hub id 'owner/name'"
    )


def official_names(model):
    """Map each parameter's name to its name in the official checkpoint.

    Everything but the output projection stands under "model." there.

    >>> official_names(model)["norm.weight"]
    'model.norm.weight'
    """
    return {
        name: name if name.startswith("lm_head.") else f"model.{name}"
        for name, _ in model.named_parameters()
    }


# ---- Reading ----


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies, and its name, shape and type ("BF16") there."""

    path: Path
    name: str
    shape: tuple
    dtype: str


def _list_tensors(folder):
    """Official name -> `StoredTensor`, from the headers of a checkpoint."""
    stored = {}
    for path in _weight_files(folder):
        with _open(path) as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                view = file.get_slice(name)
                shape = tuple(view.get_shape())
                stored[name] = StoredTensor(
                    path, name, shape, view.get_dtype()
                )
    return stored


def _weight_files(folder):
    """The safetensors files of a checkpoint, all of them there."""
    if (folder / SINGLE_FILE).is_file():
        return [folder / SINGLE_FILE]
    index = folder / INDEX_FILE
    if not index.is_file():
        raise FileNotFoundError(
            f"no {SINGLE_FILE} and no {INDEX_FILE} in {folder}; only "
            "safetensors weights are read (pickled .bin files can run code)"
        )
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(
            f"{index} is not an index of shards (it has no weight_map); "
            "download it again"
        )
    files = sorted(set(map(str, weight_map.values())))
    for file in files:
        if Path(file).name != file:
            raise ValueError(
                f"{index} names a file outside its folder: {file}"
            )
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of {len(files)} shards: "
            f"{_some(missing)}; download or copy the folder again"
        )
    return [folder / file for file in files]


def _open(path):
    """Map a safetensors file; its header must cover it exactly."""
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or corrupt ({error}); delete it and "
            "download or copy it again"
        ) from error


def _matching_tensors(stored, model):
    """Our name -> `StoredTensor`, refusing what does not fit the model."""
    names = official_names(model)
    # Some tied checkpoints repeat the embedding under this name
    unexpected = stored.keys() - set(names.values()) - {"lm_head.weight"}
    missing = set(names.values()) - stored.keys()
    if missing or unexpected:
        raise ValueError(
            "the weights do not fit config.json: "
            f"missing {_some(missing)}; unexpected {_some(unexpected)}; "
            "are both files from the same model?"
        )
    for ours, parameter in model.named_parameters():
        tensor = stored[names[ours]]
        if tensor.shape != tuple(parameter.shape):
            raise ValueError(
                f"{tensor.name} has shape {tensor.shape} in {tensor.path}, "
                f"but config.json asks for {tuple(parameter.shape)}; are both "
                "files from the same model?"
            )
        if tensor.dtype not in DTYPES:
            raise ValueError(
                f"{tensor.name} is stored as {tensor.dtype} in {tensor.path}: "
                "quantised checkpoints cannot be loaded; take the model's "
                "bfloat16 release"
            )
    return {ours: stored[official] for ours, official in names.items()}


def _read_tensors(stored, device, dtype):
    """Bring tensors into memory, each in its place at once.

    On a CPU a tensor that is stored in `dtype` is not copied. Others are
    converted one at a time, the largest of a file first, and the mapped file
    is let go in between.
    """
    by_file = defaultdict(list)
    for name, tensor in stored.items():
        by_file[tensor.path].append(name)
    tensors = {}
    for path, names in by_file.items():
        names.sort(key=lambda name: -math.prod(stored[name].shape))
        is_kept = device.type == "cpu" and all(
            DTYPES[stored[name].dtype] == dtype for name in names
        )
        for group in [names] if is_kept else [[name] for name in names]:
            with _open(path) as file:
                for name in group:
                    tensor = file.get_tensor(stored[name].name)
                    tensors[name] = tensor.to(device=device, dtype=dtype)
    return tensors


def _some(names, limit=4):
    """A few names of many, for an error message."""
    names = sorted(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more


# ---- Writing ----


def save_model(model, tokenizer, folder, *, overwrite=False):
    """Write a model folder in the official layout, all or nothing.

    Args:
        model: a `Qwen3Model`; its weights are written in their own dtype,
            in shards of 5 GB where they are larger.
        tokenizer: its `Qwen3Tokenizer`.
        folder: where to; made when missing.
        overwrite: replace the model that is there.

    Raises:
        FileExistsError: the folder holds something that may not go.
        OSError: no room on the disk.
    """
    from huggingface_hub import save_torch_state_dict

    folder = Path(folder)
    _refuse_to_destroy(folder, overwrite)
    names = official_names(model)
    weights = {}
    for name, parameter in model.named_parameters():
        tensor = parameter.detach().cpu()
        if tensor.untyped_storage().nbytes() > tensor.nbytes:
            tensor = tensor.clone()  # a part of what `fused_step` joined
        weights[names[name]] = tensor
    dtype = str(model.dtype).removeprefix("torch.")
    config = model.config.to_hf() | {
        "dtype": dtype,  # transformers 5
        "torch_dtype": dtype,  # transformers 4
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_id,
        "pad_token_id": tokenizer.pad_id,
    }
    with atomic_folder(folder) as unfinished:
        num_bytes = sum(tensor.nbytes for tensor in weights.values())
        check_disk_space(unfinished, num_bytes, "choose another folder")
        save_torch_state_dict(weights, unfinished)
        tokenizer.save(unfinished)
        atomic_write_json(unfinished / "config.json", config)
        mode = (unfinished / "config.json").stat().st_mode
        for path in unfinished.glob("*.safetensors"):
            path.chmod(mode)  # the library's files only their owner reads


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
