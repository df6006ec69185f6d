"""Run folders: what a long job leaves behind, and how it goes on after a kill.

    runs/NAME/config.json           the settings the run was started with
              metrics.jsonl …       one JSON object a line, appended
              best.json             the best step by validation
              checkpoints/step_N/   the model in the official layout, and
                  training_state/   optimizer, random numbers, data cursor

One process writes in a run; the system's lock ends with it, however it ends.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import time
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

from reasoning_from_scratch.files import (
    as_json,
    atomic_folder,
    atomic_write_json,
    atomic_write_text,
    load_state,
    parse_object,
    read_json,
    recover_folder,
    replace,
    save_state,
)

STEP = re.compile(r"step_(\d+)")
RUN_NAME = re.compile(r"\w([\w.-]*[\w-])?")
# Windows keeps these names, with any ending, for devices
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|(com|lpt)[\d¹²³])(\..*)?")
LOCK, HOLDER, METRICS = ".lock", ".holder.json", "metrics.jsonl"
CURE = "restore it from a copy, or start another --run"


def runs_root() -> Path:
    """The folder that holds all runs: RFS_RUNS, else ./runs."""
    return Path(os.environ.get("RFS_RUNS") or "runs")


class RunFolder:
    """One job's folder, `path`, and the settings it was started with."""

    def __init__(self, path, config: dict, lock: FileLock | None = None):
        self.path, self.config = Path(path), config
        self._lock = lock  # let go of with this object, or with the process

    @classmethod
    def create(
        cls,
        name,
        config,
        *,
        root=None,
        resume=False,
        shared=False,
        changeable=(),
    ):
        """Start a run, or go on with one of the same settings.

        Settings in `changeable` may be new, and are then written down. A run
        that another process works in is refused, but for `shared` ones.
        """
        path = cls.check_name(name, root=root, resume=resume)
        path.mkdir(parents=True, exist_ok=True)
        lock = None if shared else _lock(path)
        config = json.loads(as_json(config))  # as it will be read back
        run = cls(path, config, lock)
        begun = cls.open(path).config if _is_begun(path) else None
        if begun is not None:
            _refuse_other_settings(path, begun, config, changeable)
            run._clear_up()
        if begun != config:
            run.write_json("config.json", config)
        return run

    @staticmethod
    def check_name(name, *, root=None, resume=False) -> Path:
        """Raise what `create` would about a name, and create nothing."""
        root = Path(root or runs_root())
        if not RUN_NAME.fullmatch(name) or RESERVED.fullmatch(name):
            raise ValueError(
                f"a run is named by letters, digits, '.', '-' and '_', and "
                f"not like a device of Windows, got {name!r}"
            )
        if root.exists() and not root.is_dir():
            raise NotADirectoryError(
                f"{root} is no folder, so no run can go there; set RFS_RUNS"
            )
        if _is_begun(root / name) and not resume:
            raise FileExistsError(
                f"{root / name} exists; add --resume to go on with it, or "
                "choose another --run name"
            )
        return root / name

    @classmethod
    def numbered(cls, prefix, config):
        """Start the next of `prefix`-1, `prefix`-2, …"""
        for number in count(1):
            with contextlib.suppress(FileExistsError):
                return cls.create(f"{prefix}-{number}", config)

    @classmethod
    def open(cls, path):
        """Open a run that exists, to read in it."""
        config = Path(path) / "config.json"
        if not config.is_file():
            raise FileNotFoundError(f"{path} is no run: {config} is missing")
        return cls(path, read_json(config, CURE))

    # ---- JSON, by the line and whole ----

    def append(self, file, row: dict) -> None:
        """Add one JSON line; it is with the system when this returns."""
        with open(self.path / file, "ab") as lines:
            lines.write(as_json(row).encode() + b"\n")

    def read(self, file) -> list[dict]:
        """Read the whole lines; a last line cut by a kill is left out."""
        path = self.path / file
        content = path.read_bytes() if path.exists() else b""
        return [
            parse_object(line, f"{path}, line {number}", CURE)
            for number, line in enumerate(content.split(b"\n")[:-1], start=1)
        ]

    def rewrite(self, file, rows) -> None:
        """Replace a file of JSON lines as a whole."""
        text = "".join(as_json(row) + "\n" for row in rows)
        atomic_write_text(self.path / file, text)

    def write_json(self, file, obj) -> None:
        """Write one JSON document, all or nothing."""
        atomic_write_json(self.path / file, obj)

    def read_json(self, file) -> dict:
        """Read one JSON object."""
        return read_json(self.path / file, CURE)

    def _clear_up(self) -> None:
        """Mend what a kill left: half a line, a folder half replaced."""
        for path in self.path.glob("*.jsonl"):
            content = path.read_bytes()
            if not content.endswith(b"\n"):
                os.truncate(path, content.rfind(b"\n") + 1)
        for leftover in (self.path / "checkpoints").glob(".step_*"):
            recover_folder(leftover.with_name(leftover.stem[1:]))

    # ---- Checkpoints ----

    def checkpoint_path(self, step: int) -> Path:
        """The folder of a step, there or not."""
        return self.path / "checkpoints" / f"step_{step}"

    def checkpoint_steps(self) -> list[int]:
        """List the steps saved, in order."""
        folders = (self.path / "checkpoints").glob("step_*")
        matches = [STEP.fullmatch(folder.name) for folder in folders]
        return sorted(int(match[1]) for match in matches if match)

    def save_checkpoint(self, step: int, save_model, state) -> Path:
        """Let `save_model` write a folder, add the state: both or nothing."""
        path = self.checkpoint_path(step)
        with atomic_folder(path) as folder:
            save_model(folder)
            save_state(folder / "training_state", state)
            rows = {METRICS: self._count_rows(step)}
            atomic_write_json(folder / "training_state/rows.json", rows)
        return path

    def load_checkpoint_state(self, step: int):
        """Read the tree that was saved with a step, if its rows are there."""
        folder = self.checkpoint_path(step) / "training_state"
        try:
            state = load_state(folder)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{error}; delete {folder.parent}, and --resume goes on from "
                "the checkpoint before, or from the start"
            ) from None
        expected = read_json(folder / "rows.json", CURE).get(METRICS)
        found = self._count_rows(step)
        if found != expected:
            raise ValueError(
                f"{self.path / METRICS} has {found} rows up to step "
                f"{step}, but {expected} when that step was saved; {CURE}"
            )
        return state

    def _count_rows(self, step: int) -> int:
        return sum(row.get("step", 0) <= step for row in self.read(METRICS))

    def prune_checkpoints(self, keep: set[int]) -> None:
        """Delete the checkpoints of all steps but those in `keep`."""
        for step in set(self.checkpoint_steps()) - set(keep):
            path = self.checkpoint_path(step)
            # Out of sight first, so that a kill leaves no half checkpoint.
            doomed = path.with_name(f".{path.name}.tmp")
            with contextlib.suppress(PermissionError):  # held: next time
                replace(path, doomed)
                shutil.rmtree(doomed)

    def set_best(self, step: int, value: float) -> None:
        """Note the step that validation liked best."""
        self.write_json("best.json", {"step": step, "value": value})

    def best_step(self) -> int | None:
        """The step noted by `set_best`, if any."""
        path = self.path / "best.json"
        if not path.exists():
            return None
        cure = "delete it, and the last checkpoint counts as the best"
        step = read_json(path, cure).get("step")
        if not isinstance(step, int):
            raise ValueError(f"{path} names no step; {cure}")
        return step


