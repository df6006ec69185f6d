"""Watch a language model learn to reason, in code to read to the last line.

The companion package of the book's chapters: `llm` (stage 1), `evaluation`
(stage 2), `scaling` (stage 3) and `training` (stage 4). Names are imported on
first use, so that `import reasoning_from_scratch` is instant.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "evaluate",
    "generate",
    "load_model",
    "load_problems",
]

_HOMES = {
    "load_model": "llm",
    "generate": "llm",
    "load_problems": "evaluation",
    "evaluate": "evaluation",
}


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
