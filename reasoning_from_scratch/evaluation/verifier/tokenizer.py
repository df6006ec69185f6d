"""Cutting an answer's text into tokens.

One pass from left to right, each step decided by the tables of `vocabulary`.
Runs of letters are the one hard choice: `ab` is a product of two symbols,
`ways` is a word, `sin` a function. Words never become products, so that no
two anagrams are equal.
"""

import re
from typing import NamedTuple

from .limits import MAX_DIGITS, MAX_TOKENS, UnreadableAnswer
from .units import UNIT_WORDS
from .vocabulary import (
    ACCENTS,
    ENVIRONMENTS,
    FUNCTIONS,
    GREEK,
    LAYOUT,
    OPERATORS,
    SETS,
    SYMBOLS,
    TEXT_COMMANDS,
    WORDS,
    words,
)


class Token(NamedTuple):
    """kind: number, grouped, repeating, symbol, function, text, operator."""

    kind: str
    text: str


SEPARATOR = r"(?:,|\{,\}|,?\\[,;:!]\ ?|\\\ |~|\ )"
SCANNER = re.compile(
    rf"""
    (?P<number>
        (?: \d{{1,3}} (?:{SEPARATOR}\d{{3}})+ (?!\d) | \d+ )
        (?: \.\d* )? (?: \\(?:overline|bar|dot)\s*\{{\d+\}} )?
        (?: [eE][+-]?\d+ (?![A-Za-z.]) )?
      | \.\d+ (?: \\(?:overline|bar)\s*\{{\d+\}} )? (?:[eE][+-]?\d+)?
    )
  | (?P<command> \\ (?: [A-Za-z]+\*? | . ) )
  | (?P<letters> [A-Za-z]+ )
  | (?P<layout> [\s~"`?]+ )
  | (?P<operator> \*\* | <= | >= | != | == | ~= | := | -> | \.\.\.? | . )
    """,
    re.VERBOSE | re.DOTALL,
)
ALIASES = {"**": "^", "==": "=", ":=": "=", "->": "to", "..": "dots"}
ALIASES |= {"...": "dots", "\\backslash": "setminus"}
SINGLE = frozenset("+-*/^_!()[]{}<>=|,;:&%'") | {"<=", ">=", "!="}
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
MATH_LETTERS = {"mathrm": frozenset("ied"), "mathbf": LETTERS}
MATH_LETTERS |= dict.fromkeys(("mathit", "boldsymbol", "bm", "rm"), LETTERS)
CURRENCIES = {"€": "euro", "£": "pound", "¥": "yen", "₹": "rupee"}
SHORT_WORDS = words(
    """no on is it of to at so if by an as am pm do go he we me my up us
    ok hi"""
)
ONLY_WORDS = re.compile(r"[A-Za-z\s.,'\"-]+")
PRODUCT = re.compile(r"[A-Zb-df-hj-np-tv-za]{2,4}|[A-Za-z]{2}")


def tokenize(text):
    """The tokens of a cleaned text.

    Raises:
        UnreadableAnswer: an unknown character or command, or too many.
    """
    tokens = []
    scan(text, tokens, words_only=bool(ONLY_WORDS.fullmatch(text)))
    return tokens


def scan(text, tokens, words_only=False):
    """Append the tokens of a text; words_only reads letters as words."""
    position = 0
    while position < len(text):
        match = SCANNER.match(text, position)
        position = match.end()
        kind, found = match.lastgroup, match[0]
        if kind == "number":
            tokens.append(number_token(found))
        elif kind == "letters":
            scan_letters(found, tokens, words_only)
        elif kind == "command":
            position = scan_command(found[1:], text, position, tokens)
        elif kind == "operator":
            scan_operator(found, text, position, tokens)
        if len(tokens) > MAX_TOKENS:
            raise UnreadableAnswer(f"more than {MAX_TOKENS} tokens")


def number_token(text):
    """A number token: `grouped` keeps commas that may separate a list."""
    if len(text) > MAX_DIGITS:
        raise UnreadableAnswer(f"a number of more than {MAX_DIGITS} digits")
    repeating = re.search(r"\\(?:overline|bar|dot)\s*\{(\d+)\}", text)
    if repeating:
        whole = re.sub(r"[^\d.]", "", text[: repeating.start()])
        return Token("repeating", f"{whole}|{repeating[1]}")
    if re.fullmatch(r"[\d,]+(?:\.\d*)?", text) and "," in text:
        is_list = not re.search(r"(?:^|,)0", text)
        return Token("grouped" if is_list else "number", text)
    return Token("number", re.sub(r"[^\d.eE+-]", "", text))


def scan_letters(run, tokens, words_only):
    """A run of letters: function, operator, constant, word or symbols."""
    if run in WORDS and not (words_only and run in ("U", "inf")):
        tokens.append(Token("operator", WORDS[run]))
    elif run in FUNCTIONS and (not words_only or len(run) > 3):
        tokens.append(Token("function", FUNCTIONS[run]))
    elif run in GREEK or len(run) == 1:
        tokens.append(Token("symbol", run))
    elif is_unit_word(run) or is_word(run, words_only):
        tokens.append(Token("text", run))
    else:
        scan_product(run, tokens)


