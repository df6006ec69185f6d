"""Which device and number format a model gets, and why, in one line.

The best there is, or as named. Qwen3 runs in bfloat16 where the device has it,
else in float16; for the pocket models float32 costs nothing anywhere.
"""

import os
import platform
import re
from pathlib import Path

import torch

from reasoning_from_scratch.settings import is_pocket

ORDER = ("cuda", "mps", "xpu")  # before the CPU
DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


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
    """Choose the number format of a model's weights on a device."""
    if dtype is None:
        if is_pocket(model_name):
            return torch.float32
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
    device = torch.device(device)
    best = available_devices()[0]
    reason = "the best device found"
    if device.type != best:
        reason = f"as asked for ({best} is here too)"
    dtype_name = str(dtype).removeprefix("torch.")
    return f"{device} ({_hardware(device)}), {reason}; {dtype_name} weights"


def describe_hardware() -> str:
    """Name the machine as a result's row does: "2 cores (…), 24 GiB"."""
    best = available_devices()[0]
    if best != "cpu":
        return f"{best}: {_hardware(torch.device(best))}"
    memory = ""
    if hasattr(os, "sysconf"):  # not on Windows
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = f", {pages / 2**30:.0f} GiB"
    about = Path("/proc/cpuinfo")
    text = about.read_text("utf-8") if about.exists() else ""
    name = re.search(r"^model name\s*: *(.+)", text, re.MULTILINE)
    processor = name[1].strip() if name else platform.machine()
    return f"{os.cpu_count()} cores ({processor}){memory}"


def _is_available(kind: str) -> bool:
    module = torch.backends.mps if kind == "mps" else getattr(torch, kind)
    return module.is_available()


def _has_bfloat16(device) -> bool:
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "mps":
        try:  # before macOS 14 the format is missing
            torch.ones(1, dtype=torch.bfloat16, device=device)
        except (RuntimeError, TypeError):
            return False
    return True


def _hardware(device: torch.device) -> str:
    if device.type in ("cuda", "xpu"):
        module = getattr(torch, device.type)
        memory = module.get_device_properties(device).total_memory
        return f"{module.get_device_name(device)}, {memory / 2**30:.0f} GiB"
    if device.type == "cpu":
        return f"{torch.get_num_threads()} threads"
    return "shared memory"
