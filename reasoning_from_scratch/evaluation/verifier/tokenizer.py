"""Cutting an answer's text into tokens.

Runs of letters are the one hard choice: `ab` is a product of two symbols,
`ways` a word, `sin` a function. Words never become products: no two anagrams
are equal.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from . import vocabulary as known
from .tree import MAX_DIGITS, MAX_TOKENS, Number, UnreadableAnswer
from .vocabulary import is_unit, is_unit_word


class Token(NamedTuple):
    """kind: number, grouped, repeating, symbol, function, text, operator."""

    kind: str
    text: str


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
        elif kind == "foreign" and not is_unit(found):
            raise UnreadableAnswer(f"unknown word {found!r}")
        elif kind in ("foreign", "repeating"):
            tokens.append(Token("text" if kind == "foreign" else kind, found))
        if len(tokens) > MAX_TOKENS:
            raise UnreadableAnswer(f"more than {MAX_TOKENS} tokens")
    return tokens


def number_token(text):
    """A number token: `grouped` keeps commas that may separate a list."""
    if len(text) > MAX_DIGITS:
        raise UnreadableAnswer(f"a number of more than {MAX_DIGITS} digits")
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
    elif is_unit_word(run) or is_word(run, words_only):
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
    is_behind = tokens and tokens[-1].kind in VALUES and is_unit_word(name)
    is_unit_here = is_behind and not has_argument
    return Token("text", name) if is_unit_here else COMMANDS[name]


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
        if not name.isalnum() or len(name) > 10:
            raise UnreadableAnswer(f"cannot read {content!r} under an accent")
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
    if not whole + decimals or abs(exponent) > MAX_DIGITS:
        raise UnreadableAnswer(f"cannot read the number {text!r}")
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
    if not block and len(start) < 6:  # 3.14...
        raise UnreadableAnswer(f"how does {text!r} go on?")
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
