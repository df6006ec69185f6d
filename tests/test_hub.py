"""Downloads, against a stand-in for the Hub on the loopback.

Each download is a process of its own, as its settings are read from the
environment once, and as one of them is killed.
"""

import shutil
import subprocess
import sys
import time

import pytest
import torch
from hub_standin import HubStandin
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file
from tiny import tiny_config
from tiny_checkpoints import write_sparse_checkpoint

from reasoning_from_scratch.llm import load_model

REPOSITORY = "acme/tiny"
WEIGHTS = "model.safetensors"
DOWNLOAD = """
import sys
from reasoning_from_scratch.llm.hub import download_model
try:
    print(download_model(sys.argv[1], *sys.argv[2:]))
except (OSError, ValueError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def start(hub, home, *arguments, **settings):
    """Start a download; keyword arguments set environment variables."""
    return subprocess.Popen(
        [sys.executable, "-c", DOWNLOAD, REPOSITORY, *arguments],
        env=hub.environment(home, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def download(*arguments, **settings):
    """Finish a download: (the folder or "", what was complained of)."""
    out, err = start(*arguments, **settings).communicate(timeout=120)
    return out.strip(), err


@pytest.fixture
def hub(tmp_path, model_folder):
    """A Hub whose copy of a tiny model may be changed."""
    folder = shutil.copytree(model_folder, tmp_path / "repository")
    with HubStandin(folder).serving() as standin:
        yield standin


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def partial_size(home):
    sizes = [p.stat().st_size for p in home.rglob("*.incomplete")]
    return max(sizes, default=0)


def test_a_model_is_downloaded_once_and_opens(hub, home, monkeypatch):
    folder, _ = download(hub, home)
    model, _ = load_model(folder, device="cpu")
    stored = load_file(hub.folder / WEIGHTS)["model.norm.weight"]
    assert torch.equal(model.norm.weight, stored)
    assert download(hub, home)[0] == folder
    assert len(hub.fetched(WEIGHTS)) == 1
    num_requests = len(hub.requests)
    assert download(hub, home, HF_HUB_OFFLINE="1")[0] == folder
    # Nor does a folder on disk ask
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    load_model(hub.folder, device="cpu")
    assert len(hub.requests) == num_requests


@pytest.mark.parametrize(
    "settings",
    # Port 9 discards: nothing listens there
    [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}],
    ids=["offline", "no network"],
)
def test_without_the_hub_it_is_said_what_to_do(hub, home, settings):
    _, complaint = download(hub, home, **settings)
    assert complaint.startswith("ConnectionError")
    assert "unset HF_HUB_OFFLINE" in complaint
    assert "pass its path" in complaint


def test_a_killed_download_resumes_where_it_stopped(hub, home):
    # 51 MB; the Hub library writes in pieces of 10 MiB
    config = tiny_config(vocab_size=100_000, hidden_size=256, num_layers=1)
    write_sparse_checkpoint(hub.folder, config)
    hub.stall_after = 25_000_000
    process = start(hub, home)
    deadline = time.monotonic() + 60
    while partial_size(home) < 20_000_000:
        assert time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.05)
    process.kill()
    process.communicate()
    size = partial_size(home)
    hub.stall_after = None
    folder, complaint = download(hub, home)
    assert complaint == ""
    assert hub.fetched(WEIGHTS) == [None, f"bytes={size}-"]
    load_model(folder, device="cpu")
    assert partial_size(home) == 0  # nothing half-written stays


def test_a_truncated_or_damaged_file_is_named_and_mended(hub, home):
    tensors = load_file(hub.folder / WEIGHTS)
    (hub.folder / WEIGHTS).unlink()
    save_torch_state_dict(tensors, hub.folder, max_shard_size=20_000)
    shard = sorted(hub.folder.glob("model-*"))[1]
    content = shard.read_bytes()
    hub.contents[shard.name] = content[:-1000]
    folder, complaint = download(hub, home)
    assert folder == ""
    assert f"{shard.name} is truncated" in complaint
    assert "resumes" in complaint
    # What comes in its place is wrong: it is told by its checksum, deleted
    hub.contents[shard.name] = content[:-1] + b"\x7f"
    assert f"checksum of {shard.name} differs" in download(hub, home)[1]
    assert partial_size(home) == 0
    hub.contents.clear()
    load_model(download(hub, home)[0], device="cpu")


def test_too_small_a_disk_is_noticed_before_the_download(hub, home):
    hub.sizes[WEIGHTS] = 10**18
    _, complaint = download(hub, home)
    assert "1000000000.00 GB are needed" in complaint
    assert "HF_HOME" in complaint
    assert hub.fetched(WEIGHTS) == []


def test_what_is_no_model_of_ours_is_refused_before_the_download(hub, home):
    (hub.folder / "config.json").write_text('{"model_type": "llama"}', "utf-8")
    assert "'llama'" in download(hub, home)[1]
    (hub.folder / "config.json").unlink()
    assert "no config.json" in download(hub, home / "other")[1]
    assert hub.fetched(WEIGHTS) == []


@pytest.mark.parametrize(
    ("status", "code", "complaint"),
    [
        (404, "RepoNotFound", "has no model 'acme/tiny'"),
        (403, "GatedRepo", "accept its terms"),
        (404, "RevisionNotFound", "has no revision 'v2'"),
    ],
)
def test_what_the_hub_refuses_is_explained(hub, home, status, code, complaint):
    hub.error = status, code
    assert complaint in download(hub, home, "v2")[1]