# ---- Finding a run ----


def find_run(name_or_path) -> Path:
    """Find a run's folder by its name, by runs/NAME or by its path."""
    wanted = f"run {str(name_or_path)!r} (a folder with a config.json)"
    return _first_there(name_or_path, wanted, ["config.json"]).parent


def find_file(name_or_path, file) -> Path:
    """Find a file by its path, or the one called `file` in a run."""
    return _first_there(name_or_path, file, ["", file])


def resolve_checkpoint(path) -> Path:
    """The model folder that a path means: any but a run's means itself.

    A run's is its best checkpoint by validation, if there is one, or the last.
    """
    folder = _first_there(path, "model or run folder", ["."], Path.is_dir)
    run = RunFolder(folder, {})
    if steps := run.checkpoint_steps():
        best = run.best_step()
        return run.checkpoint_path(best if best in steps else steps[-1])
    if any(folder.glob("*.jsonl")) or (folder / "checkpoints").is_dir():
        raise FileNotFoundError(
            f"{folder} is a run that holds no model: it trained none, or "
            "has not reached its first checkpoint"
        )
    return folder


def _first_there(name_or_path, wanted, files, is_it=Path.is_file) -> Path:
    """The first of some files where a run of this name or path may be.

    A bare name and runs/NAME mean the run of that name wherever
    `runs_root()` is, else a folder here; any other path means itself.
    """
    path = Path(name_or_path).expanduser()
    folders, (first, *rest) = [path], path.parts or ("",)
    if rest and first == "runs":
        folders.insert(0, runs_root().joinpath(*rest))
    elif not rest and RUN_NAME.fullmatch(first):
        folders.insert(0, runs_root() / path)
    for place in (folder / file for folder in folders for file in files):
        if is_it(place):
            return place
    tried = " nor at ".join(dict.fromkeys(map(str, folders)))
    raise FileNotFoundError(f"no {wanted} at {tried}")


# ---- What may go wrong ----


def _is_begun(path: Path) -> bool:
    """Whether there is more than what a start that was cut short leaves."""
    return path.is_file() or any(path.glob("[!.]*"))


def _lock(path: Path) -> FileLock:
    """Take the run for this process; its threads and objects share it."""
    path = path.absolute()
    lock = FileLock(path / LOCK, is_singleton=True, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = "another process"
        with contextlib.suppress(OSError, ValueError):
            who = read_json(path / HOLDER).get("name", who)
        raise FileExistsError(
            f"{path} is in use by {who}; wait for it, or choose another "
            "--run name"
        ) from None
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    name = f"process {os.getpid()} on {socket.gethostname()} since {since}"
    atomic_write_json(path / HOLDER, {"name": name})
    return lock


def _refuse_other_settings(path, old: dict, config: dict, changeable) -> None:
    differing = [
        f"{key} (was {old.get(key)!r}, now {config.get(key)!r})"
        for key in sorted((old.keys() | config.keys()) - set(changeable))
        if old.get(key) != config.get(key)
    ]
    if differing:
        raise ValueError(
            f"{path} was started with other settings: "
            f"{', '.join(differing)}; repeat them to resume, or choose "
            "another --run name"
        )
