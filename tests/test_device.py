"""The choice of device and number format, told in one line."""

import pytest
import torch

from reasoning_from_scratch import device as devices
from reasoning_from_scratch.device import (
    describe_device,
    pick_device,
    pick_dtype,
)


def test_the_best_device_is_taken_in_the_order_of_the_book(monkeypatch):
    monkeypatch.setattr(devices, "_is_available", lambda kind: kind != "cuda")

    assert pick_device().type == "mps"
    assert pick_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["tpu", "no such thing", "cuda:99:1"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(name):
    with pytest.raises(ValueError, match="PyTorch reaches .*cpu"):
        pick_device(name)


def test_pocket_is_float32_and_qwen3_bfloat16_on_a_cpu():
    assert pick_dtype("cpu", "pocket") == torch.float32
    assert pick_dtype("cpu", "qwen3-0.6b") == torch.bfloat16


def test_a_device_without_bfloat16_gets_float16(monkeypatch):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda device: False)

    assert pick_dtype("cpu", "qwen3-0.6b") == torch.float16


def test_a_dtype_can_be_named_and_a_wrong_name_is_refused():
    assert pick_dtype("cpu", "pocket", "bfloat16") == torch.bfloat16
    assert pick_dtype("cpu", "pocket", torch.float64) == torch.float64
    with pytest.raises(ValueError, match="unknown dtype 'int3'"):
        pick_dtype("cpu", "pocket", "int3")


def test_the_choice_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(devices, "_is_available", lambda kind: kind == "cpu")
    line = describe_device("cpu", torch.float32)

    assert line.startswith("cpu (")
    assert line.endswith("the best device found; float32 weights")
    assert "\n" not in line
