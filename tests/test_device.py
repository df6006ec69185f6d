"""The choice of device and number format, told in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reasoning_from_scratch import device as devices
from reasoning_from_scratch.device import pick_dtype

ROOT = Path(__file__).parents[1]


def test_device_and_dtype_are_chosen_or_as_named(monkeypatch):
    monkeypatch.setattr(devices, "_is_available", lambda kind: kind != "cuda")
    assert devices.pick_device().type == "mps"
    assert devices.pick_device("cpu").type == "cpu"
    told = devices.describe_device("cpu", torch.float32)
    assert told.startswith("cpu (") and "\n" not in told
    assert told.endswith("as asked for (mps is here too); float32 weights")
    assert pick_dtype("cpu", "pocket") == torch.float32
    assert pick_dtype("cpu", "qwen3-0.6b") == torch.bfloat16
    assert pick_dtype("cpu", "pocket", "bfloat16") == torch.bfloat16
    assert pick_dtype("cpu", "pocket", torch.float64) == torch.float64
    with pytest.raises(ValueError, match="unknown dtype 'int3'"):
        pick_dtype("cpu", "pocket", "int3")
    monkeypatch.setattr(devices, "_has_bfloat16", lambda device: False)
    assert pick_dtype("cpu", "qwen3-0.6b") == torch.float16


# ---- torch.compile, where it works ----

# A compiled answer and a compiled training step, without a compiler
TWO_PLACES = """
import sys
import torch
from reasoning_from_scratch.llm import generate
from reasoning_from_scratch.results import CHECKOUT
sys.path.append(str(CHECKOUT / "tools"))
from tests.tiny import ByteTokenizer, tiny_model
from tests.test_pretrain import TINY
from pocket.pretrain import pretrain
from dataclasses import replace

model, sizes = tiny_model(), {"max_new_tokens": 3, "stop_ids": ()}
for prompts in (["ab"], ["abc", "d"]):
    eager, tried = (
        generate(model, ByteTokenizer(), prompts, compiled=tries, **sizes)
        for tries in (False, True)
    )
    assert [o.token_ids for o in eager] == [o.token_ids for o in tried]
config = replace(TINY, steps=1, is_compiled=True)
pretrain(config, None, tokenizer=ByteTokenizer(), progress=False)
print("went on")
"""
BROKEN = """\
#!/bin/sh
echo "x.cpp:1: fatal error: Python.h: No such file" >&2
[ "$1" = --version ]
"""


@pytest.mark.parametrize(
    ("compiler", "expected"),
    [
        (None, "looked for '/nonexistent'"),
        (BROKEN, "fatal error: Python.h: No such file"),
    ],
    ids=["missing", "broken"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script")
def test_without_a_working_compiler_everything_goes_on_and_says_so_once(
    compiler, expected, tmp_path
):
    path = Path("/nonexistent")
    if compiler:
        path = tmp_path / "g++"
        path.write_text(compiler, "utf-8")
        path.chmod(0o755)
    places = {"CXX": str(path), "PYTHONPATH": os.pathsep.join(sys.path)}
    places["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path / "cache")
    outcome = subprocess.run(
        [sys.executable, "-c", TWO_PLACES],
        cwd=ROOT,
        env={**os.environ, **places},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert outcome.stdout == "went on\n", outcome.stderr
    # PyTorch may add lines of its own, about CUDA for example
    (line,) = re.findall("^torch.compile .*", outcome.stderr, re.MULTILINE)
    assert line.startswith("torch.compile does not work here")
    assert expected in line and "unset CXX, or install one: " in line


def test_each_system_is_told_how_to_get_a_compiler(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    for system, usual, cure in (
        ("linux", "g++", "apt install g++ python3-dev"),
        ("darwin", "clang++", "xcode-select --install"),
        ("win32", "cl", "BuildTools"),
    ):
        monkeypatch.setattr(sys, "platform", system)
        reason, said = devices.missing_compiler()
        assert f"looked for '{usual}'" in reason and cure in said
    # An error of the function itself is not swallowed
    monkeypatch.setattr(torch, "compile", lambda function: function)
    with pytest.raises(ZeroDivisionError):
        devices.compile_or_eager(lambda: 1 / 0)()
