"""A rule-based verifier of mathematical answers.

    answers_equal(prediction, reference)   two answers, True or False
    verify(response, reference)            a whole response

Read in this order: `tree` (what an answer is), `tokenizer`, `parser`,
`atoms`, `answer_parser` (from text to tree), `exact`, `numeric`, `scalars`
(values), `real_sets`, `forms`, `relations`, `containers`, `equivalence`
(the rules), `verdict` (all together), `deadline`, `worker`, `algebra` (the
rest, in SymPy). Model text is never evaluated, and nothing here raises.
"""

from ..answers import extract_answer
from .verdict import answers_equal

__all__ = ["answers_equal", "verify"]


def verify(response, reference, *, boxed_only=False):
    """Whether the answer that a response gives equals the reference.

    Args:
        response: what a model wrote; its answer is extracted.
        reference: the right answer, or a list of them.
        boxed_only: accept only an answer in \\boxed{}, as a reward should.
    """
    answer = extract_answer(response, boxed_only=boxed_only)
    return answers_equal(answer, reference)
