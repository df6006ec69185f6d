"""Which device and number format a model gets, and why, in one line.

The best there is, or as named. Code is compiled where that works, and runs
as it is where it does not.
"""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import torch

from reasoning_from_scratch.settings import is_pocket

ORDER = ("cuda", "mps", "xpu")  # before the CPU
DTYPES = {n: getattr(torch, n) for n in ("float32", "bfloat16", "float16")}
# The usual C++ compiler and how to get it, by sys.platform
COMPILERS = {
    "linux": ("g++", "sudo apt install g++ python3-dev, or your system's"),
    "darwin": ("clang++", "xcode-select --install"),
    "win32": (
        "cl",
        "winget install Microsoft.VisualStudio.2022.BuildTools, "
        "with its workload for C++; then start from its x64 Native Tools",
    ),
}
COMPILER_SECONDS = 60  # to wait for it on a tiny program


def available_devices() -> list[str]:
    """List the kinds of device that PyTorch reaches here, best first."""
    return [*filter(_is_available, ORDER), "cpu"]


def pick_device(name=None) -> torch.device:
    """Choose the device: a torch.device or its name, None for the best."""
    kinds = available_devices()
    if name is None:
        return torch.device(kinds[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in kinds:
        raise ValueError(
            f"no device {str(name)!r} here; PyTorch reaches "
            f"{', '.join(kinds)}: name one of these or leave it out"
        )
    return device


def pick_dtype(device, model_name, dtype=None) -> torch.dtype:
    """Choose the number format of a model's weights on a device.

    None is bfloat16 where the device has it, else float16; for the pocket
    models float32 costs nothing anywhere.
    """
    if dtype is None and is_pocket(model_name):
        return torch.float32
    if dtype is None:
        return torch.bfloat16 if _has_bfloat16(device) else torch.float16
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise ValueError(
            f"unknown dtype {dtype!r}; expected one of {', '.join(DTYPES)}"
        )
    return DTYPES[dtype]


def describe_device(device, dtype) -> str:
    """Say in one line what was chosen and why."""
    device, best = torch.device(device), available_devices()[0]
    why = "the best device found"
    if device.type != best:
        why = f"as asked for ({best} is here too)"
    told = str(dtype).removeprefix("torch.")
    return f"{device} ({_hardware(device)}), {why}; {told} weights"


def describe_hardware() -> str:
    """Name the machine as a result's row does: "2 cores (…), 24 GiB"."""
    best, memory = pick_device(), total_memory()
    if best.type != "cpu":
        return f"{best}: {_hardware(best)}"
    memory = f", {memory / 2**30:.0f} GiB" if memory else ""
    about = Path("/proc/cpuinfo")
    text = about.read_text("utf-8") if about.exists() else ""
    name = re.search(r"^model name\s*: *(.*\S)", text, re.MULTILINE)
    processor = name[1] if name else platform.machine()
    return f"{os.cpu_count()} cores ({processor}){memory}"


def total_memory(device="cpu") -> int | None:
    """Bytes that a device or the machine has; None where it does not tell."""
    device = torch.device(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    if device.type != "cpu":
        module = getattr(torch, device.type)
        return module.get_device_properties(device).total_memory
    if sys.platform == "win32":
        # MEMORYSTATUSEX: its length and a load, then what there is at all
        status = (ctypes.c_uint64 * 8)(64)
        ctypes.windll.kernel32.GlobalMemoryStatusEx(status)
        return status[1] or None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


# ---- torch.compile, where it works ----


def compile_or_eager(function, **options):
    """A function through torch.compile, or as it is where that fails.

    The first failure in a process is told in one sentence.
    """
    from torch._dynamo.exc import TorchDynamoException

    chosen = None

    def run(*args, **kwargs):
        nonlocal chosen
        if chosen is not function:
            try:
                chosen = chosen or torch.compile(function, **options)
                return chosen(*args, **kwargs)
            except TorchDynamoException as error:  # before it has computed
                chosen = function
                _tell_uncompiled(error)
        return function(*args, **kwargs)

    return run


def missing_compiler() -> tuple[str, str] | None:
    """Why torch.compile has no C++ compiler, and the cure; None: it has."""
    usual, how = COMPILERS.get(sys.platform, COMPILERS["linux"])
    name, cure = os.environ.get("CXX", usual), f"install one: {how}"
    if "CXX" in os.environ:
        cure = f"unset CXX, or {cure}"
    if not shutil.which(name):
        return f"no C++ compiler is here (looked for {name!r})", cure
    if sys.platform == "win32":
        return None
    # What inductor writes includes Python's header, a package of its own
    include = sysconfig.get_paths()["include"]
    command = [name, "-fsyntax-only", f"-I{include}", "-x", "c++", "-"]
    program = {"input": b"#include <Python.h>\n", "timeout": COMPILER_SECONDS}
    try:
        subprocess.run(command, capture_output=True, check=True, **program)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        about = _first_error(said.decode("utf-8", "replace"))
        return f"the C++ compiler {name!r} fails ({about})", cure
    return None


_TOLD = []  # why torch.compile does not work, once it was said


def _tell_uncompiled(error):
    """Say why a function runs as it is; the first time only."""
    if _TOLD:
        return
    reason = "; ".join(missing_compiler() or [_first_error(str(error))])
    _TOLD.append(reason)
    if "triton" in reason.lower():  # what writes kernels for a GPU
        package = "triton-windows" if sys.platform == "win32" else "triton"
        reason += f"; pip install {package}"
    print(
        "torch.compile does not work here, so this runs uncompiled, slower "
        f"but with the same results: {reason}",
        file=sys.stderr,
    )


def _first_error(text: str, limit=160) -> str:
    """The line of a tool's output that names the error, cut."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line] or lines
    return telling[0][:limit] if telling else "it says nothing"


def _is_available(kind: str) -> bool:
    module = torch.backends.mps if kind == "mps" else getattr(torch, kind)
    return module.is_available()


def _has_bfloat16(device) -> bool:
    if torch.device(device).type != "cuda":
        return True
    return torch.cuda.is_bf16_supported(including_emulation=False)


def _hardware(device: torch.device) -> str:
    if device.type == "cpu":
        return f"{torch.get_num_threads()} threads"
    if device.type == "mps":
        return "shared memory"
    name = getattr(torch, device.type).get_device_name(device)
    return f"{name}, {total_memory(device) / 2**30:.0f} GiB"
