"""Reading a whole answer: lists, relations, sets, units and words.

answer   = items
items    = item {("," | ";" | "and" | "or") item}
item     = operand {relation operand}
operand  = quantity {("cup" | "cap" | "setminus") quantity}
quantity = [currency] sum [unit] | words
"""

import re

from . import tree
from .atoms import AtomParser
from .cleaning import clean
from .limits import MAX_ITEMS, UnreadableAnswer
from .tokenizer import Token, tokenize
from .tree import (
    BaseNumeral,
    Choice,
    Collection,
    Combination,
    Operation,
    Quantity,
    Relation,
    Sequence,
    Text,
)
from .units import is_unit
from .vocabulary import NUMBER_WORDS, words

RELATIONS = {"=", "<", "<=", ">", ">=", "!=", "~", "in", "notin"}
SEPARATORS = {",", ";", "and", "or"}
COMBINATIONS = {"cup", "cap", "setminus"}
OPERATIONS_IN_WORDS = words(
    """squared cubed factorial dozen tenth tenths hundredths thousandths half
    halves third thirds quarter quarters fourths fifths times plus minus over
    divided root less more than to january february march april may june
    july august september october november december"""
)
FILLERS = {"the", "a", "an"}
NUMERAL = re.compile(
    r"\(?([0-9A-F]+)\)?\s*(?:_\{?|\(?base\s*)(?:\\text\s*\{)?"
    r"(?:base)?\s*(\d+|[a-z]+)\s*[})]*"
)
CHOICE = re.compile(
    r"(?:\\text(?:bf|rm|it)?\s*\{\s*)?\(\s*(?:\\text\w*\{)?([A-H])\}?\s*\)"
    r"\s*\}?(?:\\ |~|[\s:.])*(.*)",
    re.DOTALL,
)
LISTED_CHOICE = re.compile(
    r"(?:\\text\w*\s*\{\s*)?([A-H])\s*[.):]\s*\}?(?:\\ |[\s~])+(.*)", re.DOTALL
)
SYNONYMS = {
    "nosolution": tree.EMPTY_SET,
    "nosolutions": tree.EMPTY_SET,
    "emptyset": tree.EMPTY_SET,
    "allrealnumbers": tree.REALS,
    "allreals": tree.REALS,
    "realnumbers": tree.REALS,
    "doesnotexist": Text("dne"),
}


