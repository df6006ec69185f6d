"""Writing files and folders so that a kill cannot leave half of one.

What is written goes under a hidden temporary name, is flushed to disk and
renamed. A path has one writer at a time.
"""

import contextlib
import dataclasses
import json
import os
import shutil
from pathlib import Path


def atomic_write_text(path, text: str) -> None:
    """Replace a file as a whole: readers see the old text or the new."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_to_disk(path.parent)


def atomic_write_json(path, obj) -> None:
    """Write indented JSON, all or nothing."""
    atomic_write_text(path, as_json(obj, indent=2) + "\n")


def as_json(obj, *, indent=None) -> str:
    """Turn data into JSON text; dataclasses become objects, paths strings.

    ASCII only: what a model wrote may hold code points UTF-8 cannot carry.
    """
    return json.dumps(obj, indent=indent, default=_plain)


@contextlib.contextmanager
def atomic_folder(path):
    """Yield a temporary folder that takes its place when the block succeeds.

    A folder already at `path` is replaced; an exception leaves it as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    replaced = path.with_name(f".{path.name}.old")
    recover_folder(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in [*temporary.rglob("*"), temporary]:
            _flush_to_disk(file)
        if path.exists():
            os.replace(path, replaced)
        os.replace(temporary, path)
    finally:
        recover_folder(path)
    _flush_to_disk(path.parent)


def recover_folder(path: Path) -> None:
    """Undo what a kill in the middle of `atomic_folder` left behind."""
    replaced = path.with_name(f".{path.name}.old")
    if replaced.exists() and not path.exists():
        os.replace(replaced, path)
    for leftover in (replaced, path.with_name(f".{path.name}.tmp")):
        shutil.rmtree(leftover, ignore_errors=True)


def _flush_to_disk(path: Path) -> None:
    """fsync a file or, where the system can, a folder."""
    if path.is_dir() and os.name == "nt":
        return
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(value):
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(
        f"{type(value).__name__} cannot be written as JSON: {value!r:.80}"
    )
