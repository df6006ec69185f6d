"""Fetching a model from the Hugging Face Hub.

Files go to the Hub library's own cache, and its settings hold (HF_HUB_OFFLINE,
HF_ENDPOINT, HF_HOME). Weights are fetched here, into one partial file: a
download that was killed goes on where it stopped, to the right checksum.
"""

import contextlib
import errno
import hashlib
import shutil
from pathlib import Path

from reasoning_from_scratch.files import replace

from .config import Qwen3Config

FILES = ["*config.json", "tokenizer.json", "chat_template.jinja"]
FILES += ["model*.safetensors*"]  # shards and their index too
SUBFOLDERS = ["*/*"]  # other formats of the same weights


def download_model(repo_id, revision=None):
    """Fetch what the cache lacks of "owner/name" -> the model's folder."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import DryRunError

    model = {"repo_id": repo_id, "revision": revision}
    wanted = {**model, "allow_patterns": FILES, "ignore_patterns": SUBFOLDERS}
    with _explained_errors(repo_id, revision):
        # Refuse another architecture before the gigabytes come
        folder = snapshot_download(**model, allow_patterns="config.json")
        Qwen3Config.from_hf(Path(folder))
        try:
            files = snapshot_download(**wanted, dry_run=True)
        except DryRunError:  # no network: let the cache answer
            files = []
        files = [file for file in files if file.will_download]
        needed = sum(file.file_size for file in files)
        cache = Path(constants.HF_HUB_CACHE)
        cache.mkdir(parents=True, exist_ok=True)
        check_disk_space(cache, needed, "set HF_HOME to another disk")
        for file in files:
            if file.filename.endswith(".safetensors"):
                _fetch_weights(repo_id, file)
        return Path(snapshot_download(**wanted))


def check_disk_space(folder, needed, advice):
    """Raise OSError when a disk has not the bytes that are needed."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{needed / 1e9:.2f} GB are needed in {folder}, but only "
            f"{free / 1e9:.2f} GB are free; make room, or {advice}",
        )


def _fetch_weights(repo_id, file):
    """Download one weight file into the cache, from where it stopped."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get, repo_folder_name
    from huggingface_hub.utils import WeakFileLock, build_hf_headers

    url = hf_hub_url(repo_id, file.filename, revision=file.commit_hash)
    checksum = get_hf_file_metadata(url).etag
    # The cache: MODEL/snapshots/COMMIT/FILE is a link to MODEL/blobs/CHECKSUM
    name = repo_folder_name(repo_id=repo_id, repo_type="model")
    model = Path(constants.HF_HUB_CACHE) / name
    blob = model / "blobs" / checksum
    partial = blob.with_name(f"{checksum}.incomplete")
    lock = model.parent / ".locks" / model.name / f"{checksum}.lock"
    for path in (blob, lock):
        path.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if blob.exists():  # another process was quicker
            return
        with open(partial, "ab") as target:
            if (size := target.tell()) < file.file_size:
                # Compressed bytes could not be resumed
                headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
                http_get(url, target, resume_size=size, headers=headers)
        size = partial.stat().st_size
        if size < file.file_size:
            raise OSError(
                f"{file.filename} is truncated: {size:,} of "
                f"{file.file_size:,} bytes arrived; run this again, the "
                "download resumes"
            )
        with open(partial, "rb") as source:
            found = hashlib.file_digest(source, "sha256").hexdigest()
        if len(checksum) == len(found) and checksum != found:
            partial.unlink()
            raise OSError(
                f"checksum of {file.filename} differs (expected "
                f"{checksum[:8]}…, got {found[:8]}…); the file was deleted, "
                "download it again"
            )
        replace(partial, blob)


@contextlib.contextmanager
def _explained_errors(repo_id, revision):
    """Turn the Hub library's errors into what the reader can do."""
    from huggingface_hub import constants, errors

    endpoint = constants.ENDPOINT
    offline = (
        f"{repo_id} is not wholly in the cache and {endpoint} cannot be "
        "reached. Go online and run this again (a broken download resumes), "
        "unset HF_HUB_OFFLINE, set HF_ENDPOINT to a mirror, or copy the "
        "model's folder from another machine and pass its path"
    )
    try:
        yield
    except errors.GatedRepoError as error:
        raise PermissionError(
            f"{repo_id} asks for consent: accept its terms at "
            f"{endpoint}/{repo_id} and log in with `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{endpoint} has no model {repo_id!r}; check the name, or log in "
            "with `hf auth login` if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(
            f"{repo_id} has no revision {revision!r}; leave it out for the "
            "main branch"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise ConnectionError(offline) from error
    except errors.HTTPError as error:
        raise ConnectionError(f"{offline} ({error})") from error


def upload_model(folder, repo_id):
    """Upload a model folder, private if it is new -> its page's address."""
    from huggingface_hub import HfApi, errors

    try:
        hub = HfApi()
        page = hub.create_repo(repo_id, private=True, exist_ok=True)
        hub.upload_folder(repo_id=repo_id, folder_path=folder)
    except (errors.HTTPError, errors.OfflineModeIsEnabled) as error:
        raise ConnectionError(
            f"{folder} is complete, but uploading it to {repo_id} failed: "
            f"{error}. Log in with `hf auth login`, then "
            f"`hf upload {repo_id} {folder}`"
        ) from error
    return str(page)
