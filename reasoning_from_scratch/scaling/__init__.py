"""Stage 3, thinking longer: more computation for an answer, no training.

Names are imported on first use; torch is loaded when a model is asked.
"""

from reasoning_from_scratch import import_on_use

NAMES = """
    choosing: best_of_n heuristic_score mean_logprob_score self_consistency
    budget: budget_forcing
    refinement: self_refine
    methods: METHODS
"""
__getattr__, __dir__, __all__ = import_on_use(__name__, NAMES)
