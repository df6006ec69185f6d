r"""A rule-based verifier of mathematical answers.

    answers_equal(prediction, reference)   two answers, True or False
    verify(response, reference)            a whole response

From two texts to a verdict, the cheapest test first: plain numbers by
arithmetic; equal text; then both are read (`cleaning`, `tokenizer`, `atoms`,
`parser`) into trees (`tree`) and compared by value (`values`), as sets
(`real_sets`, `inequalities`) or by structure (`forms`, `equivalence`). Model
text is never evaluated, nothing raises, and what cannot be shown equal is
unequal.
"""

import contextlib
import logging
import re
from functools import lru_cache

from ..answers import extract_answer
from .cleaning import clean, text_key
from .equivalence import Judge
from .parser import parse
from .tree import MAX_CHARACTERS, Collection, Undecided, UnreadableAnswer
from .values import start_counting
from .words import clock_time

__all__ = ["answers_equal", "verify"]

logger = logging.getLogger(__name__)
PLAIN = re.compile(
    r"\s*([+-]?)(?:\\[dt]?frac\{([0-9]{1,18})\}\{([0-9]{1,18})\}"
    r"|([0-9]{1,18})(?:/([0-9]{1,18})|\.([0-9]{1,5}))?)\s*"
)
CACHE_SIZE = 2_048  # parsed answers; a reference meets many predictions
MAX_CACHED = 200  # characters of an answer that is kept


def verify(response, reference, *, boxed_only=False):
    """Whether the answer that a response gives equals the reference.

    Args:
        response: what a model wrote; its answer is extracted.
        reference: the right answer, or a list of them.
        boxed_only: accept only an answer in \\boxed{}, as a reward should.
    """
    answer = extract_answer(response, boxed_only=boxed_only)
    return answers_equal(answer, reference)


def answers_equal(prediction, reference):
    r"""Decide whether a predicted answer is the reference answer.

    Args:
        prediction: an extracted answer as text; None is no answer.
        reference: the right answer as text, or a list of right answers of
            which any will do.

    Returns:
        True if the two certainly mean the same, else False. The verdict does
        not depend on the order of the two, and nothing is raised.

    >>> answers_equal("0.5", r"\frac12")
    True
    >>> answers_equal("(1, 2)", "[1, 2]")
    False
    """
    if isinstance(reference, (list, tuple)):
        return any(answers_equal(prediction, one) for one in reference)
    if not isinstance(prediction, str) or not isinstance(reference, str):
        return False
    left, right = plain_fraction(prediction), plain_fraction(reference)
    if left and right:
        return left[0] * right[1] == right[0] * left[1]
    try:
        return compare_answers(prediction, reference)
    except (UnreadableAnswer, Undecided):
        return False
    except Exception as error:
        # A mistake of ours must not end a training run of hours.
        kind = type(error).__name__
        logger.warning("%s on %.60r, %.60r", kind, prediction, reference)
        return False


def plain_fraction(text):
    """(numerator, denominator) of a plainly written number, or None."""
    match = PLAIN.fullmatch(text)
    if not match:
        return None
    sign, over, under, whole, divisor, decimals = match.groups()
    if decimals:
        above, below = int(whole + decimals), 10 ** len(decimals)
    else:
        above, below = int(over or whole), int(under or divisor or 1)
    if below == 0:
        return None
    return (-above if sign == "-" else above), below


def compare_answers(prediction, reference):
    """Compare by text, then by meaning."""
    if max(len(prediction), len(reference)) > MAX_CHARACTERS:
        return prediction.strip() == reference.strip() != ""
    texts = clean(prediction), clean(reference)
    if text_key(texts[0]) == text_key(texts[1]) != "":
        return True
    times = [clock_time(text) for text in texts]
    if None not in times:
        return times[0] == times[1]
    start_counting()
    judge = Judge()
    left, right = (readings(text) for text in texts)
    if judge.same(left[0], right[0]):
        return True
    if len(left) + len(right) != 3:
        return False
    if len(right) > len(left):
        left, right = right, left
    # 1,234 as two numbers, against an answer that is plainly a list
    is_list = isinstance(right[0], Collection)
    return is_list and judge.same(left[1], right[0])


def readings(text):
    """The parsed answer; with its second reading if 1,234 is ambiguous."""
    return cached_readings(text) if len(text) <= MAX_CACHED else read(text)


def read(text):
    """Parse a cleaned text in the ways in which it can be read."""
    first, second = parse(text), None
    if re.search(r"\d,\d{2}", text):
        with contextlib.suppress(UnreadableAnswer):
            second = parse(text, split_groups=True)
    return (first,) if second in (None, first) else (first, second)


cached_readings = lru_cache(CACHE_SIZE)(read)
