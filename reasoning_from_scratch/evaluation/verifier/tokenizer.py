"""Cleaning an answer's text, and cutting it into tokens.

Each character and wrapper is written in one way first. Runs of letters are the
one hard choice: `ab` is a product of two symbols, `ways` a word, `sin` a
function. Words never become products: no two anagrams are equal.
"""

import re
import unicodedata
from fractions import Fraction
from typing import NamedTuple

from . import tree
from . import vocabulary as known
from .tree import Number, UnreadableAnswer, refuse_if


class Token(NamedTuple):
    """kind: number, grouped, repeating, symbol, function, text, operator."""

    kind: str
    text: str


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
            lambda m: (
                m[1]
                + m[2]
                + ("(" if m[3] == "]" else m[3])
                + m[4]
                + (")" if m[6] == "[" else m[6])
            ),
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
SEPARATOR = r"(?:,|\{,\}|,?\\[,;:!]\ ?|\\\ |~|\ |')"
SCANNER = re.compile(
    rf"""
    (?P<repeating> \d*\.\d* (?:
        \\dot\s*\{{?\d\}}? \d* \\dot\s*\{{?\d\}}?
      | \\(?:overline|bar|dot)\s*(?:\{{\d+\}}|\d)
      | \(\d+\)
      | (?<=\d)\s*(?:\.\.\.|\\[lc]?dots)
    ))
  | (?P<number>
        (?: \d{{1,3}} (?:{SEPARATOR}\d{{3}})+ (?!\d)
          | \d{{1,2}} (?:,\d\d)+ ,\d{{3}} (?!\d) | \d+ )
        (?: \.\d* )? (?: [eE][+-]?\d+ (?![A-Za-z.]) )?
      | \.\d+ (?:[eE][+-]?\d+)?
    )
  | (?P<currency> (?: US|HK|NT|A|C|S ) \\?\$ (?=\s*-?[\d.]) | \\?\$ | [€£¥₹₽₩₺]
      | (?: USD|CAD|AUD|CHF|EUR|GBP|RMB|CNY|JPY|INR|RUB|Rs|kr|SEK|NOK|DKK|KRW )
        (?= \.?(?:\s|\\\ |~)*-?[\d.] ) \.? )
  | (?P<command> \\ (?: [A-Za-z]+\*? | . ) )
  | (?P<indexed> (?<![A-Za-z\\]) [A-Za-z]\d+ (?![\d^.!(]) )
  | (?P<letters> [A-Za-z]+ )
  | (?P<layout> [\s~"`?]+ )
  | (?P<foreign> (?:[^\W\d_]|¢)+ )
  | (?P<sign> \*\* | <= | >= | != | == | ~= | := | -> | \.\.\.? | . )
    """,
    re.VERBOSE | re.DOTALL,
)
MATH_LETTERS = {"mathrm": frozenset("ied")} | dict.fromkeys(
    known.BOLD | {"mathit", "rm", "vec", "overrightarrow"},
    frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
)
SHORT_WORDS = known.words(
    """no on is it of to at so if by an as am pm do go he we me my up us
    ok hi"""
)
ENVIRONMENTS = known.MATRICES | known.SYSTEMS
TEMPERATURES = {"C": "celsius", "F": "fahrenheit"}
ONLY_WORDS = re.compile(r"[A-Za-z\s.,'\"-]+")
MATHEMATICS = re.compile(r"[\d\\^+*=<>$]|\b(?:and|or)\b|,")
PRODUCT = re.compile(r"[A-Zb-df-hj-np-tv-za]{2,4}|[A-Za-z]{2}")
ARGUMENT = re.compile(rf"[ *]*(?:\{{({known.BALANCED})\}}|(.?))", re.DOTALL)
VALUES = ("number", "repeating", "grouped")
DEGREE, SLASH, OPEN, CLOSE = (Token("operator", o) for o in ("degree", *"/{}"))
COMMANDS = (
    {name: Token("symbol", symbol) for name, symbol in known.SYMBOLS.items()}
    | {name: Token("function", f) for name, f in known.FUNCTIONS.items()}
    | {name: Token("operator", o) for name, o in known.OPERATORS.items()}
)


def clean(text):
    """The text without wrappers, in ASCII and LaTeX commands."""
    refuse_if(len(text) > tree.MAX_CHARACTERS, "too long")
    if not text.isascii():
        text = "".join(map(plain_character, text))
        text = text.replace("}^{", "").replace("}_{", "")  # of a run: 10¹²
    previous = None
    while text != previous:
        previous, text = text, unwrap(text)
    refuse_if(not text, "the answer is empty")
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


