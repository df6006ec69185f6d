"""Stage 3, thinking longer: more computation for an answer, no training.

Names are imported on first use, and nothing here loads torch before a model
is asked.
"""

from importlib import import_module

_MODULES = {
    "choosing": [
        "best_of_n",
        "heuristic_score",
        "mean_logprob_score",
        "self_consistency",
    ],
    "budget": ["budget_forcing"],
    "refinement": ["self_refine"],
    "methods": ["METHODS"],
}
_HOMES = {name: home for home, names in _MODULES.items() for name in names}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
