"""Windows and macOS, imitated: what those systems refuse or lack."""

import contextlib
import ctypes
import errno
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import code_reward
import pytest
import torch

from reasoning_from_scratch import device, files
from reasoning_from_scratch.cli import main
from reasoning_from_scratch.llm import load_model, weights
from reasoning_from_scratch.runs import RESERVED, RunFolder
from reasoning_from_scratch.training import grpo
from tests.tiny import weights_of

ROOT = Path(__file__).parents[1]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's")


@pytest.fixture
def system(request, monkeypatch):
    """Our code believes that it runs on a system, and waits for nobody."""
    name = getattr(request, "param", "win32")
    monkeypatch.setattr(sys, "platform", name)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    return name


def is_mapped(folder):
    """Whether this process still maps a file below a folder."""
    return str(folder) in Path("/proc/self/maps").read_text("utf-8")


# ---- Files that are open -------------------------------------------------


@on_linux
def test_what_was_read_holds_no_file(model_folder, tmp_path, monkeypatch):
    model_folder = shutil.copytree(model_folder, tmp_path / "mine")
    mapped, _ = load_model(model_folder, device="cpu")
    assert is_mapped(model_folder)
    expected = weights_of(mapped)
    del mapped
    assert not is_mapped(model_folder)

    monkeypatch.setattr(sys, "platform", "win32")
    model, _ = load_model(model_folder, device="cpu")
    files.save_state(tmp_path, {"moment": torch.ones(5000)})
    state = files.load_state(tmp_path)
    assert not is_mapped(tmp_path)
    assert torch.equal(weights_of(model), expected)
    assert torch.equal(state["moment"], torch.ones(5000))


def refusing(num_times, real=os.replace):
    """os.replace as on Windows while somebody reads the target."""
    answers = iter([PermissionError(13, "Access is denied")] * num_times)

    def replace(source, target):
        for error in answers:
            raise error
        return real(source, target)

    return replace


@pytest.mark.parametrize(
    ("system", "num_times", "expected"),
    [("win32", 3, "new"), ("win32", 99, "old"), ("linux", 1, "old")],
    indirect=["system"],
)
def test_a_file_that_somebody_reads_is_replaced_a_little_later_on_windows(
    system, num_times, expected, tmp_path, monkeypatch
):
    path = tmp_path / "best.json"
    path.write_text("old", "utf-8")
    monkeypatch.setattr(os, "replace", refusing(num_times))
    with contextlib.suppress(PermissionError):
        files.atomic_write_text(path, "new")
    assert path.read_text("utf-8") == expected
    assert os.listdir(tmp_path) == ["best.json"]


def test_a_checkpoint_somebody_reads_goes_later(tmp_path, system, monkeypatch):
    run = RunFolder.create("a", {}, root=tmp_path)
    for step in (1, 2):
        run.save_checkpoint(step, lambda folder: None, {})
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refusing(99))
        run.prune_checkpoints({2})
    assert run.checkpoint_steps() == [1, 2]
    run.prune_checkpoints({2})
    assert run.checkpoint_steps() == [2]


def test_a_path_with_a_drive_is_a_folder_and_no_name(monkeypatch):
    is_dir = {"is_dir": lambda path: False}
    path = type("WindowsPath", (PureWindowsPath,), is_dir)
    monkeypatch.setattr(weights, "Path", path)
    for name in ("C:\\models\\mine", "\\\\server\\models\\mine"):
        with pytest.raises(FileNotFoundError, match="no model or run folder"):
            weights.find_model_folder(name)