def tokenize(text, tokens, words_only=False):
    """Append the tokens of a text; words_only reads letters as words."""
    words_only, position = words_only or ONLY_WORDS.fullmatch(text), 0
    while position < len(text):
        match = SCANNER.match(text, position)
        position = match.end()
        kind, found = match.lastgroup, match[0]
        if kind == "number":
            tokens.append(number_token(found))
        elif kind == "letters":
            scan_letters(found, tokens, text[position:].lstrip(), words_only)
        elif kind == "command":
            position = scan_command(found[1:], text, position, tokens)
        elif kind == "sign":
            scan_sign(found, tokens)
        elif kind == "indexed":  # x1 is x_1
            tokens += [Token("symbol", found[0]), Token("operator", "_")]
            tokens.append(Token("number", found[1:]))
        elif kind == "currency" and (found != "$" or text.count("$") == 1):
            name = found.rstrip(".").replace("\\", "")
            tokens.append(Token(kind, known.CURRENCIES.get(name, name)))
        elif kind == "foreign" and not known.is_unit(found):
            raise UnreadableAnswer(f"unknown word {found!r}")
        elif kind in ("foreign", "repeating"):
            tokens.append(Token("text" if kind == "foreign" else kind, found))
        refuse_if(len(tokens) > tree.MAX_TOKENS, "too many tokens")
    return tokens


def number_token(text):
    """A number token: `grouped` keeps commas that may separate a list."""
    refuse_if(len(text) > tree.MAX_DIGITS, "too many digits")
    if "," in text and re.fullmatch(r"[\d,]+(?:\.\d*)?", text):
        is_list = not re.search(r"(?:^|,)0", text)
        return Token("grouped" if is_list else "number", text)
    return Token("number", re.sub(r"[^\d.eE+-]", "", text))


def scan_letters(run, tokens, rest, words_only):
    """A run of letters: function, operator, constant, word or symbols."""
    if run in TEMPERATURES and DEGREE in tokens[-1:]:
        tokens.append(Token("text", TEMPERATURES[run]))
    elif run in known.WORDS and not (words_only and run in ("U", "inf")):
        tokens.append(Token("operator", known.WORDS[run]))
    elif run in known.FUNCTIONS and (not words_only or len(run) > 3):
        has_argument = rest[:1].isalnum() or rest[:1] in tuple("({\\")
        tokens.append(function_or_unit(run, tokens, has_argument))
    elif run in known.GREEK or len(run) == 1:
        tokens.append(Token("symbol", run))
    elif known.is_unit_word(run) or is_word(run, words_only):
        tokens.append(Token("text", run))
    else:  # letters side by side: sinx, pir, or symbols
        name = split_function(run)
        if name:
            tokens.append(COMMANDS[name])
        letters = [Token("symbol", letter) for letter in run[len(name) :]]
        is_segment = SLASH in tokens[-1:] and run.isupper()  # of AM/XY
        tokens += [OPEN, *letters, CLOSE] if is_segment else letters


def function_or_unit(name, tokens, has_argument=False):
    """The min of 45 min is a unit, the min of min(1, 2) is none."""
    is_behind = tokens and tokens[-1].kind in VALUES and not has_argument
    is_unit = is_behind and known.is_unit_word(name)
    return Token("text", name) if is_unit else COMMANDS[name]


def is_word(run, words_only):
    """Whether a run of letters is a word rather than a product."""
    if run.lower() in SHORT_WORDS and (words_only or not run.isupper()):
        return True
    if words_only and len(run) > 2:
        return len(run) > 3 or any(vowel in run for vowel in "aeiouAEIOU")
    return not (PRODUCT.fullmatch(run) or split_function(run))


def split_function(run):
    """The name in front of a last letter: sin of sinx, pi of pir."""
    name = run[:-1]
    return name if name in known.FUNCTIONS or name == "pi" else ""


