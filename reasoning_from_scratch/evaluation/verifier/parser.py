"""Reading an expression: recursive descent over the tokens.

    sum     = [sign] term {sign term}
    term    = power {("*" | "/" | nothing) power}
    power   = postfix ["^" exponent]
    postfix = atom {"!" | "%" | degree | "_" index}
    atom    = number | symbol | function | fraction | root | bracket | ...

Each rule is a method that consumes its tokens and returns a tree. What the
grammar does not know raises UnreadableAnswer. `answer_parser` adds lists,
relations and units around expressions.
"""

import re
from fractions import Fraction

from . import tree
from .limits import MAX_DEPTH, MAX_DIGITS, UnreadableAnswer
from .tokenizer import Token
from .tree import Number, Operation, Symbol
from .vocabulary import SCALES, words

END = Token("end", "")
SIGNS = {"+", "-", "pm", "mp"}
ATOM_KINDS = {"symbol", "function"}
ATOM_OPERATORS = words(
    """( [ { \\{ | || lvert lfloor lceil frac binom sqrt sum product infinity
    empty langle"""
)


class ExpressionParser:
    """Tokens, the position in them, and how deep the rules are nested."""

    def __init__(self, tokens, split_groups=False):
        self.tokens = list(tokens)
        self.position = 0
        self.depth = 0
        self.open_bars = []  # which bars are open: | closes before it opens
        self.has_ratios = True  # 3:4 is a ratio, {x : x > 1} is not
        self.split_groups = split_groups  # read 1,234 as two numbers

    @property
    def token(self):
        """The token to read next."""
        if self.position < len(self.tokens):
            return self.tokens[self.position]
        return END

    def is_next(self, *operators):
        """Whether one of the operators comes next."""
        token = self.token
        return token.kind == "operator" and token.text in operators

    def advance(self):
        """Consume a token and return it."""
        token = self.token
        self.position += 1
        return token

    def accept(self, *operators):
        """Consume one of the operators and return it, or return None."""
        return self.advance().text if self.is_next(*operators) else None

    def expect(self, *operators):
        """Consume one of the operators, which must come next."""
        found = self.accept(*operators)
        if found is None:
            raise UnreadableAnswer(
                f"expected {' or '.join(operators)}, got {self.token.text!r}"
            )
        return found

    def sum(self):
        """[sign] term {sign term}, with both kinds of plus-minus."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableAnswer(f"nested deeper than {MAX_DEPTH}")
        total, terms = None, []
        sign = self.accept(*SIGNS) or "+"
        while True:
            term = self.term()
            if sign in ("pm", "mp"):
                before = tree.add(*terms) if terms else tree.integer(0)
                total = Operation(sign, (before, term))
                terms = [total]
            else:
                terms.append(tree.negate(term) if sign == "-" else term)
            sign = self.accept(*SIGNS)
            if sign is None:
                self.depth -= 1
                return tree.add(*terms)

    def term(self):
        """Factors side by side, or joined by a sign for times or over."""
        above, below = [self.signed_power()], []
        while True:
            if self.accept("*"):
                above.append(self.signed_power())
            elif self.accept("/"):
                below.append(self.signed_power())
            elif self.accept("mod"):
                left = self.quotient(above, below)
                above = [Operation("modulo", (left, self.signed_power()))]
                below = []
            elif self.starts_factor():
                above.append(self.power())
            else:
                return self.quotient(above, below)

    def quotient(self, above, below):
        """The product of one list over the product of another."""
        product = tree.multiply(*above)
        if not below:
            return product
        return Operation("divide", (product, tree.multiply(*below)))

    def starts_factor(self):
        """Whether the next token begins a factor without a times sign."""
        token = self.token
        if token.kind == "operator":
            closes = self.open_bars and token.text == self.open_bars[-1]
            is_atom = token.text in ATOM_OPERATORS
            return not closes and (is_atom or token.text[:6] == "begin ")
        if token.kind == "number":  # the 3 of 7!3!
            return self.tokens[self.position - 1].text == "!"
        return token.kind in ATOM_KINDS

    def signed_power(self):
        """A power with signs in front: the -3 of 2 * -3."""
        is_negative = False
        while sign := self.accept("+", "-"):
            is_negative ^= sign == "-"
        power = self.power()
        return tree.negate(power) if is_negative else power

    def power(self):
        """postfix ["^" exponent]; a power of a power nests to the right."""
        base = self.postfix()
        if self.accept("^"):
            if self.accept("degree"):
                return self.postfix_of(Operation("degree", (base,)))
            if self.is_circle():
                return self.postfix_of(Operation("degree", (base,)))
            base = self.raised(base, self.argument())
            if self.is_next("^"):
                raise UnreadableAnswer("two exponents on one base")
            base = self.postfix_of(base)
        return base

    def is_circle(self):
        """Consume {\\circ} in braces, the exponent of a degree."""
        texts = [t.text for t in self.tokens[self.position :][:3]]
        if texts == ["{", "degree", "}"]:
            self.position += 3
            return True
        return False

    def raised(self, base, exponent):
        """A base with its exponent; a superscript T transposes."""
        if exponent == Symbol("T") and not tree.is_expression(base):
            return Operation("transpose", (base,))
        return Operation("power", (base, exponent))

    def postfix(self):
        """An atom with the signs that follow it."""
        return self.postfix_of(self.atom())

    def postfix_of(self, atom):
        """Factorials, percent, degrees; at most five of them."""
        for _ in range(5):
            if self.accept("!"):
                atom = Operation("factorial", (atom,))
            elif self.accept("%"):
                atom = Operation("percent", (atom,))
            elif self.accept("degree"):
                atom = Operation("degree", (atom,))
            else:
                return atom
        raise UnreadableAnswer("too many signs after one number")

    def argument(self):
        """What a command or an exponent applies to: {...} or one atom."""
        if self.accept("{"):
            content = self.bracketed("}")
            return content
        sign = self.accept("-", "+")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableAnswer(f"nested deeper than {MAX_DEPTH}")
        atom = self.atom()
        self.depth -= 1
        return tree.negate(atom) if sign == "-" else atom

    def bracketed(self, closer):
        """A sum up to its closing bracket; bars outside do not count."""
        outer, self.open_bars = self.open_bars, []
        content = self.sum()
        self.expect(closer)
        self.open_bars = outer
        return content

    def digit(self):
        """The next argument of a fraction: of \\frac12 the first digit."""
        token = self.token
        if token.kind == "number" and token.text.isdigit():
            rest = token.text[1:]
            if rest:
                self.tokens[self.position] = Token("number", rest)
            else:
                self.position += 1
            return tree.integer(int(token.text[0]))
        return self.argument()

    def number(self, token):
        """A number token, or a mixed number such as 1 1/2."""
        if token.kind == "repeating":
            return repeating_decimal(token.text)
        number = plain_number(token.text.replace(",", ""))
        if number.places < 0 and number.value.denominator == 1:
            number = self.mixed(number)
        while self.token.kind == "text" and self.token.text in SCALES:
            scale = SCALES[self.advance().text]
            number = Number(number.value * scale)
        return number

    def mixed(self, whole):
        """A whole number with the proper fraction behind it."""
        start = self.position
        if self.accept("frac"):
            part = self.fraction()
        else:
            three = self.tokens[start : start + 3]
            if [t.text for t in three[1:2]] != ["/"] or len(three) < 3:
                return whole
            if three[0].kind != "number" or three[2].kind != "number":
                return whole
            self.position += 3
            over, under = (plain_number(three[i].text) for i in (0, 2))
            part = Operation("divide", (over, under))
        over, under = part.args
        if is_proper(over, under):
            return Number(whole.value + over.value / under.value)
        self.position = start
        return whole

    def fraction(self):
        """The two arguments behind \\frac."""
        over = self.digit()
        return Operation("divide", (over, self.digit()))


def is_proper(over, under):
    """Whether two trees are whole numbers with 0 < over < under."""
    if not (isinstance(over, Number) and isinstance(under, Number)):
        return False
    values = over.value, under.value
    whole = all(value.denominator == 1 for value in values)
    return whole and 0 < values[0] < values[1]


NUMBER = re.compile(r"(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")


def plain_number(text):
    """The exact value of digits, with a point and an exponent perhaps."""
    match = NUMBER.fullmatch(text)
    if not match:
        raise UnreadableAnswer(f"cannot read the number {text!r}")
    whole, decimals, exponent = match[1], match[2] or "", int(match[3] or 0)
    if not whole + decimals or abs(exponent) > MAX_DIGITS:
        raise UnreadableAnswer(f"cannot read the number {text!r}")
    value = Fraction(int(whole + decimals)) * Fraction(10) ** (
        exponent - len(decimals)
    )
    is_decimal = bool(decimals.strip("0")) or exponent < 0
    return Number(value, len(decimals) - exponent if is_decimal else -1)


def repeating_decimal(text):
    """0.1|6 stands for 0.1666...: the block repeats for ever."""
    start, block = text.split("|")
    first = plain_number(start.rstrip(".") or "0").value
    places = len(start.partition(".")[2])
    period = Fraction(int(block), 10 ** len(block) - 1)
    return Number(first + period / 10**places)
