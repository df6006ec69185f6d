"""Reading an answer: precedence climbing over the tokens.

`Parser.parse(level)` reads what begins a value (`atoms`), then goes on as long
as the next operator of the table INFIX binds at least as tightly as `level`.
"""

import re

from . import atoms, tree
from .atoms import PRODUCT, RELATION, SETS, SUM, split_group
from .tokenizer import VALUES, Token, tokenize
from .tree import Collection, Operation, Quantity, refuse_if
from .vocabulary import changes_value, is_unit, meaning_of, number_in_words

END = Token("end", "")
RELATIONS = ("=", "<", "<=", ">", ">=", "!=", "~", "in", "notin")
SEPARATORS = (",", ";", "and", "or")
SIGNS = ("+", "-", "pm", "mp")
POSTFIX = {"!": "factorial", "%": "percent", "degree": "degree"}
WORDS = ("text", "letter", "currency")


class Parser:
    """Tokens, the position in them, and what is open around it."""

    def __init__(self, tokens, split_groups):
        self.tokens = [*tokens, *[END] * 4]
        self.position = 0
        self.depth = 0
        self.closers = [()]  # of the bars and brackets that are open
        self.split_groups = split_groups  # read 1,234 as two numbers
        self.closed_at = -1  # where a fraction such as \frac12 ended

    token = property(lambda self: self.tokens[self.position])

    def peek(self, offset=1):
        return self.tokens[self.position + offset]

    def advance(self):
        """Consume a token and return it."""
        token = self.token
        self.position += 1
        return token

    def is_next(self, *operators):
        return self.token.kind == "operator" and self.token.text in operators

    def accept(self, *operators):
        """Consume one of the operators and return it, or return None."""
        return self.advance().text if self.is_next(*operators) else None

    def expect(self, *operators):
        """Consume one of the operators, which must come next."""
        refuse_if(not self.is_next(*operators), "unexpected")
        return self.advance().text

    def parse(self, level):
        """A value with all operators that bind at least as tightly."""
        self.depth += 1
        refuse_if(self.depth > tree.MAX_DEPTH, "nested too deep")
        left = self.prefix(level)
        while True:
            operator = self.operator()
            binding, read = INFIX.get(operator, (-1, None))
            if binding < level:
                self.depth -= 1
                return left
            left = read(self, operator, left)

    def operator(self):
        """The name of the operator that comes next, written or not."""
        kind, text = self.token
        if kind in WORDS:
            is_set = self.peek().text in ("[", "(", "{", "\\{")
            return "in" if text == "in" and is_set else "unit"
        if kind == "operator":
            if text in self.closers[-1]:
                return None
            starts_factor = text in atoms.COMMANDS or text[:6] == "begin "
            return "factor" if starts_factor else text
        is_value = kind in VALUES and self.position != self.closed_at
        is_behind = self.peek(-1).kind in VALUES and self.peek(-2).text != "^"
        if is_value and is_behind or kind == "end":
            return None  # no second number behind a number
        return "factor"

    def prefix(self, level):
        """What begins a value."""
        token = self.advance()
        if token.kind == "currency":  # $5, USD 5
            return Quantity(self.parse(max(level, SUM)), token.text)
        if token.kind in WORDS:
            return self.words(token)
        if token.kind == "operator" and token.text in SIGNS:
            value = self.parse(max(level, PRODUCT))
            if token.text in ("pm", "mp"):
                return Operation(token.text, (tree.integer(0), value))
            return tree.negate(value) if token.text == "-" else value
        if token.text in ("=", "~") and level <= RELATION:
            return self.parse(SETS)  # "= 5", as in a line of a calculation
        if token.kind in atoms.KINDS:
            return atoms.KINDS[token.kind](self, token)
        if token.text[:6] == "begin ":
            return atoms.environment(self, token.text[6:])
        if token.kind != "operator" or token.text not in atoms.COMMANDS:
            raise tree.UnreadableAnswer(f"did not expect {token.text!r}")
        return atoms.COMMANDS[token.text](self)

    def join(self, operator, left):
        """Items between commas, "and" or "or"; ", or" makes all an "or"."""
        level, _ = INFIX[operator]
        items = [left]
        while INFIX.get(found := self.operator(), (None,))[0] == level:
            self.advance()
            joint = self.accept("and", "or")
            while self.accept(*SEPARATORS):
                pass
            if joint and found == ",":
                return Collection((*items, self.parse(RELATION)), joint)
            items.append(self.parse(level + 1))
            refuse_if(len(items) > tree.MAX_ITEMS, "too many items")
        kind = "list" if operator in ",;" else operator
        return Collection(tuple(items), kind)

    def items(self, *closers):
        """The items in a bracket, and what closes it."""
        self.closers.append(closers)
        items = flat(self.parse(atoms.OR))
        self.closers.pop()
        before, opener = self.peek(-1), self.peek(-2)
        if before.kind == "grouped" and opener.text in ("(", "[", "\\{", "{"):
            items = split_group(before)  # (1,234): nobody brackets one number
        if len(items) == 1 and self.accept("choose"):
            items = [Operation("binomial", (items[0], self.parse(SUM)))]
        self.expect(*closers)
        return items

    def relation(self, operator, left):
        operands, operators = [left], []
        while operator in RELATIONS:
            self.advance()
            operators.append(operator)
            operands.append(self.parse(SETS))
            operator = self.operator()
        return tree.Relation(tuple(operators), tuple(operands))

    def ratio(self, operator, left):
        """3:4 is the quotient; 1:2:3 are the quotients by the first."""
        parts = [left]
        while self.accept(":"):
            parts.append(self.parse(SUM))
        if len(parts) == 2:
            return tree.combine("divide", *parts)
        shares = (tree.combine("divide", part, left) for part in parts)
        return tree.Sequence(tuple(shares), ":", ":")

    def with_unit(self, operator, left):
        """The value, as a quantity if words or a currency stand behind."""
        unit = self.unit()
        if isinstance(left, Quantity):  # $5 million, 5 dollars each
            return left
        if tree.is_operation(left, "degree") and is_unit(unit):  # celsius
            left = left.args[0]
        is_named = tree.free_symbols(left) and not is_unit(unit)
        if is_named and self.is_next("newline", "end cases", "&"):
            return tree.Relation(("is",), (left, tree.Text(unit)))  # n even
        if not tree.is_expression(left) or is_named or changes_value(unit):
            raise tree.UnreadableAnswer(f"{unit!r} is no unit of this value")
        return Quantity(left, unit)

    def unit(self):
        """Words after a value, with exponents and slashes between them."""
        found = []
        while True:
            is_below = found and found[-1] == "/"  # the h of km/h
            behind = self.peek().kind in ("text", "letter", "symbol", "end")
            if self.token.kind in (*WORDS, *(["symbol"] if is_below else [])):
                found.append(self.advance().text)
            elif found and self.accept("^"):
                exponent = self.argument()
                refuse_if(not isinstance(exponent, tree.Number), "no number")
                found.append(str(exponent.value))
            elif found and self.is_next("/", "*") and behind:
                found.append(self.advance().text)
            else:
                return " ".join(found)

    def words(self, token):
        """Text tokens as one tree.Text, or the number or set they name."""
        found = [token.text.lower()]
        if token.kind == "letter" and self.token.kind != "text":
            return tree.Text(found[0])
        while self.token.kind in ("text", "letter", "symbol"):
            found.append(self.advance().text.lower())
        return meaning_of(" ".join(found))

    def sum(self, operator, left):
        """Terms between signs; a set after a minus sign is taken away."""
        terms = [left]
        while sign := self.accept(*SIGNS):
            term = self.parse(PRODUCT)
            if sign in ("pm", "mp"):
                terms = [Operation(sign, (tree.combine("add", *terms), term))]
            elif sign == "-" and isinstance(term, Collection):
                return Operation("setminus", (left, term))
            else:
                terms.append(tree.negate(term) if sign == "-" else term)
        return tree.combine("add", *terms)

    def binary(self, operator, left):
        """Division, remainders, sets, 3 (mod 7), from left to right."""
        self.advance()
        right = self.parse(INFIX[operator][0] + 1)
        return Operation(BINARY[operator], (left, right))

    def product(self, operator, left):
        """A factor with or without its sign."""
        is_written = operator == "*"
        self.position += is_written
        right = self.parse(atoms.SIGN if is_written else atoms.POWER)
        is_product = tree.is_operation(left, "multiply")
        factors = left.args if is_product else (left,)
        return tree.combine("multiply", *factors, right)

    def power(self, operator, left):
        self.advance()
        if self.accept("degree"):
            return Operation("degree", (left,))
        exponent = self.argument()
        refuse_if(self.is_next("^"), "two exponents on one base")
        if exponent == tree.Symbol("T") and not tree.is_expression(left):
            return Operation("transpose", (left,))
        return Operation("power", (left, exponent))

    def postfix(self, operator, left):
        self.advance()
        signs = self.tokens[max(0, self.position - 6) : self.position]
        if len(signs) == 6 and all(sign.text in POSTFIX for sign in signs):
            raise tree.UnreadableAnswer("too many signs after one number")
        return Operation(POSTFIX[operator], (left,))

    def argument(self):
        """What a command or an exponent applies to: {...} or one atom."""
        if self.accept("{"):
            return self.group("}")
        sign = self.accept("-", "+")
        value = self.parse(atoms.ATOM)
        return tree.negate(value) if sign == "-" else value

    def group(self, closer):
        self.closers.append((closer,))
        content = self.parse(SUM)
        self.closers.pop()
        self.expect(closer)
        return content