def is_unit_word(run):
    """Whether a run of letters is a unit; long ones in any case."""
    return run in UNIT_WORDS or len(run) > 2 and run.lower() in UNIT_WORDS


def is_word(run, words_only):
    """Whether a run of letters is a word rather than a product."""
    if run.lower() in SHORT_WORDS:
        return True
    if words_only and len(run) > 2:
        return len(run) > 3 or any(vowel in run for vowel in "aeiouAEIOU")
    return not (PRODUCT.fullmatch(run) or split_function(run))


def scan_product(run, tokens):
    """Letters side by side: sin x without its space, or symbols."""
    name = split_function(run)
    if name:
        scan_letters(name, tokens, words_only=False)
        run = run[len(name) :]
    tokens.extend(Token("symbol", letter) for letter in run)


def split_function(run):
    """The name in front of a last letter: sin of sinx, pi of pir."""
    name = run[:-1]
    return name if name in FUNCTIONS or name == "pi" else ""


def scan_command(name, text, position, tokens):
    """A LaTeX command; returns where its argument, if read here, ends."""
    if name in LAYOUT:
        return position
    if name in TEXT_COMMANDS:
        content, position = braced(text, position)
        if content in MATH_LETTERS.get(name, ""):
            tokens.append(Token("symbol", content))
        else:
            scan_text(content, tokens)
    elif name in ("begin", "end"):
        content, position = braced(text, position)
        if content not in ENVIRONMENTS:
            raise UnreadableAnswer(f"unknown environment {content!r}")
        if name == "begin" and content == "array":
            _, position = braced(text, position)
        tokens.append(Token("operator", f"{name} {content}"))
    elif name in ("mathbb", "mathcal", "Bbb"):
        content, position = braced(text, position)
        symbol = SETS.get(content, f"{name} {content}")
        tokens.append(Token("symbol", symbol))
    elif name in ACCENTS:
        content, position = braced(text, position)
        tokens.append(Token("symbol", f"{name} {plain_name(content)}"))
    elif name == "$":
        tokens.append(Token("currency", "dollar"))
    elif name in OPERATORS:
        tokens.append(Token("operator", OPERATORS[name]))
    elif name in FUNCTIONS:
        tokens.append(Token("function", FUNCTIONS[name]))
    elif name in SYMBOLS:
        tokens.append(Token("symbol", SYMBOLS[name]))
    else:
        raise UnreadableAnswer(f"unknown command \\{name}")
    return position


def plain_name(content):
    """What stands under an accent, if it is a plain name."""
    name = re.sub(r"[\s{}\\]|math[a-z]+", "", content)
    if not name.isalnum() or len(name) > 10:
        raise UnreadableAnswer(f"cannot read {content!r} under an accent")
    return name


def braced(text, position):
    """The content of the braces at a position, and where they end."""
    while position < len(text) and text[position] in " *":
        position += 1
    if text[position : position + 1] != "{":
        return text[position : position + 1], position + 1
    depth = 0
    for end in range(position, len(text)):
        escaped = text[end - 1] == "\\"
        depth += (text[end] == "{") - (text[end] == "}") if not escaped else 0
        if depth == 0:
            return text[position + 1 : end], end + 1
    raise UnreadableAnswer("a brace is not closed")


def scan_text(content, tokens):
    """What stands in \\text{}: words, or mathematics among words."""
    inner = content.strip(" ~\\,;:!.").replace("~", " ")
    if inner in FUNCTIONS:
        tokens.append(Token("function", FUNCTIONS[inner]))
    elif inner in WORDS and inner != "U":
        tokens.append(Token("operator", WORDS[inner]))
    elif len(inner) == 1 and inner.isalpha():
        tokens.append(Token("letter", inner))
    elif is_plain_text(inner):
        tokens.append(Token("text", inner))
    else:
        scan(content, tokens, words_only=True)


def is_plain_text(words):
    """Whether words hold no numbers, mathematics or list of their own."""
    if re.search(r"[\d\\^+*=<>$]|\b(?:and|or)\b|,", words):
        return False
    return any(map(str.isalpha, words))


def scan_operator(found, text, position, tokens):
    """A sign; != after a number is a factorial and an equals sign."""
    if found in CURRENCIES:
        tokens.append(Token("currency", CURRENCIES[found]))
    elif found == "$":
        if text.count("$") == 1:
            tokens.append(Token("currency", "dollar"))
    elif found == "!=" and tokens and tokens[-1].text[-1] in "0123456789)":
        tokens += [Token("operator", "!"), Token("operator", "=")]
    elif found == "." and tokens and tokens[-1].kind in ("text", "symbol"):
        return  # an abbreviation: sq. ft., a.m.
    elif found in ALIASES:
        tokens.append(Token("operator", ALIASES[found]))
    elif found == "~=":
        tokens.append(Token("operator", "~"))
    elif found in SINGLE:
        tokens.append(Token("operator", found))
    else:
        raise UnreadableAnswer(f"unknown character {found!r}")
