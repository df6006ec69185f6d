"""Look at this machine: what is there, what is missing, what to do.

    rfs doctor
    HF_HUB_OFFLINE=1 rfs doctor

What to mend stands last: what is wrong, why it matters, and the command.
Exit status 1 if the pocket model could not run or runs cannot be written.
"""

import os
import platform
import shutil
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path

from .. import __version__
from ..llm.config import QWEN2_CONFIGS, QWEN3_CONFIGS
from ..memory import fit_decoding, fit_training
from ..runs import runs_root
from ..settings import BUILT_IN, default_model, get_settings
from ..training.config import GRPOConfig

PACKAGES = """torch numpy safetensors tokenizers huggingface_hub mpmath
              transformers matplotlib jupyterlab"""
ENVIRONMENT = """RFS_MODEL RFS_FAST RFS_RUNS HF_HOME HF_ENDPOINT
                 HF_HUB_OFFLINE OMP_NUM_THREADS"""
TIMEOUT = 3.0  # seconds to wait for the Hub
DISTRIBUTION = "reasoning_from_scratch"
INSTALL = 'pip install -c constraints.txt -e ".[book]"'
WINDOWS_INDEX = " --index-url https://download.pytorch.org/whl/cu130"
DRIVER = "/proc/driver/nvidia/version"
OLDEST_TORCH = (2, 11)
CONTEXT = 4096  # tokens that an answer and its question may take
BROKEN = "BROKEN: "  # stands before what nothing works without


def run(args) -> int:
    """Print a line for each fact; 1 if something needed is missing."""
    from .. import device

    model, best = default_model(), device.pick_device()
    dtype = device.pick_dtype(best, model)
    disk = shutil.disk_usage(".").free / 2**30
    chosen = [name for name in ENVIRONMENT.split() if name in os.environ]
    facts = {
        "rfs": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": ", ".join(map(_version, PACKAGES.split())),
        "device": device.describe_device(best, dtype),
        "hardware": f"{device.describe_hardware()}; {disk:.0f} GiB free",
        "fits": _describe_fit(best),
        "environment": " ".join(f"{n}={os.environ[n]}" for n in chosen)
        or "nothing set",
        "default model": model,
        "hub cache": _describe_hub_cache(),
        "hub": _describe_hub(),
        "pocket models": _describe_assets(),
        "runs": _describe_runs(),
    }
    for name, fact in facts.items():
        print(f"{name:<14} {fact}")
    findings = find_what_to_mend(best)
    if findings:
        print(f"\nto mend: {len(findings)} (more: TROUBLESHOOTING.md)")
    for what, why, cure in findings:
        print(f"- {what}: {why}.\n    {cure}")
    return int(any(fact.startswith(BROKEN) for fact in facts.values()))


def find_what_to_mend(best) -> list[tuple[str, str, str]]:
    """What is wrong, why it matters, and what to type, for a device."""
    return [*_wrong_packages(), *_wrong_torch(best), *_wrong_device(best)]


def _wrong_packages():
    """Another project under our name, and parts that are not installed."""
    found = "another project of this name is installed"
    try:
        scripts = distribution(DISTRIBUTION).entry_points
        if any("cli.main" in script.value for script in scripts):
            found = None
    except PackageNotFoundError:
        found = "this package is not installed, only found in this folder"
    if found:
        why = "elsewhere, notebooks import the other one or none"
        cure = f"pip uninstall -y {DISTRIBUTION}, then here: {INSTALL}"
        yield found, why, cure
    missing = [n for n in ("matplotlib", "jupyterlab") if not find_spec(n)]
    if missing:
        why = "notebooks and their figures need them"
        yield f"{' and '.join(missing)} not installed", why, INSTALL


def _wrong_torch(best):
    """A PyTorch that is too old, or cannot use the card that is here."""
    import torch

    name = f"PyTorch {torch.__version__}"
    if tuple(map(int, torch.__version__.split(".")[:2])) < OLDEST_TORCH:
        oldest = ".".join(map(str, OLDEST_TORCH))
        why = f"the code relies on {oldest} or later"
        yield f"{name} is too old", why, "pip install --upgrade torch"
    has_driver = shutil.which("nvidia-smi") or os.path.exists(DRIVER)
    if not has_driver or best.type != "cpu":
        return
    if torch.version.cuda:
        yield (
            "PyTorch does not reach the NVIDIA card that is here",
            "the driver is too old for it, or the card is hidden",
            "unset CUDA_VISIBLE_DEVICES, or update the driver (nvidia-smi "
            f"must say CUDA {torch.version.cuda} or later)",
        )
    else:
        index = WINDOWS_INDEX if sys.platform == "win32" else ""
        yield (
            f"{name} is a build for CPUs, beside an NVIDIA driver",
            "everything runs on the CPU, many times slower than on the card",
            f"pip uninstall -y torch && pip install torch{index}",
        )


