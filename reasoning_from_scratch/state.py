"""Training state on disk: optimizers, random numbers, cursors; no pickle.

A nested tree becomes state.json (its skeleton) and state.safetensors (its
tensors, numbered). Numbers come back exactly: JSON keeps a float's shortest
text that reads back as the same float.
"""

import json
from pathlib import Path

from reasoning_from_scratch.files import atomic_write_json

STATE_JSON = "state.json"
STATE_TENSORS = "state.safetensors"


def save_state(folder, tree) -> None:
    """Write a nested state as state.json and state.safetensors.

    Args:
        folder: created if missing; for an all-or-nothing write, a folder
            inside `atomic_folder`.
        tree: dicts (keys str, int, …), lists, tuples, None, bool, int,
            float, str and tensors, nested at will.

    Raises:
        TypeError: any other type; the message says where it sits.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    skeleton = _pack(tree, tensors, "state")
    save_file(tensors, folder / STATE_TENSORS)
    atomic_write_json(folder / STATE_JSON, skeleton)


def load_state(folder):
    """Read what `save_state` wrote; tensors come back on the CPU."""
    from safetensors.torch import load_file

    folder = Path(folder)
    tensors = load_file(folder / STATE_TENSORS)
    return _unpack(json.loads((folder / STATE_JSON).read_text()), tensors)


def _pack(value, tensors: dict, where: str):
    """Turn a tree into JSON; its tensors move to `tensors` by number."""
    import torch

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A copy: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        items = [
            [_pack(key, {}, where), _pack(item, tensors, f"{where}[{key!r}]")]
            for key, item in value.items()
        ]
        return {"dict": items}  # pairs: JSON's own keys are only strings
    if isinstance(value, list | tuple):
        items = [
            _pack(item, tensors, f"{where}[{index}]")
            for index, item in enumerate(value)
        ]
        return items if isinstance(value, list) else {"tuple": items}
    raise TypeError(
        f"{where} is a {type(value).__name__}; save_state takes dicts, lists, "
        "tuples, numbers, strings, None and tensors"
    )


def _unpack(value, tensors: dict):
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_unpack(item, tensors) for item in content)
    return {_unpack(k, tensors): _unpack(v, tensors) for k, v in content}
