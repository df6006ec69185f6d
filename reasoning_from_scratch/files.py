"""Writing files, folders and training state so that a kill leaves no half.

What is written goes under a hidden temporary name, is flushed to disk and
renamed. A path has one writer at a time. An optimizer's state is JSON for
the skeleton and safetensors for the tensors; no pickle.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import time
from pathlib import Path

STATE_JSON, STATE_TENSORS = "state.json", "state.safetensors"
# Seconds between tries on Windows, where a scanner may have the file open
PAUSES = (0.01, 0.1, 0.5, 2.0)


def atomic_write_text(path, text: str) -> None:
    """Replace a file as a whole: readers see the old text or the new."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        _flush_to_disk(temporary)
        replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_to_disk(path.parent)


def atomic_write_json(path, obj) -> None:
    """Write indented JSON, all or nothing."""
    atomic_write_text(path, as_json(obj, indent=2) + "\n")


def as_json(obj, *, indent=None) -> str:
    """Turn data, dataclasses and paths too, into JSON text.

    ASCII only: what a model wrote may hold code points UTF-8 cannot carry.
    """
    return json.dumps(obj, indent=indent, default=_plain)


def read_json(path, cure="copy or download it again") -> dict:
    """The object in a JSON file; an error names the file and the cure."""
    return parse_object(Path(path).read_bytes(), path, cure)


def parse_object(text: str | bytes, where, cure: str) -> dict:
    """The object that a text of JSON, from `where`, holds."""
    try:
        value = json.loads(text)
    except ValueError as error:  # also bytes that are no UTF-8
        raise ValueError(f"{where} is not JSON ({error}); {cure}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{where} is no JSON object; {cure}")
    return value


def _plain(value):
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    kind = type(value).__name__
    raise TypeError(f"{kind} cannot be written as JSON: {value!r:.80}")


@contextlib.contextmanager
def atomic_folder(path):
    """Yield a temporary folder that takes its place when the block succeeds.

    A folder already at `path` is replaced; an exception leaves it as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, replaced = recover_folder(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in [*temporary.rglob("*"), temporary]:
            _flush_to_disk(file)
        if path.exists():
            replace(path, replaced)
        replace(temporary, path)
    finally:
        recover_folder(path)
    _flush_to_disk(path.parent)


def recover_folder(path: Path) -> list[Path]:
    """Undo what a kill in `atomic_folder` left at its two hidden paths."""
    hidden = [path.with_name(f".{path.name}.{end}") for end in ("tmp", "old")]
    if hidden[1].exists() and not path.exists():
        replace(hidden[1], path)
    for leftover in hidden:
        shutil.rmtree(leftover, ignore_errors=True)
    return hidden


def replace(source, target) -> None:
    """os.replace, patient on Windows, which refuses what somebody reads."""
    for seconds in PAUSES if sys.platform == "win32" else ():
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(seconds)
    return os.replace(source, target)


def unmapped(tensor):
    """A tensor just read, without its hold on a file; Windows minds that."""
    return tensor.clone() if sys.platform == "win32" else tensor


def _flush_to_disk(path: Path) -> None:
    """fsync a file or, where the system can, a folder."""
    if path.is_dir() and sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---- Training state ----


def save_state(folder, tree) -> None:
    """Write a tree of dicts, lists, tuples, plain values and tensors."""
    from safetensors.torch import save_file

    folder, tensors = Path(folder), {}
    folder.mkdir(parents=True, exist_ok=True)
    skeleton = as_json(_pack(tree, tensors))
    save_file(tensors, folder / STATE_TENSORS)
    atomic_write_text(folder / STATE_JSON, skeleton)


def load_state(folder):
    """Read what `save_state` wrote, onto the CPU; ValueError: it is broken."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    def unpack(value):
        [(kind, content)] = value.items()
        if kind == "tensor":
            return unmapped(tensors[content])
        return tuple(content) if kind == "tuple" else dict(content)

    folder = Path(folder)
    try:
        tensors = load_file(folder / STATE_TENSORS)
        skeleton = (folder / STATE_JSON).read_text("utf-8")
        return json.loads(skeleton, object_hook=unpack)
    except (SafetensorError, ValueError, TypeError, LookupError) as error:
        raise ValueError(
            f"the training state in {folder} is broken ({error})"
        ) from None


def _pack(value, tensors: dict):
    """Turn a tree into JSON; its tensors move to `tensors` by number."""
    import torch

    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A copy: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):  # pairs: JSON's own keys are only strings
        return {"dict": [_pack(list(x), tensors) for x in value.items()]}
    if not isinstance(value, list | tuple):
        return value
    items = [_pack(item, tensors) for item in value]
    return items if isinstance(value, list) else {"tuple": items}