def _wrong_device(best):
    """Little memory, no bfloat16, no compiler."""
    from .. import device

    memory = device.total_memory(best)
    if memory is not None and not fitting_models(memory)[0]:
        yield (
            f"the {memory / 2**30:.1f} GiB of memory on {best.type} hold no "
            "Qwen3",
            "loading one would end the program or swap for minutes",
            "stay with pocket, or take another device (--device cpu) or "
            "fewer bits (--weights int4)",
        )
    if _is_float16_only(best):
        what = f"{best} computes in float16, not in bfloat16"
        why = "Qwen3 answers well so, but cannot be trained so"
        yield what, why, "train in float32: rfs grpo --dtype float32"
    if complaint := device.missing_compiler():
        what, cure = complaint
        why = "compiled decoding and rfs pretrain run uncompiled, slower"
        yield what, why, cure


# ---- What fits ----


def fitting_models(memory: int, learning_bytes=2) -> tuple[list, list]:
    """The Qwen models that answer, and that learn by GRPO, in a memory."""
    gigabytes = memory / 2**30
    config = GRPOConfig(**get_settings("qwen3-0.6b-base").grpo.of(GRPOConfig))
    shapes = {f"qwen3-{size}": shape for size, shape in QWEN3_CONFIGS.items()}
    shapes |= {f"qwen2.5-{size}": x for size, x in QWEN2_CONFIGS.items()}
    answer, learn = [], []
    for name, shape in shapes.items():
        with suppress(ValueError):
            fit_decoding(shape, gigabytes, rows=1, tokens=CONTEXT)
            answer.append(name)
            fit_training(shape, config, gigabytes, weight_bytes=learning_bytes)
            learn.append(name)
    return answer, learn


def _describe_fit(best) -> str:
    from .. import device

    memory = device.total_memory(best)
    if memory is None:
        return "unknown: the system does not tell its memory"
    found = fitting_models(memory, 4 if _is_float16_only(best) else 2)
    answer, learn = (", ".join(["pocket", *names]) for names in found)
    size = f"{memory / 2**30:.0f} GiB of {best.type}"
    return f"in the {size} can answer: {answer}; can learn: {learn}"


def _is_float16_only(best) -> bool:
    from .. import device

    dtype = device.pick_dtype(best, "qwen3-0.6b")
    return dtype == device.DTYPES["float16"]


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (missing)"


def _describe_hub_cache() -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    paths = sorted(Path(HF_HUB_CACHE).glob("models--*"))
    names = [path.name[8:].replace("--", "/") for path in paths]
    return f"{HF_HUB_CACHE} ({', '.join(names) or 'empty'})"


def _describe_hub() -> str:
    import httpx
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "not asked: HF_HUB_OFFLINE is set; downloaded models work"
    try:
        httpx.head(constants.ENDPOINT, timeout=TIMEOUT, follow_redirects=True)
    except httpx.HTTPError as error:
        return (
            f"{constants.ENDPOINT} cannot be reached "
            f"({type(error).__name__}); the pocket models and downloaded "
            "ones work, or set HF_ENDPOINT to a mirror"
        )
    return f"{constants.ENDPOINT} answers"


def _describe_assets() -> str:
    from ..llm.weights import ASSETS

    needed = [f"{name}/model.safetensors" for name in BUILT_IN]
    needed.append("pocketmath/test.jsonl.gz")
    if missing := [name for name in needed if not (ASSETS / name).exists()]:
        names = ", ".join(missing)
        return f"{BROKEN}no {names} in {ASSETS}; install the package again"
    size = sum(path.stat().st_size for path in ASSETS.rglob("*"))
    names = ", ".join(BUILT_IN)
    return f"{names}, with their problems ({size / 1e6:.1f} MB)"


def _describe_runs() -> str:
    root = runs_root().absolute()
    nearest = next(path for path in (root, *root.parents) if path.is_dir())
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        reason = error.strerror
        return f"{BROKEN}{root} cannot be written ({reason}); set RFS_RUNS"
    return f"{root} can be written"
