"""Stage 3, thinking longer: more computation for an answer, no training.

Nothing here loads torch before a model is asked. Two functions share their
module's name, so the names are imported at once: a lazy lookup would find the
module.
"""

from reasoning_from_scratch.scaling.best_of_n import (
    best_of_n,
    heuristic_score,
    mean_logprob_score,
)
from reasoning_from_scratch.scaling.budget import budget_forcing
from reasoning_from_scratch.scaling.confidence import confidence_vote
from reasoning_from_scratch.scaling.methods import METHODS
from reasoning_from_scratch.scaling.self_consistency import self_consistency
from reasoning_from_scratch.scaling.self_refinement import self_refine

__all__ = [
    "METHODS",
    "best_of_n",
    "budget_forcing",
    "confidence_vote",
    "heuristic_score",
    "mean_logprob_score",
    "self_consistency",
    "self_refine",
]
