"""The table of models: which row a name gets, and what fast changes."""

import json
import re

import pytest

from reasoning_from_scratch.files import atomic_write_json
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import (
    SETTINGS,
    get_settings,
    is_pocket,
)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("pocket", "pocket"),
        ("pocket-coarse", "pocket-coarse"),
        ("Qwen/Qwen3-0.6B-Base", "qwen3-0.6b-base"),
        ("Qwen/Qwen3-32B", "qwen3-32b"),
        ("someone/Qwen3-4B-Instruct-2507", "qwen3-4b"),
        ("someone/qwen3-8b-base-finetuned", "qwen3-8b-base"),
        ("Qwen/Qwen2.5-7B", "qwen2.5-7b"),
        ("me/qwen2.5-math-7b-instruct-grpo", "qwen2.5-math-7b-instruct"),
        ("Qwen/Qwen2-0.5B-Instruct", "qwen2.5-0.5b-instruct"),
        ("models/nothing-known", "pocket"),
    ],
)
def test_a_name_gets_the_row_of_its_family(name, row):
    assert get_settings(name, fast=False) == SETTINGS[row]


def test_no_name_means_the_environments_model(monkeypatch):
    assert get_settings(fast=False).name == "pocket"
    monkeypatch.setenv("RFS_MODEL", "qwen3-1.7b")
    assert get_settings(fast=False).name == "qwen3-1.7b"


def test_a_run_gets_the_row_of_the_model_it_started_from(runs_folder):
    # mine went on from first, which began with Qwen3
    first = RunFolder.create("first", {"model": "qwen3-0.6b-base"})
    RunFolder.create("mine", {"model": "runs/first"})

    for name in (first.path, "runs/mine", "mine", runs_folder / "mine"):
        assert get_settings(name, fast=False).name == "qwen3-0.6b-base"


def test_a_run_of_an_unknown_model_is_known_by_its_checkpoint(runs_folder):
    run = RunFolder.create("mine", {"model": "someone/else"})
    run.save_checkpoint(
        1,
        lambda folder: atomic_write_json(
            folder / "config.json", {"vocab_size": 151_936}
        ),
        {},
    )
    RunFolder.create("loop", {"model": "runs/loop"})

    assert get_settings("runs/mine", fast=False).name == "qwen3-0.6b"
    assert get_settings("runs/loop", fast=False).name == "pocket"


def test_a_run_that_is_not_there_gets_no_row(runs_folder):
    with pytest.raises(
        FileNotFoundError, match=re.escape(str(runs_folder / "mine"))
    ):
        get_settings("runs/mine")


def test_a_model_folder_is_known_by_its_vocabulary(tmp_path):
    for vocab_size, is_small in ((700, True), (151_936, False)):
        config = {"model_type": "qwen3", "vocab_size": vocab_size}
        (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
        assert is_pocket(tmp_path) is is_small


@pytest.mark.parametrize(
    ("model_type", "eos", "row"),
    [
        ("qwen2", 151_645, "qwen2.5-0.5b-instruct"),
        ("qwen2", 151_643, "qwen2.5-0.5b"),
        ("qwen3", 151_645, "qwen3-0.6b"),
        ("qwen3", 151_643, "qwen3-0.6b-base"),
    ],
)
def test_a_folder_without_a_telling_name_is_known_by_its_config(
    tmp_path, model_type, eos, row
):
    config = {"model_type": model_type, "vocab_size": 151_936}
    config["eos_token_id"] = eos
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    assert get_settings(tmp_path, fast=False).name == row


def test_fast_shrinks_counts_and_keeps_the_rest(monkeypatch):
    monkeypatch.setenv("RFS_FAST", "1")
    fast, full = get_settings("pocket"), get_settings("pocket", fast=False)

    assert (fast.num_test_problems, full.num_test_problems) == (24, 2000)
    assert fast.grpo.steps < full.grpo.steps
    assert fast.prompts == full.prompts
    assert fast.grpo.learning_rate == full.grpo.learning_rate


def test_chat_models_are_told_from_base_models():
    assert get_settings("qwen3-0.6b").is_chat
    assert not get_settings("qwen3-0.6b-base").is_chat
    assert not get_settings("pocket").is_chat
