"""Look at this machine: what is there, what is missing, what to do.

    rfs doctor
    HF_HUB_OFFLINE=1 rfs doctor

Exit status 1 if the pocket model could not run or runs cannot be written.
"""

import os
import platform
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version

from reasoning_from_scratch import __version__
from reasoning_from_scratch.runs import runs_root
from reasoning_from_scratch.settings import default_model

PACKAGES = """torch numpy safetensors tokenizers huggingface_hub mpmath
              transformers matplotlib jupyterlab"""
NEEDED_ASSETS = ("pocket/model.safetensors", "pocketmath/test.jsonl.gz")
ENVIRONMENT = """RFS_MODEL RFS_FAST RFS_RUNS HF_HOME HF_ENDPOINT
                 HF_HUB_OFFLINE OMP_NUM_THREADS"""
TIMEOUT = 3.0  # seconds to wait for the Hub


def run(args) -> int:
    """Print one line a finding; 1 if something needed is missing."""
    from reasoning_from_scratch import device

    model, best = default_model(), device.pick_device()
    dtype = device.pick_dtype(best, model)
    disk = shutil.disk_usage(".").free / 2**30
    chosen = [name for name in ENVIRONMENT.split() if name in os.environ]
    assets, has_assets = _check_assets()
    runs, has_runs = _check_runs()
    findings = {
        "rfs": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": ", ".join(map(_version, PACKAGES.split())),
        "device": device.describe_device(best, dtype),
        "hardware": f"{device.describe_hardware()}; {disk:.0f} GiB free",
        "environment": " ".join(f"{n}={os.environ[n]}" for n in chosen)
        or "nothing set",
        "default model": model,
        "hub cache": _describe_hub_cache(),
        "hub": _describe_hub(),
        "pocket model": assets,
        "runs": runs,
    }
    for name, finding in findings.items():
        print(f"{name:<14} {finding}")
    return 0 if has_assets and has_runs else 1


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (missing)"


def _describe_hub_cache() -> str:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    folder = constants.HF_HUB_CACHE
    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return f"{folder} (empty)"
    names = ", ".join(sorted(repo.repo_id for repo in cache.repos)) or "empty"
    return f"{folder}: {cache.size_on_disk / 1e9:.1f} GB ({names})"


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


def _check_assets() -> tuple[str, bool]:
    from reasoning_from_scratch.llm.weights import ASSETS

    missing = [name for name in NEEDED_ASSETS if not (ASSETS / name).exists()]
    if missing:
        names = ", ".join(missing)
        return f"MISSING {names} in {ASSETS}; install the package again", False
    size = sum(path.stat().st_size for path in ASSETS.rglob("*"))
    return f"there, with its problems ({size / 1e6:.1f} MB)", True


def _check_runs() -> tuple[str, bool]:
    root = runs_root().absolute()
    nearest = next(path for path in (root, *root.parents) if path.is_dir())
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        reason = error.strerror
        return f"{root} cannot be written ({reason}); set RFS_RUNS", False
    return f"{root} can be written", True