# ---- The console ---------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii"])
@pytest.mark.parametrize("words", ["--help", "grpo --help", "doctor"])
def test_whatever_is_printed_a_console_takes(encoding, words, monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(
        "reasoning_from_scratch.cli.doctor.run",
        lambda args: print("rfs 2 × 3 … ½ · 🤔 \ud800"),
    )
    try:
        assert main.main(words.split()) == 0
    except SystemExit as end:
        assert end.code == 0
    screen.flush()
    assert b"rfs" in screen.buffer.getvalue()


@pytest.mark.parametrize(
    ("system", "error", "status"),
    [
        ("linux", BrokenPipeError(), 0),
        ("win32", OSError(errno.EINVAL, ""), 0),
        ("linux", OSError(errno.EINVAL, ""), 1),
        ("win32", OSError(errno.EINVAL, "", "a:b"), 1),
    ],
    indirect=["system"],
)
def test_a_reader_that_has_enough_ends_a_command_in_peace(
    system, error, status, monkeypatch, tmp_path
):
    def fail(args):
        raise error

    monkeypatch.setattr("reasoning_from_scratch.cli.doctor.run", fail)
    with open(tmp_path / "screen", "w", encoding="utf-8") as screen:
        monkeypatch.setattr(sys, "stdout", screen)
        assert main.main(["doctor"]) == status


# ---- What other systems lack ---------------------------------------------


def test_memory_is_told_on_windows_or_not_at_all(system, monkeypatch):
    def tell(status):
        assert status[0] == ctypes.sizeof(status) == 64
        status[1] = 8 * 2**30

    kernel = SimpleNamespace(GlobalMemoryStatusEx=tell)
    kernels = SimpleNamespace(kernel32=kernel)
    monkeypatch.setattr(ctypes, "windll", kernels, raising=False)
    assert device.total_memory() == 8 * 2**30
    assert device.describe_hardware().endswith(", 8 GiB")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "sysconf")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert device.total_memory() is None and grpo.peak_memory_gib() is None
    assert "GiB" not in device.describe_hardware()


@pytest.mark.parametrize("system", ["win32", "darwin"], indirect=True)
def test_no_program_runs_where_there_is_no_jail(system, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)  # would be a TypeError
    result = code_reward.run_program("print(1)")
    assert result.status == "refused" and system in result.output
    with pytest.raises(ValueError, match="needs Linux with namespaces"):
        code_reward.CodeReward(allow_execution=True)


@on_linux
def test_limits_that_are_refused_start_no_program(tmp_path, monkeypatch):
    # macOS refuses a limit of the address space; so might another kernel
    source = code_reward.JAIL.read_text("utf-8")
    refusal = (
        "import resource\n\ndef refuse(*_):\n    raise ValueError('exceeds')"
        "\n\nresource.setrlimit = refuse\n"
    )
    jail = tmp_path / "code_jail.py"
    jail.write_text(source.replace("import resource\n", refusal), "utf-8")
    monkeypatch.setattr(code_reward, "JAIL", jail)
    result = code_reward.run_program("print('ran')")
    assert result.status == "refused" and "ran" not in result.output


@on_linux
def test_ctrl_c_ends_the_program_in_the_jail_at_once(monkeypatch):
    started = []

    def interrupted(process, *args, **options):
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    limits = code_reward.CodeLimits(seconds=60)
    with pytest.raises(KeyboardInterrupt):
        code_reward.run_program("import time; time.sleep(60)", limits)
    # Well before its own deadline, and killed by number 9
    assert started[0].wait(timeout=10) == -9


PORTABLE = """
import importlib, os, signal, sys, torch, tqdm
for name in ("resource", "fcntl", "pwd", "grp", "termios", "readline", "pty"):
    sys.modules[name] = None
for module, names in (
    (os, "fork killpg sysconf geteuid getuid sched_getaffinity nice uname"),
    (signal, "SIGKILL SIGHUP SIGALRM alarm setitimer"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_every_module_is_imported_where_unix_is_missing():
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "reasoning_from_scratch").rglob("[!_]*.py")
    )
    command = [sys.executable, "-c", PORTABLE, *names]
    subprocess.run(command, cwd=ROOT, check=True)


# ---- The checkout --------------------------------------------------------


def test_every_file_in_the_checkout_can_be_on_windows():
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT)
    names = listed.decode("utf-8").split("\0")[:-1]
    for name in names:
        assert not re.search(r'[<>:"\\|?*]', name), name
        for part in name.split("/"):
            assert not RESERVED.fullmatch(part) and part[-1] not in ". ", name
    assert len({name.casefold() for name in names}) == len(names)
    assert max(map(len, names)) < 100  # Windows counts to 260 with C:\...
    attributes = (ROOT / ".gitattributes").read_text("utf-8")
    assert "* text=auto eol=lf" in attributes.splitlines()
