"""Stage 2, measuring reasoning: problems, prompts, verdicts, error bars.

Names are imported on first use, but for `evaluate`: its module bears its
name, and a lazy lookup would find the module.
"""

from importlib import import_module

from .evaluate import MethodOutput, evaluate

_MODULES = {
    "problems": [
        "Problem",
        "load_problems",
        "load_splits",
        "opening_problems",
    ],
    "prompts": ["PROMPTS", "render_prompt"],
    "answers": ["extract_answer", "normalize_answer"],
    "verifier": ["answers_equal", "verify"],
    "records": ["EvalResult", "regrade"],
    "statistics": [
        "PairedDifference",
        "majority_at_k",
        "mean_and_error",
        "paired_difference",
        "pass_at_k",
        "problems_needed",
        "wilson_interval",
    ],
    "choice": [
        "ChoiceProblem",
        "evaluate_choices",
        "load_choices",
        "make_choices",
    ],
    "grouping": ["group_answers"],
    "ranking": [
        "bootstrap_ratings",
        "bradley_terry",
        "elo_ratings",
        "judge_responses",
    ],
}
_HOMES = {name: home for home, names in _MODULES.items() for name in names}
__all__ = ["MethodOutput", "evaluate", *sorted(_HOMES)]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
