"""The words, commands and characters that we know, and what words mean.

What stands in no table is compared as text. "5 cm" answers a question whose
reference says "5"; units that both name must agree, and nothing is converted.
"""

import re
from fractions import Fraction
from pathlib import Path

from .tree import EMPTY_SET, REALS, Number, Text, refuse_if

# vocabulary.txt: a table's name in brackets, then its entries
TABLES = dict(
    re.findall(
        r"(?m)^\[(.{2,})\]\n((?:(?!# |\[.{2,}\]$).*\n)*)",
        Path(__file__).with_name("vocabulary.txt").read_text("utf-8"),
    )
)


def words(text):
    return frozenset(text.split())


def pairs(text):
    """Entries "spelling=meaning", or a spelling that means itself."""
    split = (entry.partition("=") for entry in text.split())
    return {spelling: meaning or spelling for spelling, _, meaning in split}


BALANCED = r"(?:[^{}\\]|\\.)*"  # a pattern: braces in braces, nine deep
for _ in range(8):
    BALANCED = rf"(?:[^{{}}\\]|\\.|\{{{BALANCED}\}})*"

LAYOUT = words(TABLES["layout"]) | {" ", "\n", "\t", "/"}
LAYOUT_WITH_ARGUMENT = words(TABLES["layout with an argument"])
TEXT_COMMANDS = words(TABLES["text commands"])
BOLD = words("mathbf boldsymbol bm bf pmb")
ACCENTS = words(TABLES["accents"])
MATRICES = words("matrix pmatrix bmatrix Bmatrix smallmatrix array vmatrix")
SYSTEMS = words(TABLES["systems"])
FUNCTIONS = pairs(TABLES["functions"])
OPERATORS = pairs(TABLES["operators"])
WORDS = pairs(TABLES["words"])
SIGNS = {sign: sign for sign in "+-*/^_!()[]{}<>=|,;:&%'"} | {
    "**": "^", "==": "=", ":=": "=", "->": "to", "..": "dots", "...": "dots",
    "<=": "<=", ">=": ">=", "!=": "!=", "~=": "~",
}  # fmt: skip
GREEK = words(TABLES["greek"])
SYMBOLS = {prefix + name: name for name in GREEK for prefix in ("", "var")}
SYMBOLS |= pairs(TABLES["other symbols"])
SETS = pairs("R=reals Z=integers N=naturals Q=rationals")
CURRENCIES = pairs(TABLES["currencies"])
CHARACTERS = pairs(TABLES["plain characters"]) | {
    "°": r"^\circ ", "º": r"^\circ ", "℃": r"^\circ C", "℉": r"^\circ F",
    "或": " or ", "和": " and ",
} | dict.fromkeys("\u200b\ufeff\u2061■□✓✔✅∎", "")  # fmt: skip
CHARACTERS |= {
    letter: f"\\{name} "
    for letter, name in pairs(TABLES["characters"]).items()
}
for raised, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾", "0123456789+-()", strict=True):
    CHARACTERS[raised] = f"^{{{plain}}}"
CHARACTERS |= {chr(ord("₀") + digit): f"_{{{digit}}}" for digit in range(10)}

SMALL = pairs(TABLES["numbers to nineteen"])
TENS = pairs("twenty thirty forty fifty sixty seventy eighty ninety")
PARTS = pairs("third fourth fifth sixth seventh eighth ninth tenth")
NUMBER_WORDS = {word: number for number, word in enumerate(SMALL)}
NUMBER_WORDS |= {word: 10 * ten for ten, word in enumerate(TENS, start=2)}
SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6}
SCALES |= {"billion": 10**9, "trillion": 10**12}
FRACTION_WORDS = {"half": 2, "halve": 2, "quarter": 4}
FRACTION_WORDS |= {word: part for part, word in enumerate(PARTS, start=3)}

CANONICAL = {
    spelling: row.split()[0]
    for row in TABLES["units"].replace("|", "\n").strip().split("\n")
    for spelling in row.split()
}
POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
MODIFIERS = {*POWERS, "per"}
NAMES = {name for name in CANONICAL if len(name) > 1} | MODIFIERS
UNIT_WORDS = (NAMES | {name + "s" for name in NAMES if len(name) > 2}) | words(
    "lbs hrs yrs mins secs mL kW kWh Hz MHz kHz ways way th nd rd st"
)
CHANGING = words(TABLES["changing words"])
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
            by = POWERS.get(term) or int(term.strip("^")[:3])
            terms[-1:] = [(n, p * by) for n, p in terms[-1:]]
        elif term in POWERS:
            power = POWERS[term]
        elif term != "*":
            name = singular(term)
            for base in CANONICAL.get(name, name).split("/"):
                terms.append((base, sign * power))
                sign *= -1 if "/" in CANONICAL.get(name, "") else 1
            power = 1
    names = {name for name, _ in terms} - {"unit"}
    if names & {"celsius", "fahrenheit"}:
        terms = [(n, p) for n, p in terms if n != "degree"]
    return " ".join(f"{n}^{p}" for n, p in sorted(terms)) if names else ""


def singular(word):
    """A word without its plural s, if the rest is a unit or long enough."""
    if word in CANONICAL or not word.endswith("s") or len(word) < 3:
        return word
    return word[:-2] if word[:-2] in CANONICAL else word[:-1]


def is_unit(text):
    """Whether every word of the text belongs to a unit we know."""
    found = re.findall(r"[^\W\d_]+|¢", text.lower())
    return bool(found) and all(
        singular(word) in CANONICAL or word in MODIFIERS for word in found
    )


def is_unit_word(run):
    """Whether a run of letters is a unit; long ones in any case."""
    spelling = run.lower() if len(run) > 2 else run
    return spelling in UNIT_WORDS or run in UNIT_WORDS


def changes_value(unit):
    """Whether words behind a number say more than what it counts."""
    found = re.findall(r"[a-z]+", unit.lower())
    if len(found) > 1 and found[-1] in POWERS:  # inches squared
        found.pop()
    return not CHANGING.isdisjoint(found)


def meaning_of(text):
    found = [w for w in text.split() if w not in words("the a an")]
    key = re.sub(r"[\W_]", "", "".join(found or text.split()))
    refuse_if(not key, "no letters in the text")
    found = (tree for phrase, tree in PHRASES if re.fullmatch(phrase, key))
    return next(found, None) or number_in_words(text) or Text(key)


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
    sign = -1 if is_negative else 1
    return None if value is None else Number(Fraction(sign * value))


def simple_number(found):
    """The value of number words without "and": two thirds, six hundred."""
    name = found[-1].removesuffix("s") if found else ""
    if name in FRACTION_WORDS and (len(found) > 1 or name == "half"):
        ahead = found[:-1] if found[:-1] not in (["a"], []) else ["one"]
        above = simple_number(ahead)
        below = FRACTION_WORDS[name]
        return None if above is None else Fraction(above, below)
    total, group = 0, None
    for word in found:
        value = NUMBER_WORDS.get(word)
        if word == "a" and group is None and len(found) > 1:
            group = 1
        elif value is not None:  # twenty and then one, a hundred and then ten
            group = group or 0
            if group % 10 or value >= (10 if group % 100 else 100):
                return None
            group += value
        elif word == "hundred" and group in range(1, 100):
            group *= 100
        elif word in SCALES and group:
            total, group = total + group * SCALES[word], 0
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