BINARY = {name: name for name in tree.UNIONS}
BINARY |= {"/": "divide", "mod": "modulo", "pmod": "residue"}
INFIX = (
    {"or": (atoms.OR, Parser.join), ",": (atoms.LIST, Parser.join)}
    | dict.fromkeys(("and", ";"), (atoms.AND, Parser.join))
    | dict.fromkeys(RELATIONS, (RELATION, Parser.relation))
    | dict.fromkeys(tree.UNIONS, (SETS, Parser.binary))
    | {"unit": (atoms.UNIT, Parser.with_unit)}
    | {"pmod": (atoms.UNIT, Parser.binary), ":": (atoms.RATIO, Parser.ratio)}
    | dict.fromkeys(SIGNS, (SUM, Parser.sum))
    | dict.fromkeys(("*", "factor"), (PRODUCT, Parser.product))
    | dict.fromkeys(("/", "mod"), (PRODUCT, Parser.binary))
    | {"^": (atoms.POWER, Parser.power)}
    | dict.fromkeys(POSTFIX, (atoms.POWER, Parser.postfix))
)
NUMERAL = re.compile(
    r"(?:\\text\w*\{|\()?\s*([0-9A-Fa-f]+)\s*[)}]?\s*"
    r"(?:_\s*\{?|(?:\\text\w*\s*\{)?\s*\(?(?:in )?base[- ]?)"
    r"(?:\\text\w*\s*\{)?\s*(?:base)?[\s}]*(\d+|[a-z]+)\s*[})]*"
)
CHOICE = re.compile(
    r"(?:\\(?:text|math)(?:bf|rm|it)?\s*\{\s*)?"
    r"(?:\(\s*(?:\\text\w*\{)?([A-H])\}?\s*\)\s*\}?(?:\\ |~|[\s:.])*"
    r"|([A-H])\s*[.):]\s*\}?(?:(?:\\ |[\s~])+|$))(.*)",
    re.DOTALL,
)


