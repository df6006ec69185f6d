"""Preparing an answer's text: one way to write each character and wrapper."""

import re
import unicodedata

from . import vocabulary as known
from .tree import MAX_CHARACTERS, UnreadableAnswer

DELIMITED = re.compile(
    r"\$\$((?:(?!\$\$).)+)\$\$|\$([^$]*[^$\\])\$"
    r"|\\\(((?:(?!\\\().)*[^\\])\\\)|\\\[((?:(?!\\\[).)*[^\\])\\\]",
    re.DOTALL,
)
UNUSUAL = re.compile(
    r"\\[\\rcm]|mod|0[box]|(?:st|[nr]d|th)\}*$|m/s|\d\s*[xX]|[][<]| and |real"
)
REWRITES = [
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        # \left\{ \begin{array}{l} x=1 \\ y=2 \end{array} \right.
        (
            r"\\left\s*\\\{\s*\\begin\{(array|aligned|matrix)\}"
            r"(?:\{[^{}]*\})?(.*)\\end\{\1\}\s*\\right\s*\.",
            r"\\begin{cases}\2\\end{cases}",
        ),
        (r"\\\\\s*\[-?[\d.]+\s*(?:pt|em|ex|mm|cm)\]", r"\\\\ "),
        # 3.2 x 10^5 and 2 x 3, but not 2x3, which may have been 2x^3
        (r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))", r"\\times "),
        (r"(?<=\d)\s+[xX]\s+(?=\d)", r"\\times "),
        (r"\^\{\s*\\circ\s*\}", r"^\\circ "),
        (r"\(\s*\\?[bp]?mod\s*([^()]*)\)", r"\\pmod{\1}"),
        (r"^0[xX]([0-9A-Fa-f]+)$", r"\1_{16}"),
        (r"^0[bB]([01]+)$", r"\1_{2}"),
        (r"(?<=\d)\s*(k?m/s(?:\^\{?2\}?)?)$", r"\\text{\1}"),
        (r"^0[oO]([0-7]+)$", r"\1_{8}"),
        (r"(?<=\d)\^\s*\{?\s*(?:\\\w+\{)?\s*(?:st|nd|rd|th)\s*\}*$", ""),
        (r"\\math(?:open|close)\s*\{([][()])\}", r"\1"),
        (r"^((?:.*=)?\s*)<([^<>=]+,[^<>=]+)>$", r"\1\\langle \2\\rangle "),
        # ]2, 5[ is the open interval (2, 5)
        (
            r"(^|[=,;{\s]|\\cup|\\in)(\s*(?:\\left)?)([\[\](])"
            r"([^][()]*[,;][^][()]*?)(\\right)?([\[\])])(?=\s*($|[,;)}\\oa]))",
            lambda m: m[1] + m[2] + ("(" if m[3] == "]" else m[3]) + m[4]
            + (")" if m[6] == "[" else m[6]),
        ),
        # 2 and a half
        (
            rf"(?<=\d) and (?:an?|one) ({'|'.join(known.FRACTION_WORDS)})\b",
            lambda m: rf"\frac{{1}}{{{known.FRACTION_WORDS[m[1]]}}}",
        ),
        (
            r"^(?:\\text\w*\s*\{)?\s*(?:x is )?(?:the set of )?(?:all )?"
            r"(?:real numbers|reals|\\mathbb\{?R\}?)\s*(?:\\text\w*\s*\{)?\s*"
            r"(?:except|excluding|other than)(?: for)?\s*\}?"
            r"\s*(?:x\s*=\s*)?(.*)$",
            r"\\mathbb{R}\\setminus\\{\1\\}",
        ),
    )
]
LEAD = re.compile(
    r"(?:(?:thus|so|therefore|hence),?\s+)?(?:the\s+)?(?:final\s+)?"
    r"answer\s*(?:is\s*:?|[:=])\s*|(?:option|choice)\s+(?=\(?[A-H]\b)"
    r"|\\text\{\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is\s*)?:?\s*\}\s*",
    re.IGNORECASE,
)
EMPTY_END = re.compile(r"\\text\{[\s.,;]*\}$")
WRAPPER = re.compile(rf"\\(?:boxed|fbox)\s*\{{({known.BALANCED})\}}\s*")
FACES = re.compile(r"\\(?:text\w*|mbox|hbox|mathrm|emph)\s*\{([^{}]*)\}")
BLANK = re.compile(r"\\(?:left|right|displaystyle|q?quad|[,;:! ])(?![A-Za-z])")
SPACES = re.compile(r"(?<!\w)\s+|\s+(?!\w)")


def clean(text):
    """The text without wrappers, in ASCII and LaTeX commands."""
    if len(text) > MAX_CHARACTERS:
        raise UnreadableAnswer(f"more than {MAX_CHARACTERS:,} characters")
    if not text.isascii():
        text = "".join(map(plain_character, text))
        text = text.replace("}^{", "").replace("}_{", "")  # of a run: 10¹²
    previous = None
    while text != previous:
        previous, text = text, unwrap(text)
    if not text:
        raise UnreadableAnswer("the answer is empty")
    if UNUSUAL.search(text):
        for pattern, replacement in REWRITES:
            text = pattern.sub(replacement, text)
    return text


def plain_character(character):
    """One character as ASCII or a LaTeX command; unknown ones stay."""
    if character.isascii():
        return character
    if character in known.CHARACTERS:
        return known.CHARACTERS[character]
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    simple = unicodedata.normalize("NFKC", character)
    if "⁄" in simple:  # ½ becomes 1⁄2
        over, under = simple.split("⁄")
        return rf"\frac{{{over}}}{{{under}}}"
    return simple if simple.isascii() else character


def unwrap(text):
    """Take off one layer: spaces, $...$, \\boxed{}, bold, a final dot."""
    text = text.strip().strip("\x00")
    if delimited := DELIMITED.fullmatch(text):
        return next(filter(None, delimited.groups()))
    for mark in ("**", "`", '"', "'"):
        inner = text[len(mark) : -len(mark)]
        if text == f"{mark}{inner}{mark}" and inner.strip(mark):
            return inner
    if box := WRAPPER.fullmatch(text):
        return box[1]
    if lead := LEAD.match(text):
        return text[lead.end() :]
    text = EMPTY_END.sub("", text)
    is_open = text.endswith(("...", "\\right."))
    return text if is_open else text.rstrip(".,;:\\ ")


def text_key(text):
    """The text without layout, but for the space in 1 1/2, or in two words."""
    text = BLANK.sub(" ", FACES.sub(r"\1", text)).replace("$", "")
    return SPACES.sub("", re.sub(r"\s+", " ", text.strip()))
