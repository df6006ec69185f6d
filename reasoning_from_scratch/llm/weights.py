"""Opening a model by name, and saving one for everybody.

Safetensors are mapped into memory: on a CPU a parameter *is* the file until
something writes to it, so a large model opens at once, without a second copy.
Other libraries open what `save_model` writes. Pickles are refused, but for
the tensors in the book's own files (`book_files`).
"""

import difflib
import math
import re
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from reasoning_from_scratch.device import pick_device, pick_dtype
from reasoning_from_scratch.files import (
    atomic_folder,
    atomic_write_json,
    read_json,
    unmapped,
)
from reasoning_from_scratch.runs import resolve_checkpoint, runs_root
from reasoning_from_scratch.settings import (
    BUILT_IN,
    SETTINGS,
    get_settings,
)

from . import quantization, qwen3
from .book_files import (
    is_book_file,
    open_book_tokenizer,
    read_book_config,
    read_state_dict,
)
from .config import Qwen3Config
from .hub import check_disk_space, download_model
from .qwen3 import Qwen3Model
from .tokenizer import Qwen3Tokenizer

ASSETS = Path(__file__).parent.parent / "pocket" / "assets"
# Short name -> Hub id
HUB_IDS = {n: row.hub_id for n, row in SETTINGS.items() if row.hub_id}
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def load_model(
    name_or_path="pocket",
    *,
    device=None,
    dtype=None,
    revision=None,
    weights=None,
):
    """Open a model and its tokenizer.

    Args:
        name_or_path: "pocket" or a sister, from the package; "qwen3-0.6b-base"
            or another key of SETTINGS, or any Hub id, downloaded once; a
            model folder, "runs/NAME" or a file such as
            "qwen3-0.6B-base.pth", never looked for on the network.
        dtype: a torch.dtype or its name; None keeps float32 weights as they
            are and else takes what suits model and device.
        revision: branch, tag or commit on the Hub.
        weights: "int8" or "int4" rounds the matrices (see `quantization`):
            faster and smaller on a CPU, for answering only.

    Raises:
        OSError: files are not to be had (FileNotFoundError, ConnectionError).
        ValueError: they are not those of a dense Qwen model, or there is no
            such device.
    """
    if weights is not None:
        quantization.check_format(weights)
    device = pick_device(device)
    folder = find_model_folder(name_or_path, revision)
    if is_book_file(folder):
        config = read_book_config(folder)
        tokenizer = open_book_tokenizer(folder)
    else:
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
    stored, names = _list_tensors(folder), official_names(model)
    _refuse_other_tensors(stored, names, model)
    kinds = {stored[name][-1] for name in names.values()}
    if dtype is None and kinds == {torch.float32}:
        dtype = torch.float32
    dtype = pick_dtype(device, str(name_or_path), dtype)
    tensors = _read_tensors(stored, names, device, dtype)
    model.load_state_dict(tensors, assign=True)
    model.settings_name = get_settings(name_or_path).name
    if weights is not None:
        quantization.quantize_model(model, weights)
    elif device.type == "cpu" and dtype == torch.bfloat16:
        qwen3.mv_is_faster = quantization.measure_mv(torch.get_num_threads())
    return model.eval(), tokenizer


def find_model_folder(name_or_path, revision=None):
    """The folder with a model's files, or the book's file.

    Only Hub names use the network.
    """
    name = str(name_or_path)
    if name in BUILT_IN:
        return ASSETS / name
    if is_book_file(name):
        return Path(name).expanduser()
    if (
        isinstance(name_or_path, Path)
        or name.startswith((".", "~", "runs/", "runs\\"))
        or Path(name).anchor  # "/" or "C:\\"
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


def _list_tensors(folder):
    """Official name -> (file, shape, dtype) of what a checkpoint holds."""
    stored = {}
    files = [folder] if is_book_file(folder) else _weight_files(folder)
    for path in files:
        with _open(path) as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                tensor = file.get_tensor(name)  # mapped: not yet read
                stored[name] = path, tensor.shape, tensor.dtype
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
    if outside := [file for file in files if Path(file).name != file]:
        raise ValueError(f"{index} names files outside its folder: {outside}")
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of {len(files)} shards: "
            f"{_some(missing)}; download or copy the folder again"
        )
    return [folder / file for file in files]


@contextmanager
def _open(path):
    """Map a file of weights; the header of safetensors must cover it."""
    if is_book_file(path):
        yield read_state_dict(path)
        return
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or corrupt ({error}); delete it and "
            "download or copy it again"
        ) from error


def _refuse_other_tensors(stored, names, model):
    """Raise ValueError where a checkpoint does not fit the model."""
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
        path, shape, dtype = stored[names[ours]]
        if shape != parameter.shape:
            raise ValueError(
                f"{names[ours]} has shape {tuple(shape)} in {path}, but "
                f"config.json asks for {tuple(parameter.shape)}; are both "
                "files from the same model?"
            )
        if dtype not in DTYPES:
            raise ValueError(
                f"{names[ours]} is stored as {dtype} in {path}: quantised "
                "checkpoints cannot be loaded; take its bfloat16 release"
            )


def _read_tensors(stored, names, device, dtype):
    """Bring the tensors of these names, ours -> official, into memory."""
    by_file = defaultdict(list)
    for ours, official in names.items():
        path, shape, kind = stored[official]
        by_file[path].append((-math.prod(shape), ours, official, kind))
    tensors = {}
    for path, group in by_file.items():
        # The largest first: what is converted is there twice for a moment
        group.sort()
        is_kept = {kind for *_, kind in group} == {dtype}
        # One by one the mapped file is let go in between
        is_whole = is_kept and device.type == "cpu"
        for part in [group] if is_whole else [[each] for each in group]:
            with _open(path) as file:
                for _, ours, official, _ in part:
                    tensor = unmapped(file.get_tensor(official))
                    tensors[ours] = tensor.to(device=device, dtype=dtype)
    return tensors


def _some(names, limit=4):
    """A few names of many, for an error message."""
    names = sorted(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more


# ---- Writing ----


def save_model(model, tokenizer, folder, *, overwrite=False):
    """Write a model folder in the official layout, all or nothing.

    Weights keep their dtype and come in shards of 5 GB where they are larger.
    `overwrite` replaces the model that is there.

    Raises:
        FileExistsError: the folder holds something that may not go.
        ValueError: the model's matrices are rounded.
        OSError: no room on the disk.
    """
    from huggingface_hub import save_torch_state_dict

    folder = Path(folder)
    _refuse_to_destroy(folder, overwrite)
    if quantization.is_quantized(model):
        raise ValueError(
            "a model loaded with weights= has rounded matrices, which other "
            "programs cannot read; save it as loaded without weights="
        )
    names = official_names(model)
    weights = {names[n]: p.detach() for n, p in model.named_parameters()}
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
    is_model = (folder / "config.json").is_file()
    if not folder.exists() or (is_model and overwrite):
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    held = "something else than a model; choose another folder"
    if is_model:
        held = (
            "a model already; choose another folder, or replace it with "
            "overwrite=True (--overwrite)"
        )
    raise FileExistsError(f"{folder} holds {held}")
