"""Preparing an answer's text: one way to write each character and wrapper."""

import re
import unicodedata

from .tree import MAX_CHARACTERS, UnreadableAnswer
from .vocabulary import CHARACTERS, FRACTION_WORDS

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾", "0123456789+-()", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
SUPERSCRIPT_RUN = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")
SUBSCRIPT_RUN = re.compile(f"[{''.join(SUBSCRIPTS)}]+")
DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
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
        (r"^((?:.*=)?\s*)<([^<>=]+,[^<>=]+)>$", r"\1\\langle \2\\rangle "),
        # ]2, 5[ is the open interval (2, 5)
        (
            r"(^|[=,;{\s]|\\cup|\\in)(\s*(?:\\left)?)([\[\](])"
            r"([^][()]*,[^][()]*?)(\\right)?([\[\])])(?=\s*($|[,;)}\\oa]))",
            lambda m: m[1] + m[2] + ("(" if m[3] == "]" else m[3]) + m[4]
            + (")" if m[6] == "[" else m[6]),
        ),
        # 2 and a half
        (
            r"(?<=\d) and (?:an?|one) "
            rf"({'|'.join(FRACTION_WORDS)})\b",
            lambda match: rf"\frac{{1}}{{{FRACTION_WORDS[match[1]]}}}",
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
LEAD_COMMAND = re.compile(
    r"\\text\{\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is\s*)?:?\s*\}\s*",
    re.IGNORECASE,
)
LEAD = re.compile(
    r"(?:(?:thus|so|therefore|hence),?\s+)?(?:the\s+)?(?:final\s+)?"
    r"answer\s*(?:is\s*:?|[:=])\s*|(?:option|choice)\s+(?=\(?[A-H]\b)",
    re.IGNORECASE,
)
EMPTY_END = re.compile(r"\\text\{[\s.,;]*\}$")
WRAPPER = re.compile(r"\\(?:boxed|fbox)\s*\{(.*)\}\s*", re.DOTALL)
FACES = re.compile(r"\\(?:text\w*|mbox|hbox|mathrm|emph)\s*\{([^{}]*)\}")
LAYOUT_COMMANDS = re.compile(
    r"\\(?:left|right|displaystyle|quad|qquad|[,;:! ])(?![A-Za-z])"
)
SPACES = re.compile(r"(?<!\w)\s+|\s+(?!\w)")


def clean(text):
    """The text without wrappers, in ASCII and LaTeX commands.

    Raises:
        UnreadableAnswer: the text is empty or too long for an answer.
    """
    if len(text) > MAX_CHARACTERS:
        raise UnreadableAnswer(
            f"an answer has at most {MAX_CHARACTERS:,} characters, "
            f"got {len(text):,}"
        )
    text = plain_characters(text)
    previous = None
    while text != previous:
        previous = text
        text = unwrap(text)
    if not text:
        raise UnreadableAnswer("the answer is empty")
    for pattern, replacement in REWRITES:
        text = pattern.sub(replacement, text)
    return text


def plain_characters(text):
    """Replace unicode digits, signs and fractions by ASCII and LaTeX."""
    if text.isascii():
        return text
    text = SUPERSCRIPT_RUN.sub(
        lambda run: "^{" + "".join(map(SUPERSCRIPTS.get, run[0])) + "}", text
    )
    text = SUBSCRIPT_RUN.sub(
        lambda run: "_{" + "".join(map(SUBSCRIPTS.get, run[0])) + "}", text
    )
    return "".join(map(plain_character, text))


def plain_character(character):
    """One character as ASCII or a LaTeX command; unknown ones stay."""
    if character.isascii():
        return character
    if character in CHARACTERS:
        return CHARACTERS[character]
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
    for left, right in DELIMITERS:
        inner = text[len(left) : -len(right)]
        if (
            text.startswith(left)
            and text.endswith(right)
            and len(text) > len(left) + len(right)
            and left not in inner
            and not inner.endswith("\\")
        ):
            return inner
    for mark in ("**", "`", '"', "'"):
        inner = text[len(mark) : -len(mark)]
        if text == f"{mark}{inner}{mark}" and inner.strip(mark):
            return inner
    box = WRAPPER.fullmatch(text)
    if box and is_balanced(box[1]):
        return box[1]
    for lead in (LEAD, LEAD_COMMAND):
        if match := lead.match(text):
            return text[match.end() :]
    text = EMPTY_END.sub("", text)
    if text.endswith(("...", "\\right.")):
        return text
    if text.endswith((".", ",", ";", ":", "\\")):
        return text.rstrip(".,;:\\ ")
    return text


def is_balanced(text):
    """Whether no closing brace comes before its opening one."""
    depth = 0
    for character in text.replace(r"\{", "").replace(r"\}", ""):
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


def text_key(text):
    """The text without layout: equal keys mean the same answer.

    A space between two letters or digits stays: 1 1/2 is not 11/2.
    """
    text = FACES.sub(r"\1", text)
    text = LAYOUT_COMMANDS.sub(" ", text).replace("$", "")
    text = re.sub(r"\s+", " ", text.strip())
    return SPACES.sub("", text)
