"""What words mean: units, numbers in words, and set phrases.

"5 cm" answers a question whose reference says "5". Units that both name must
agree; nothing is converted.
"""

import re
from fractions import Fraction

from . import vocabulary as known
from .tree import EMPTY_SET, REALS, Number, Text, UnreadableAnswer

TERM = re.compile(r"[^\W\d_]+|¢|\^?-?\d+|[/*]")
PHRASES = (
    (r"(the)?emptyset|(there)?(is|are|has|exists?)?no(real)?"
     r"(solutions?|roots?)(exists?)?", EMPTY_SET),
    (r"(all)?(the)?(set)?(of)?(all)?real(number|value)?s(ofx)?", REALS),
    ("doesnotexist", Text("dne")),
)  # fmt: skip
CLOCK = re.compile(
    r"(\d{1,2})(?::(\d\d))?\s*(?:\\text\w*\s*\{|\\mathrm\s*\{|\\ |~|\s)*"
    r"([ap])\.?\s?m\.?\s*\}?",
    re.IGNORECASE,
)


def canonical_unit(text):
    """One spelling of a unit: "square inches" and "in^2" give "in^2"."""
    terms, power, sign = [], 1, 1
    for term in TERM.findall(text.lower().replace(".", "")):
        if term in ("/", "per"):
            sign = -1
        elif term in ("squared", "cubed") or term[-1].isdigit():
            by = known.POWERS.get(term) or int(term.strip("^")[:3])
            terms[-1:] = [(n, p * by) for n, p in terms[-1:]]
        elif term in known.POWERS:
            power = known.POWERS[term]
        elif term != "*":
            name = singular(term)
            for base in known.CANONICAL.get(name, name).split("/"):
                terms.append((base, sign * power))
                sign *= -1 if "/" in known.CANONICAL.get(name, "") else 1
            power = 1
    names = {name for name, _ in terms} - {"unit"}
    if names & {"celsius", "fahrenheit"}:
        terms = [(n, p) for n, p in terms if n != "degree"]
    return " ".join(f"{n}^{p}" for n, p in sorted(terms)) if names else ""


def singular(word):
    """A word without its plural s, if the rest is a unit or long enough."""
    if word in known.CANONICAL or not word.endswith("s") or len(word) < 3:
        return word
    return word[:-2] if word[:-2] in known.CANONICAL else word[:-1]


def is_unit(text):
    """Whether every word of the text belongs to a unit we know."""
    found = re.findall(r"[^\W\d_]+|¢", text.lower())
    return bool(found) and all(
        singular(word) in known.CANONICAL or word in known.MODIFIERS
        for word in found
    )


def is_unit_word(run):
    """Whether a run of letters is a unit; long ones in any case."""
    spelling = run.lower() if len(run) > 2 else run
    return spelling in known.UNIT_WORDS or run in known.UNIT_WORDS


def changes_value(unit):
    """Whether words behind a number say more than what it counts."""
    found = re.findall(r"[a-z]+", unit.lower())
    if len(found) > 1 and found[-1] in known.POWERS:  # inches squared
        found.pop()
    return not known.CHANGING.isdisjoint(found)


def meaning_of(text):
    """The tree that stands for words."""
    found = [w for w in text.split() if w not in known.words("the a an")]
    key = re.sub(r"[\W_]", "", "".join(found or text.split()))
    if not key:
        raise UnreadableAnswer("no letters in the text")
    for phrase, answer in PHRASES:
        if re.fullmatch(phrase, key):
            return answer
    return number_in_words(text) or Text(key)


def number_in_words(text):
    """The number that words spell, as a tree, or None: forty-two, a half."""
    found = text.lower().replace("-", " ").split()
    is_negative = found[:1] in (["negative"], ["minus"])
    found = found[is_negative:]
    value = simple_number(found)
    if value is None and "and" in found:
        where = found.index("and")
        ends = simple_number(found[:where]), simple_number(found[where + 1 :])
        if None not in ends and ends[0] > ends[1]:
            value = sum(ends)
    if value is None:
        return None
    return Number(Fraction(-value if is_negative else value))


def simple_number(found):
    """The value of number words without "and": two thirds, six hundred."""
    name = found[-1].removesuffix("s") if found else ""
    if name in known.FRACTION_WORDS and (len(found) > 1 or name == "half"):
        ahead = found[:-1] if found[:-1] not in (["a"], []) else ["one"]
        above = simple_number(ahead)
        below = known.FRACTION_WORDS[name]
        return None if above is None else Fraction(above, below)
    total, group = 0, None
    for word in found:
        value = known.NUMBER_WORDS.get(word)
        if word == "a" and group is None and len(found) > 1:
            group = 1
        elif value is not None:  # twenty and then one, a hundred and then ten
            group = group or 0
            if group % 10 or value >= (10 if group % 100 else 100):
                return None
            group += value
        elif word == "hundred" and group in range(1, 100):
            group *= 100
        elif word in known.SCALES and group:
            total, group = total + group * known.SCALES[word], 0
        else:
            return None
    return None if group is None else total + group


def clock_time(text):
    """Minutes since midnight of "3:30 p.m.", or None."""
    match = CLOCK.fullmatch(text)
    if not match:
        return None
    hours = int(match[1]) % 12 + 12 * (match[3].lower() == "p")
    return 60 * hours + int(match[2] or 0)
