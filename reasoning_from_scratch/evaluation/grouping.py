r"""Which answers are one answer: grouping by value, not by spelling.

`1/2`, `0.5` and `\frac12` are one candidate of a vote. Equivalence is taken to
be transitive: a new answer is compared with one answer of each group.
"""

import re
from fractions import Fraction
from functools import lru_cache

from .verifier import answers_equal

PLAIN_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18}|/[1-9]\d{0,17})?", re.ASCII)


@lru_cache(maxsize=100_000)
def same_answer(first, second):
    """Compare two answers by value; plain numbers skip the verifier."""
    if first == second:
        return True
    if PLAIN_NUMBER.fullmatch(first) and PLAIN_NUMBER.fullmatch(second):
        return Fraction(first) == Fraction(second)
    return answers_equal(first, second)


def group_answers(answers):
    r"""Number the answers in order of appearance; equal ones share a number.

    Args:
        answers: one string per sample, None where no answer was found.

    Returns:
        One group number per sample, None where there was no answer.

    >>> group_answers(["1/2", "3", None, "0.5"])
    [0, 1, None, 0]
    """
    representatives, groups = [], []
    for answer in answers:
        same = (
            group
            for group, seen in enumerate(representatives)
            if same_answer(answer, seen)
        )
        group = None if answer is None else next(same, len(representatives))
        if group == len(representatives):
            representatives.append(answer)
        groups.append(group)
    return groups
