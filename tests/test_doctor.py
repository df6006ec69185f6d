"""What `rfs doctor` finds on machines that are imitated here."""

import os
import shutil
import sys
from importlib.metadata import EntryPoint, PackageNotFoundError

import pytest
import torch

from reasoning_from_scratch import device
from reasoning_from_scratch.cli import doctor, main

GIB = 2**30


@pytest.fixture(autouse=True)
def sound_machine(monkeypatch):
    """A machine where there is nothing to mend; the tests break it."""
    monkeypatch.setattr(device, "available_devices", lambda: ["cpu"])
    monkeypatch.setattr(device, "total_memory", lambda device="cpu": 16 * GIB)
    monkeypatch.setattr(device, "missing_compiler", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(
        os.path, "exists", lambda path, real=os.path.exists: (
            "nvidia" not in str(path) and real(path)
        )
    )  # fmt: skip
    set_scripts(monkeypatch, "reasoning_from_scratch.cli.main:main")


def set_scripts(monkeypatch, *values):
    """The installed distribution of our name has these commands."""
    scripts = [EntryPoint("rfs", value, "console_scripts") for value in values]
    about = type("D", (), {"entry_points": scripts})
    monkeypatch.setattr(doctor, "distribution", lambda name: about)


def set_card(monkeypatch, *, driver=True, build=None):
    """An NVIDIA driver, and what PyTorch is built for."""
    path = "/usr/bin/nvidia-smi" if driver else None
    monkeypatch.setattr(shutil, "which", lambda name: path)
    monkeypatch.setattr(torch.version, "cuda", build)


def only_finding(best="cpu"):
    """The one thing to mend."""
    (finding,) = doctor.find_what_to_mend(torch.device(best))
    assert all(finding)
    return finding


def test_a_sound_machine_has_nothing_to_mend(monkeypatch):
    set_card(monkeypatch, driver=False)
    assert doctor.find_what_to_mend(torch.device("cpu")) == []


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_a_build_for_cpus_beside_an_nvidia_driver_is_named(
    monkeypatch, system
):
    set_card(monkeypatch)
    monkeypatch.setattr(sys, "platform", system)
    what, _, cure = only_finding()
    assert "is a build for CPUs, beside an NVIDIA driver" in what
    assert cure.startswith("pip uninstall -y torch && pip install torch")
    # What the index of packages has for Windows is a build for CPUs
    assert ("--index-url" in cure) == (system == "win32")


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_a_card_that_is_used_or_not_reached_or_old(monkeypatch, has_bfloat16):
    set_card(monkeypatch, build="13.0")
    what, _, cure = only_finding()
    assert "does not reach the NVIDIA card" in what
    assert "CUDA_VISIBLE_DEVICES" in cure and "13.0 or later" in cure
    monkeypatch.setattr(device, "_has_bfloat16", lambda device: has_bfloat16)
    if has_bfloat16:
        assert doctor.find_what_to_mend(torch.device("cuda")) == []
    else:
        what, _, cure = only_finding("cuda")
        assert what == "cuda computes in float16, not in bfloat16"
        assert "--dtype float32" in cure


def test_a_torch_that_is_too_old_is_named(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    assert only_finding()[0] == "PyTorch 2.9.1+cpu is too old"
    monkeypatch.setattr(torch, "__version__", "2.11.0a0+git123")
    assert doctor.find_what_to_mend(torch.device("cpu")) == []


@pytest.mark.parametrize("value", ["reasoning_from_scratch.ch02:main", None])
def test_another_package_of_our_name_is_named(monkeypatch, value):
    set_scripts(monkeypatch, *filter(None, [value]))
    what, why, cure = only_finding()

    assert what == "another project of this name is installed"
    assert cure.startswith("pip uninstall -y reasoning_from_scratch")


def test_a_checkout_that_is_not_installed_is_named(monkeypatch):
    def not_found(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "distribution", not_found)
    assert "not installed" in only_finding()[0]


def test_parts_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setattr(
        doctor, "find_spec", lambda name: name != "matplotlib" or None
    )
    assert only_finding()[0] == "matplotlib not installed"


def test_little_memory_is_named_and_what_fits_is_listed(monkeypatch):
    answer, learn = doctor.fitting_models(12 * GIB)
    # The 4.0e9 weights of 4B take 7.5 GiB in two bytes each, the 8.2e9 of 8B
    # 15 GiB. Learning keeps gradients, moments and masters beside the weights
    assert answer[:3] == ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b"]
    assert answer[3:] == ["qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b"]
    assert learn == ["qwen3-0.6b", "qwen2.5-0.5b"]
    assert doctor.fitting_models(12 * GIB, 4)[1] == learn
    monkeypatch.setattr(device, "total_memory", lambda device="cpu": GIB)
    assert only_finding()[0] == "the 1.0 GiB of memory on cpu hold no Qwen3"


def test_findings_stand_last_with_their_cures(monkeypatch, capsys):
    set_card(monkeypatch)
    monkeypatch.setattr(
        device, "missing_compiler", lambda: ("no C++ compiler", "install g++")
    )
    assert main.main(["doctor"]) == 0
    page = capsys.readouterr().out
    for name in ("python", "packages", "device", "hub", "pocket model"):
        assert f"\n{name} " in page
    assert "not asked: HF_HUB_OFFLINE is set" in page
    assert "\nfits           in the 16 GiB of cpu can answer: pocket, " in page
    assert "\nto mend: 2 (more: TROUBLESHOOTING.md)\n- PyTorch " in page
    assert page.endswith("\n    install g++\n")


def test_runs_that_cannot_be_written_end_in_an_error(monkeypatch, capsys):
    def refuse(**_):
        raise PermissionError(13, "denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert main.main(["doctor"]) == 1
    assert "cannot be written (denied); set RFS_RUNS" in (
        capsys.readouterr().out
    )
