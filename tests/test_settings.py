"""The table of models: which row a name gets, and what fast changes."""

import re

import pytest
from tiny import table

from reasoning_from_scratch.files import atomic_write_json
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import SETTINGS, get_settings, is_pocket


def row_of(name=None):
    return get_settings(name, fast=False).name


@pytest.mark.parametrize(("name", "row"), table("model_names").items())
def test_a_name_gets_the_row_of_its_family(name, row):
    assert get_settings(name, fast=False) == SETTINGS[row]
    assert is_pocket(name) == row.startswith("pocket")
    is_base = "base" in row or row == "qwen2.5-7b" or is_pocket(row)
    assert SETTINGS[row].is_chat != is_base


def test_the_environment_names_the_model_and_makes_it_fast(monkeypatch):
    assert row_of() == "pocket"
    monkeypatch.setenv("RFS_MODEL", "qwen3-1.7b")
    assert row_of() == "qwen3-1.7b"
    monkeypatch.setenv("RFS_FAST", "1")
    fast, full = get_settings("pocket"), get_settings("pocket", fast=False)
    assert (fast.num_test_problems, full.num_test_problems) == (24, 2000)
    assert fast.grpo.steps < full.grpo.steps
    assert fast.prompts == full.prompts
    assert fast.grpo.learning_rate == full.grpo.learning_rate


def test_a_run_gets_the_row_of_the_model_it_started_from(runs_folder):
    # mine went on from first, which began with Qwen3
    first = RunFolder.create("first", {"model": "qwen3-0.6b-base"})
    RunFolder.create("mine", {"model": "runs/first"})
    RunFolder.create("loop", {"model": "runs/loop"})
    for name in (first.path, "runs/mine", "mine", runs_folder / "mine"):
        assert row_of(name) == "qwen3-0.6b-base"
    assert row_of("runs/loop") == "pocket"
    missing = re.escape(str(runs_folder / "none"))
    with pytest.raises(FileNotFoundError, match=missing):
        get_settings("runs/none")


@pytest.mark.parametrize(
    ("vocab_size", "model_type", "eos", "row"),
    [
        (700, "qwen3", 0, "pocket"),
        (151_936, "qwen2", 151_645, "qwen2.5-0.5b-instruct"),
        (151_936, "qwen2", 151_643, "qwen2.5-0.5b"),
        (151_936, "qwen3", 151_645, "qwen3-0.6b"),
        (151_936, "qwen3", 151_643, "qwen3-0.6b-base"),
    ],
)
def test_a_folder_or_run_without_a_telling_name_is_known_by_its_config(
    runs_folder, vocab_size, model_type, eos, row
):
    config = {"model_type": model_type, "vocab_size": vocab_size}
    config["eos_token_id"] = eos
    run = RunFolder.create("mine", {"model": "someone/else"})
    folder = run.save_checkpoint(
        1, lambda path: atomic_write_json(path / "config.json", config), {}
    )
    assert row_of(folder) == row_of("runs/mine") == row
