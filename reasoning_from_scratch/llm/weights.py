"""Opening a model by name, and saving one for everybody.

`load_model` finds the folder that a name means (built in, on disk, a run's
checkpoint, on the Hub) and fills a model from it; `save_model` writes the
official layout, which `transformers`, vLLM and llama.cpp open without our
code. `checkpoint` knows the files, `hub` the network.
"""

import difflib
import json
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from reasoning_from_scratch.device import pick_device, pick_dtype
from reasoning_from_scratch.files import atomic_folder, atomic_write_json
from reasoning_from_scratch.runs import resolve_checkpoint, runs_root
from reasoning_from_scratch.settings import BASE_SIZES, CHAT_SIZES

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
SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
SHARD_BYTES = 5_000_000_000  # the Hub's usual limit for one file
FLOAT_TYPES = ("F64", "F32", "BF16", "F16")
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
    return (
        name.startswith(starts)
        or Path(name).is_dir()
        or (runs_root() / name).is_dir()  # the bare name of a run
    )


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


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies, and its shape and type there (e.g. "BF16")."""

    path: Path
    shape: tuple
    dtype: str


def list_tensors(folder):
    """Read the headers of a checkpoint.

    Returns:
        dict from official name to `StoredTensor`.

    Raises:
        FileNotFoundError: no weights, or a shard is missing.
        ValueError: a file that is truncated or corrupt.
    """
    stored = {}
    for path in _weight_files(Path(folder)):
        with _open(path) as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                view = file.get_slice(name)
                shape = tuple(view.get_shape())
                stored[name] = StoredTensor(path, shape, view.get_dtype())
    return stored


def check_tensors(stored, expected):
    """Compare what is stored with what the model needs.

    Args:
        stored: from `list_tensors`.
        expected: dict from official name to shape.

    Raises:
        ValueError: missing, unexpected, misshapen or quantised tensors.
    """
    # Some tied checkpoints repeat the embedding under this name
    unexpected = stored.keys() - expected.keys() - {"lm_head.weight"}
    missing = expected.keys() - stored.keys()
    if missing or unexpected:
        raise ValueError(
            "the weights do not fit config.json: "
            f"missing {_some(missing)}; unexpected {_some(unexpected)}; "
            "are both files from the same model?"
        )
    for name, shape in expected.items():
        tensor = stored[name]
        if tensor.shape != tuple(shape):
            raise ValueError(
                f"{name} has shape {tensor.shape} in {tensor.path}, but "
                f"config.json asks for {tuple(shape)}; are both files from "
                "the same model?"
            )
        if tensor.dtype not in FLOAT_TYPES:
            raise ValueError(
                f"{name} is stored as {tensor.dtype} in {tensor.path}: "
                "quantised checkpoints cannot be loaded; take the model's "
                "bfloat16 release"
            )


def read_tensors(stored, *, device, dtype):
    """Bring tensors into memory, each in its place at once.

    Args:
        stored: dict from name to `StoredTensor`.
        device, dtype: what every tensor is wanted in.

    Returns:
        dict from name to tensor. On a CPU a tensor that is stored in `dtype`
        is not copied; others are converted one at a time, the largest of a
        file first, and the mapped file is let go in between.
    """
    by_file = defaultdict(list)
    for name, tensor in stored.items():
        by_file[tensor.path].append(name)
    tensors = {}
    for path, names in by_file.items():
        names.sort(key=lambda name: -math.prod(stored[name].shape))
        is_stored_so = device.type == "cpu" and _holds(stored, names, dtype)
        for group in [names] if is_stored_so else [[name] for name in names]:
            with _open(path) as file:
                for name in group:
                    tensor = file.get_tensor(name)
                    tensors[name] = tensor.to(device=device, dtype=dtype)
    return tensors


def write_tensors(tensors, folder, *, shard_bytes=SHARD_BYTES):
    """Write a checkpoint: one file, or shards and an index beyond the limit.

    Args:
        tensors: dict from official name to tensor.
        folder: an existing folder.
        shard_bytes: most bytes in a file (a larger tensor gets its own).
    """
    shards = _split(tensors, shard_bytes)
    count = len(shards)
    weight_map = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{count:05}.safetensors"
        file = SINGLE_FILE if count == 1 else file
        shard = {name: tensors[name].detach().contiguous() for name in names}
        _save_file(shard, Path(folder) / file)
        weight_map |= dict.fromkeys(names, file)
    if count > 1:
        total_size = sum(tensor.nbytes for tensor in tensors.values())
        index = {
            "metadata": {"total_size": total_size},
            "weight_map": weight_map,
        }
        text = json.dumps(index, indent=2) + "\n"
        (Path(folder) / INDEX_FILE).write_text(text, encoding="utf-8")


def _save_file(shard, path):
    """Write one file, readable by whom the system's settings say."""
    path.touch()
    mode = path.stat().st_mode
    save_file(shard, path, metadata={"format": "pt"})
    path.chmod(mode)  # the library makes files that only their owner reads


def _split(tensors, shard_bytes):
    """Part the names into shards, in order."""
    shards, size = [[]], 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += tensor.nbytes
    return shards


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
    files = _files_of_index(index)
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of {len(files)} shards: "
            f"{_some(missing)}; download or copy the folder again"
        )
    return [folder / file for file in files]


def _files_of_index(index):
    """The file names an index lists, in order; none outside its folder."""
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))[
            "weight_map"
        ]
        files = sorted(set(weight_map.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{index} is not an index of shards ({error!r}); download it again"
        ) from error
    for file in files:
        if Path(file).name != file:
            raise ValueError(
                f"{index} names a file outside its folder: {file}"
            )
    return files


def _open(path):
    """Map a safetensors file; its header must cover it exactly."""
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or corrupt ({error}); delete it and "
            "download or copy it again"
        ) from error


def _holds(stored, names, dtype):
    """Whether these tensors are all stored in a torch dtype."""
    stored_as = {
        "torch.float64": "F64",
        "torch.float32": "F32",
        "torch.bfloat16": "BF16",
        "torch.float16": "F16",
    }[str(dtype)]
    return all(stored[name].dtype == stored_as for name in names)


def _some(names, limit=4):
    """A few names of many, for an error message."""
    names = sorted(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more