def flat(answer):
    """The items of a list, and of lists in it."""
    if not tree.is_kind(answer, "list", "and", "or"):
        return [answer]
    return [part for item in answer.items for part in flat(item)]


def read_numeral(text):
    """52_8, 1A_{16} or 101 (base 2) as a text that names its base, or None."""
    match = NUMERAL.fullmatch(text)
    if not match:
        return None
    digits, base = match[1], number_in_words(match[2])
    size = int(match[2][:3]) if match[2].isdigit() else base and base.value
    allowed = "0123456789ABCDEF"[: int(size or 0)]
    is_name = digits.islower() and len(digits) == 1
    if len(allowed) < 2 or is_name or not set(digits.upper()) <= set(allowed):
        return None
    return tree.Text(f"{digits.upper().lstrip('0') or 0}_{size}")


def read_choice(text, split_groups):
    """(B), (B) 12, B) or B. 12 as a choice, or None."""
    match = CHOICE.fullmatch(text)
    if not match:
        return None
    letter, rest = (match[1] or match[2]).lower(), match[3].strip()
    if not rest.strip("}"):
        return tree.Text(letter)
    if rest[0] in "(^_+-*/=!,<>" or rest.startswith(("\\c", "\\s")):
        return None
    try:
        return tree.Choice(letter, parse(rest, split_groups))
    except tree.UnreadableAnswer:
        return None  # perhaps a list: (A) and (C)


def parse(text, split_groups=False):
    """The tree of a cleaned answer, with 1,234 as two numbers if asked."""
    for special in (
        read_numeral(text),
        read_choice(text, split_groups),
        number_in_words(text),
    ):
        if special:
            return special
    parser = Parser(tokenize(text, []), split_groups)
    answer = parser.parse(atoms.OR)
    refuse_if(parser.token != END, "unexpected")
    return answer