class AnswerParser(AtomParser):
    """The rules around expressions; its `items` reads a whole answer."""

    def answer(self):
        """All the tokens as one tree."""
        items = self.items()
        if self.position < len(self.tokens):
            raise UnreadableAnswer(f"did not expect {self.token.text!r}")
        if len(items) == 1:
            return items[0]
        return Collection(tuple(items), self.joined_by)

    def items(self):
        """One item or several between separators, as a list."""
        items, joined_by = [self.item()], "list"
        while separator := self.accept(*SEPARATORS):
            while more := self.accept(*SEPARATORS):
                separator = more  # ", and"
            if separator == "or":
                joined_by = "or"
            items.append(self.item())
            if len(items) > MAX_ITEMS:
                raise UnreadableAnswer(f"more than {MAX_ITEMS} items")
        self.joined_by = joined_by
        return items

    def item(self):
        """Operands with relation signs between them."""
        self.accept("=", "~")  # "= 5", as in a line of a calculation
        operands, operators = [self.operand()], []
        while True:
            operator = self.accept(*RELATIONS) or self.plain_in()
            if operator is None:
                break
            operators.append(operator)
            operands.append(self.operand())
        if not operators:
            return operands[0]
        return Relation(tuple(operators), tuple(operands))

    def plain_in(self):
        """The word in before a set, where it is no inch."""
        following = self.tokens[self.position + 1 : self.position + 2]
        if self.token != Token("text", "in") or not following:
            return None
        if following[0].text in ("[", "(", "{", "\\{"):
            return self.advance().text
        return None

    def operand(self):
        """Quantities joined by set operations, from left to right."""
        left = self.quantity()
        while operator := self.accept(*COMBINATIONS):
            left = Combination(operator, left, self.quantity())
        return left

    def quantity(self):
        """A value with its unit, or words."""
        sign = "-" if self.is_signed_currency() and self.advance() else ""
        unit = self.advance().text if self.token.kind == "currency" else ""
        if self.token.kind == "text" and not unit:
            return self.words()
        value = self.ratio()
        value = tree.negate(value) if sign else value
        return self.with_unit(value, unit)

    def ratio(self):
        """3:4 is the quotient; 1:2:3 are the quotients by the first."""
        parts = [self.sum()]
        while self.has_ratios and self.accept(":"):
            parts.append(self.sum())
        if len(parts) == 1:
            return parts[0]
        if len(parts) == 2:
            return Operation("divide", tuple(parts))
        shares = (Operation("divide", (part, parts[0])) for part in parts)
        return Sequence(tuple(shares), ":", ":")

    def is_signed_currency(self):
        """Whether a minus sign and a currency come next: -$5."""
        following = self.tokens[self.position + 1 : self.position + 2]
        return self.is_next("-") and [t.kind for t in following] == [
            "currency"
        ]

    def with_unit(self, value, unit):
        """The value, as a quantity if words or a currency stand behind."""
        unit = unit or self.unit()
        if not unit:
            return value
        if self.token.kind == "text":  # $5 million, 5 dollars each
            self.unit()
        has_symbols = tree.free_symbols(value)
        if not tree.is_expression(value) or has_symbols and not is_unit(unit):
            raise UnreadableAnswer(f"{unit!r} is no unit of this value")
        if unit.split()[0].lower() in OPERATIONS_IN_WORDS:
            raise UnreadableAnswer(f"{unit!r} changes the value")
        return Quantity(value, unit)

    def unit(self):
        """Words after a value, with exponents and slashes between them."""
        words = []
        while True:
            kinds = {"text", "letter", "currency"}
            if words and words[-1] == "/":
                kinds.add("symbol")  # the h of km/h
            if self.token.kind in kinds:
                words.append(self.advance().text)
            elif words and self.accept("^"):
                words.append(self.exponent_of_unit())
            elif words and self.is_next("/", "*") and self.is_unit_behind():
                words.append(self.advance().text)
            else:
                return " ".join(words)

    def exponent_of_unit(self):
        """The whole number that a unit is raised to."""
        exponent = self.argument()
        if not isinstance(exponent, tree.Number):
            raise UnreadableAnswer("the exponent of a unit is a number")
        return str(exponent.value)

    def is_unit_behind(self):
        """Whether a word follows the next token."""
        following = self.tokens[self.position + 1 : self.position + 2]
        return {t.kind for t in following} <= {"text", "letter", "symbol"}

    def words(self):
        """Text tokens as one Text, or the number or set they name."""
        words = []
        while self.token.kind in ("text", "letter") or (
            words and self.token.kind == "symbol"
        ):
            words.append(self.advance().text.lower())
        return meaning_of(" ".join(words))


def meaning_of(text):
    """The tree that stands for words."""
    words = [word for word in text.split() if word not in FILLERS]
    key = re.sub(r"[\W_]", "", "".join(words or text.split()))
    value = NUMBER_WORDS.get(key)
    if value is not None:
        return tree.integer(value)
    if not key:
        raise UnreadableAnswer("no letters in the text")
    return SYNONYMS.get(key, Text(key))


def read_numeral(text):
    """52_8 or 1A_{16} as a numeral in its base, or None."""
    match = NUMERAL.fullmatch(text)
    if not match:
        return None
    base = (
        int(match[2][:3]) if match[2].isdigit() else NUMBER_WORDS.get(match[2])
    )
    return BaseNumeral(match[1], base) if base else None


def read_choice(text, split_groups):
    """(B), (B) 12 or B. 12 as a choice, or None."""
    match = CHOICE.fullmatch(text) or LISTED_CHOICE.fullmatch(text)
    if not match:
        return None
    rest = match[2].strip()
    if not rest.strip("}"):
        return Text(match[1].lower())
    if rest[0] in "(^_+-*/=!,<>" or rest.startswith(("\\c", "\\s")):
        return None
    try:
        return Choice(match[1].lower(), parse(rest, split_groups))
    except UnreadableAnswer:
        return None  # perhaps a list: (A) and (C)


def parse(text, split_groups=False):
    """The tree of an answer.

    Args:
        text: any text, as a model or a data set wrote it.
        split_groups: read 1,234 as the two numbers 1 and 234.

    Raises:
        UnreadableAnswer: our grammar does not know it, or a limit is passed.
    """
    text = clean(text)
    special = read_numeral(text) or read_choice(text, split_groups)
    if special:
        return special
    return AnswerParser(tokenize(text), split_groups).answer()
