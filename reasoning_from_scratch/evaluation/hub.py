"""Data files from the Hugging Face Hub, pinned when first downloaded.

A benchmark that changes under one's feet makes old and new numbers
incomparable. So the revision and the SHA-256 of each file are written down
(`pins.json` in the cache folder) at its first download; from then on that
revision is asked for, and a file with other content is refused until the
change is accepted.
"""

import hashlib
import json
import os
from pathlib import Path

from reasoning_from_scratch.files import atomic_write_json

ACCEPT_VARIABLE = "RFS_ACCEPT_CHANGED_DATA"


def cache_folder() -> Path:
    """Return where pins are kept: RFS_CACHE, or a folder under ~/.cache."""
    default = Path.home() / ".cache" / "reasoning_from_scratch"
    return Path(os.environ.get("RFS_CACHE") or default)


def fetch_file(
    repo_id: str, filename: str, *, accept_change: bool | None = None
) -> Path:
    """Download a file of a Hub dataset once and return its local path.

    Args:
        repo_id: dataset such as "openai/gsm8k".
        filename: path of the file inside the dataset.
        accept_change: take the Hub's current file and pin it anew; None
            reads the environment variable RFS_ACCEPT_CHANGED_DATA.

    Raises:
        FileNotFoundError: the Hub cannot be reached and nothing is cached,
            or it has no such file.
        ValueError: the file or its revision differs from the pinned one.
    """
    if accept_change is None:
        accept_change = os.environ.get(ACCEPT_VARIABLE, "0") == "1"
    key = f"{repo_id}/{filename}"
    pin = None if accept_change else _read_pins().get(key)
    revision = pin["revision"] if pin else "main"
    path = _download(repo_id, filename, revision, is_pinned=pin is not None)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if pin is None:
        # huggingface_hub stores snapshots/<commit>/<filename>
        commit = path.parts[-1 - len(Path(filename).parts)]
        new_pin = {"revision": commit, "sha256": digest}
        cache_folder().mkdir(parents=True, exist_ok=True)
        atomic_write_json(
            cache_folder() / "pins.json", {**_read_pins(), key: new_pin}
        )
    elif digest != pin["sha256"]:
        raise ValueError(
            f"{key} is not the file first downloaded (expected sha256 "
            f"{pin['sha256'][:12]}…, got {digest[:12]}…); delete {path} to "
            f"download it again, or set {ACCEPT_VARIABLE}=1 once to accept "
            "the change: results before and after are not comparable"
        )
    return path


def _read_pins() -> dict:
    """Return what was recorded so far, by dataset and file."""
    path = cache_folder() / "pins.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def _download(
    repo_id: str, filename: str, revision: str, *, is_pinned: bool
) -> Path:
    """Ask huggingface_hub for the file, in words a reader can act on."""
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(
            hf_hub_download(
                repo_id,
                filename,
                repo_type="dataset",
                revision=revision,
                endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )
    except (errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        if not is_pinned or isinstance(error, errors.LocalEntryNotFoundError):
            raise _unreachable(repo_id, filename) from error
        raise ValueError(
            f"the Hub no longer has revision {revision[:12]} of {repo_id} "
            f"with {filename}; set {ACCEPT_VARIABLE}=1 once to accept what "
            "it has now: results before and after are not comparable"
        ) from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise _unreachable(repo_id, filename) from error


def _unreachable(repo_id: str, filename: str) -> FileNotFoundError:
    """Say what can be done without the Hub."""
    return FileNotFoundError(
        f"could not get {filename} of {repo_id} from the Hugging Face Hub; "
        "connect to the network (or set HF_ENDPOINT to a mirror), use "
        "--problems pocketmath, which ships with the package, or give a "
        "JSONL file of your own"
    )
