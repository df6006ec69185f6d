"""What `rfs doctor` finds on machines that are imitated here."""

import os
import shutil
import sys
from importlib.metadata import EntryPoint, PackageNotFoundError
from types import SimpleNamespace

import pytest
import torch

from reasoning_from_scratch import device
from reasoning_from_scratch.cli import doctor, main

GIB = 2**30


def distribution_with(command):
    """The installed distribution of our name has this command."""
    scripts = [EntryPoint("rfs", command, "console_scripts")]
    return lambda name: SimpleNamespace(entry_points=scripts)


def no_distribution(name):
    raise PackageNotFoundError(name)


def set_card(patch, *, build=None, has_bfloat16=True):
    """An NVIDIA driver, what PyTorch is built for, what the card can."""
    patch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    patch.setattr(torch.version, "cuda", build)
    patch.setattr(device, "_has_bfloat16", lambda device: has_bfloat16)


def findings(best="cpu"):
    return doctor.find_what_to_mend(torch.device(best))


@pytest.fixture
def sound(monkeypatch):
    """A machine where there is nothing to mend; the tests break it."""
    exists, ours = os.path.exists, distribution_with("ours.cli.main:main")
    for where, name, value in (
        (device, "available_devices", lambda: ["cpu"]),
        (device, "total_memory", lambda device="cpu": 16 * GIB),
        (device, "missing_compiler", lambda: None),
        (shutil, "which", lambda name: None),
        (os.path, "exists", lambda p: "nvidia" not in str(p) and exists(p)),
        (doctor, "distribution", ours),
    ):
        monkeypatch.setattr(where, name, value)
    assert findings() == []
    return monkeypatch


OTHERS = distribution_with("reasoning_from_scratch.ch02:main")
NO_COMPILER = ("no C++ compiler", "install g++")
BROKEN = {
    "PyTorch 2.9.1+cpu is too old": (torch, "__version__", "2.9.1+cpu"),
    "no C++ compiler": (device, "missing_compiler", lambda: NO_COMPILER),
    "another project of this name": (doctor, "distribution", OTHERS),
    "this package is not installed": (doctor, "distribution", no_distribution),
    "matplotlib not": (doctor, "find_spec", lambda n: n != "matplotlib"),
    "the 1.0 GiB of": (device, "total_memory", lambda device="cpu": GIB),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_named_with_its_cure(sound, what):
    sound.setattr(*BROKEN[what])
    (finding,) = findings()
    assert finding[0].startswith(what) and all(finding)


def test_a_card_that_is_not_reached_or_lacks_bfloat16_is_named(sound):
    set_card(sound, build="13.0")
    ((what, _, cure),) = findings()
    assert "does not reach the NVIDIA card" in what
    assert "CUDA_VISIBLE_DEVICES" in cure and "13.0 or later" in cure
    set_card(sound, build="13.0", has_bfloat16=False)
    ((what, _, cure),) = findings("cuda")
    assert what == "cuda computes in float16, not in bfloat16"
    assert "--dtype float32" in cure
    # What only looks broken is no finding
    sound.setattr(torch, "__version__", "2.11.0a0+git123")
    set_card(sound, build="13.0")
    assert findings("cuda") == []
    # A build for CPUs, which is what the index of packages has for Windows
    set_card(sound)
    for system in ("linux", "win32"):
        sound.setattr(sys, "platform", system)
        ((what, _, cure),) = findings()
        assert "is a build for CPUs, beside an NVIDIA driver" in what
        assert cure.startswith("pip uninstall -y torch && pip install torch")
        assert ("--index-url" in cure) == (system == "win32")


def test_the_models_that_fit_are_listed():
    answer, learn = doctor.fitting_models(12 * GIB)
    # The 4.0e9 weights of 4B take 7.5 GiB in two bytes each, the 8.2e9 of 8B
    # 15 GiB. Learning keeps gradients, moments and masters beside the weights
    assert answer[:3] == ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b"]
    assert answer[3:] == ["qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b"]
    assert learn == ["qwen3-0.6b", "qwen2.5-0.5b"]
    assert doctor.fitting_models(12 * GIB, 4)[1] == learn


def test_findings_stand_last_and_an_error_ends_it(sound, capsys):
    set_card(sound)
    sound.setattr(device, "missing_compiler", lambda: NO_COMPILER)
    assert main.main(["doctor"]) == 0
    page = capsys.readouterr().out
    for name in ("python", "packages", "device", "hub", "pocket models"):
        assert f"\n{name} " in page
    assert "not asked: HF_HUB_OFFLINE is set" in page
    assert "\nfits           in the 16 GiB of cpu can answer: pocket, " in page
    assert "\nto mend: 2 (more: TROUBLESHOOTING.md)\n- PyTorch " in page
    assert page.endswith("\n    install g++\n")

    def refuse(**_):
        raise PermissionError(13, "denied")

    sound.setattr("tempfile.TemporaryFile", refuse)
    assert main.main(["doctor"]) == 1
    page = capsys.readouterr().out
    assert "cannot be written (denied); set RFS_RUNS" in page
