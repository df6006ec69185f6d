"""A rule-based verifier of mathematical answers.

    answers_equal(prediction, reference)   two answers, True or False
    verify(response, reference)            a whole response
    group_equal(answers)                   votes: which answers are the same

Read in this order: `tree` (what an answer is), `tokenizer`, `parser`,
`atoms`, `answer_parser` (from text to tree), `exact`, `numeric`, `scalars`
(values), `real_sets`, `forms`, `relations`, `containers`, `equivalence`
(the rules), `verdict` (all together), `deadline`, `worker`, `algebra` (the
rest, in SymPy). Model text is never evaluated, and nothing here raises.
"""

from ..answers import extract_answer, normalize_answer
from .verdict import answers_equal

__all__ = ["answers_equal", "group_equal", "verify"]


def verify(response, reference, *, boxed_only=False):
    """Whether the answer that a response gives equals the reference.

    Args:
        response: what a model wrote; its answer is extracted.
        reference: the right answer, or a list of them.
        boxed_only: accept only an answer in \\boxed{}, as a reward should.
    """
    answer = extract_answer(response, boxed_only=boxed_only)
    return answers_equal(answer, reference)


def group_equal(answers):
    """Group the equal answers of a vote.

    Args:
        answers: texts, or None for a response without an answer.

    Returns:
        Lists of positions, in the order in which answers first appear. None
        equals nothing, not even None.
    """
    groups, by_text = [], {}
    for position, answer in enumerate(answers):
        text = normalize_answer(answer) if answer else None
        group = by_text.get(text) if text else None
        if group is None:
            same = (g for g in groups if answers_equal(answers[g[0]], answer))
            group = next(same, None)
        if group is None:
            group = []
            groups.append(group)
        if text:
            by_text[text] = group
        group.append(position)
    return groups
