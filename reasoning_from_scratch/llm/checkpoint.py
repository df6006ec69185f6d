"""Weights on disk: the official safetensors files, read and written.

A checkpoint is one `model.safetensors`, or shards of it that an index file
lists. Reading maps the files into memory: on a CPU a parameter *is* the
mapped file until something writes to it, so there is no second copy and a
large model opens at once. Everything is checked against the model's shapes
before the first weight is touched. Pickled checkpoints are refused.

Source: the safetensors format, github.com/huggingface/safetensors.
"""

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
SHARD_BYTES = 5_000_000_000  # the Hub's usual limit for one file
FLOAT_TYPES = ("F64", "F32", "BF16", "F16")


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
