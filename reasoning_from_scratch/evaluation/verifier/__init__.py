r"""A rule-based verifier of mathematical answers.

The cheapest test first: plain numbers by arithmetic; equal text; then both
are read (`tokenizer`, `parser`) into trees and compared by value (`values`),
as sets or by structure (`equivalence`). Model text is never evaluated, nothing
raises, and what cannot be shown equal is unequal.
"""

import logging
import re
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache

from ..answers import extract_answer
from . import tree
from .equivalence import same
from .parser import parse
from .tokenizer import clean, text_key
from .values import start_counting
from .vocabulary import clock_time

__all__ = ["answers_equal", "verify"]

logger = logging.getLogger(__name__)
PLAIN = re.compile(r"\s*[+-]?[0-9]{1,18}(?:/[1-9][0-9]{0,9}|\.[0-9]{1,5})?\s*")
CACHE_SIZE = 2_048  # parsed answers; a reference meets many predictions
MAX_CACHED = 200  # characters of an answer that is kept


def verify(response, reference, *, boxed_only=False):
    """Whether the answer that a response gives equals the reference.

    `boxed_only` accepts only an answer in \\boxed{}, as a reward should.
    """
    answer = extract_answer(response, boxed_only=boxed_only)
    return answers_equal(answer, reference)


def answers_equal(prediction, reference):
    r"""Decide whether a predicted answer is the reference answer.

    Args:
        prediction: an extracted answer as text; None is no answer.
        reference: the right answer, or a list of those of which any will do.

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
    if PLAIN.fullmatch(prediction) and PLAIN.fullmatch(reference):
        return Fraction(prediction) == Fraction(reference)
    try:
        return compare_answers(prediction, reference)
    except (tree.UnreadableAnswer, tree.Undecided, tree.TooLong):
        return False
    except Exception as error:
        # A mistake of ours must not end a training run of hours.
        kind = type(error).__name__
        logger.warning("%s on %.60r, %.60r", kind, prediction, reference)
        return False


def compare_answers(prediction, reference):
    """Compare by text, then by meaning."""
    if max(len(prediction), len(reference)) > tree.MAX_CHARACTERS:
        return prediction.strip() == reference.strip() != ""
    texts = clean(prediction), clean(reference)
    if text_key(texts[0]) == text_key(texts[1]) != "":
        return True
    times = [clock_time(text) for text in texts]
    if None not in times:
        return times[0] == times[1]
    start_counting()
    left, right = (
        cached_readings(text) if len(text) <= MAX_CACHED else read(text)
        for text in texts
    )
    if same(left[0], right[0]):
        return True
    if len(left) < len(right):
        left, right = right, left
    # 1,234 as two numbers, against an answer that is plainly a list
    is_list = isinstance(right[0], tree.Collection) and len(right) == 1
    return is_list and same(left[-1], right[0])


def read(text):
    """Parse a cleaned text in the ways in which it can be read."""
    found = [parse(text)]
    if re.search(r"\d,\d{2}", text):
        with suppress(tree.UnreadableAnswer):
            found.append(parse(text, split_groups=True))
    return found[: 1 + (found[0] != found[-1])]


cached_readings = lru_cache(CACHE_SIZE)(read)