def scan_command(name, text, position, tokens):
    """A LaTeX command; returns where its argument, if read here, ends."""
    if name in known.LAYOUT:
        return position
    if name in COMMANDS:
        tokens.append(COMMANDS[name])
        return position
    content, position = braced(text, position)
    if name in known.TEXT_COMMANDS | known.ACCENTS:
        scan_face(name, content, tokens)
    elif name in ("mathbb", "mathcal", "Bbb"):
        symbol = known.SETS.get(content, f"{name} {content}")
        tokens.append(Token("symbol", symbol))
    elif name in ("begin", "end") and content in ENVIRONMENTS:
        tokens.append(Token("operator", f"{name} {content}"))
        if name == "begin" and content in ("array", "alignedat"):
            return braced(text, position)[1]
    elif name not in known.LAYOUT_WITH_ARGUMENT:
        raise UnreadableAnswer(f"unknown command \\{name}")
    return position


def braced(text, position):
    """The argument of a command at a position, and where it ends."""
    match = ARGUMENT.match(text, position)
    return match[1] if match[1] is not None else match[2], match.end()


def scan_face(face, content, tokens):
    """What stands in bold, upright, or under an accent."""
    is_vector = face in known.BOLD or face in ("vec", "hat", "overrightarrow")
    letter = re.sub(r"[\s{}\\]|math(?:bf)?|hat|vec", "", content)
    if is_vector and letter in tuple("ijk"):
        tokens.append(Token("symbol", f"unit {letter}"))
    elif content in MATH_LETTERS.get(face, ()):
        tokens.append(Token("symbol", content))
    elif face in known.ACCENTS:
        name = re.sub(r"[\s{}\\]|math[a-z]+", "", content)
        refuse_if(not name.isalnum() or len(name) > 10, "no name")
        face = face.replace("overrightarrow", "vec")
        tokens.append(Token("symbol", f"{face} {name}"))
    else:
        scan_text(content, tokens)


def scan_text(content, tokens):
    """What stands in \\text{}: words, or mathematics among words."""
    inner = content.strip(" ~\\,;:!.").replace("~", " ")
    is_plain = inner.isascii() and any(map(str.isalpha, inner))
    if inner in known.FUNCTIONS:
        tokens.append(function_or_unit(inner, tokens))
    elif inner in known.WORDS and inner != "U":
        tokens.append(Token("operator", known.WORDS[inner]))
    elif not is_plain or MATHEMATICS.search(inner):
        tokenize(content, tokens, words_only=True)
    else:
        tokens.append(Token("letter" if len(inner) == 1 else "text", inner))


def scan_sign(found, tokens):
    """A sign; != after a number is a factorial and an equals sign."""
    before = tokens[-1] if tokens else Token("", "-")
    if found == "!=" and before.text[-1] in "0123456789)":
        tokens += [Token("operator", "!"), Token("operator", "=")]
    elif found == "." and before.kind in ("text", "symbol"):
        return  # an abbreviation: sq. ft., a.m.
    elif found in known.SIGNS:
        tokens.append(Token("operator", known.SIGNS[found]))
    else:
        raise UnreadableAnswer(f"unknown character {found!r}")


NUMBER = re.compile(r"(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")


def plain_number(text):
    """The exact value of digits, with a point and an exponent perhaps."""
    match = NUMBER.fullmatch(text)
    whole, decimals, exponent = match.groups("") if match else ("", "", "")
    exponent = int(exponent or 0)
    is_number = whole + decimals and abs(exponent) <= tree.MAX_DIGITS
    refuse_if(not is_number, "no number")
    places = len(decimals) - exponent
    value = Fraction(int(whole + decimals)) * Fraction(10) ** -places
    is_decimal = decimals.strip("0") or exponent < 0
    return Number(value, places if is_decimal else -1)


def repeating_decimal(text):
    """The value of 0.1\\overline{6}, 0.1(6), 0.\\dot{1}4\\dot{2}, 0.333..."""
    whole, _, rest = text.partition(".")
    start = re.match(r"\d*", rest)[0]
    block = re.sub(r"\D", "", rest[len(start) :])
    if not block:
        start, block = find_repetition(start)
    refuse_if(not block and len(start) < 6, "how does it go on?")  # 3.14...
    first = plain_number(f"{whole or 0}.{start}")
    if not block:
        return first
    period = Fraction(int(block), 10 ** len(block) - 1)
    return Number(first.value + period / 10 ** len(start))


def find_repetition(digits):
    """(digits before, block) of decimals that end in a repeated block."""
    for size in range(1, len(digits) // 2 + 1):
        block = digits[-size:]
        times = len(re.search(f"({block})*$", digits)[0]) // size
        start = digits[: len(digits) - times * size]
        if times >= 3 or times == 2 and not start:
            return start, block
    return digits, ""
