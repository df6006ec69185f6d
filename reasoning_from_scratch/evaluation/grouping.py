r"""Which answers are one answer: grouping by value, not by spelling.

`1/2`, `0.5` and `\frac12` are one candidate of a vote. Equality is not quite
transitive (50 and 50% are equal, so are 50% and 0.5), so a group holds all
that a chain of equal answers connects: the groups do not depend on the order.
"""

from functools import lru_cache

from .verifier import answers_equal


@lru_cache(maxsize=100_000)
def same_answer(first, second):
    """Compare two answers by value; what is spelt alike is equal."""
    return first == second or answers_equal(first, second)


def group_answers(answers):
    r"""Number the answers in order of appearance; equal ones share a number.

    Args:
        answers: one string per sample, None where no answer was found.

    Returns:
        One group number per sample, None where there was no answer.

    >>> group_answers(["1/2", "3", None, "0.5"])
    [0, 1, None, 0]
    """
    groups = []  # of spellings, in order of appearance
    for answer in dict.fromkeys(answers):
        if answer is None:
            continue
        equal = [g for g in groups if any(same_answer(answer, a) for a in g)]
        merged = [*sum(equal, []), answer]
        place = groups.index(equal[0]) if equal else len(groups)
        groups = [group for group in groups if group not in equal]
        groups.insert(place, merged)
    numbers = {a: number for number, group in enumerate(groups) for a in group}
    return [numbers.get(answer) for answer in answers]
