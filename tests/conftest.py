"""What all tests share: one thread, no network, runs in a fresh folder."""

import os

# One thread: tiny matrices lose time to more, and sums keep their order.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "agg")
for name in ("RFS_MODEL", "RFS_RUNS"):
    os.environ.pop(name, None)

import pytest  # noqa: E402


@pytest.fixture
def runs_folder(tmp_path, monkeypatch):
    """An empty folder that the test's runs go to."""
    monkeypatch.setenv("RFS_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    """A `Qwen3Tokenizer` of 320 tokens, think tokens among them."""
    from tiny_checkpoints import write_tokenizer

    from reasoning_from_scratch.llm import Qwen3Tokenizer

    return Qwen3Tokenizer(write_tokenizer(tmp_path_factory.mktemp("t")))


@pytest.fixture(scope="session")
def model_folder(tokenizer, tmp_path_factory):
    """A folder that holds a tiny model with random weights."""
    from tiny import tiny_model

    from reasoning_from_scratch.llm import save_model

    folder = tmp_path_factory.mktemp("m") / "model"
    save_model(tiny_model(vocab_size=320), tokenizer, folder)
    return folder
