"""Stage 2, measuring reasoning: problems, prompts, verdicts, error bars.

Names are imported on first use, but for `evaluate`: its module bears its
name, and a lazy lookup would find the module.
"""

from reasoning_from_scratch import import_on_use

from .evaluate import evaluate

NAMES = """
    evaluate: MethodOutput
    problems: Problem load_problems load_splits opening_problems
    prompts: PROMPTS render_prompt
    answers: extract_answer normalize_answer
    verifier: answers_equal verify
    records: EvalResult regrade
    statistics: PairedDifference majority_at_k mean_and_error
      paired_difference pass_at_k problems_needed wilson_interval
    grouping: group_answers
"""
__getattr__, __dir__, __all__ = import_on_use(__name__, NAMES)
__all__ += ["evaluate"]
