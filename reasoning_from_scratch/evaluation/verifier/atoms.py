"""Reading the parts of an expression that begin with a name or a bracket."""

from . import tree
from .limits import MAX_ITEMS, UnreadableAnswer
from .parser import ExpressionParser, plain_number
from .tree import (
    BaseNumeral,
    Collection,
    Matrix,
    Number,
    Operation,
    Sequence,
    Symbol,
    Text,
)

BARS = {
    "|": ("|", "abs"),
    "||": ("||", "norm"),
    "lvert": ("rvert", "abs"),
    "lfloor": ("rfloor", "floor"),
    "lceil": ("rceil", "ceiling"),
}
BINDERS = {"sum", "product"}
LISTS = {"cases", "aligned", "align", "align*", "gathered", "gather"}
MANY_ARGUMENTS = {"max", "min", "gcd", "lcm"}
APPLIED = {"f", "g", "h"}  # f(x) is a value of f, no product
INVERSE = {
    **{name: "arc" + name for name in ("sin", "cos", "tan", "cot")},
    **{"sec": "arcsec", "csc": "arccsc"},
    **{"sinh": "arsinh", "cosh": "arcosh", "tanh": "artanh"},
}


class AtomParser(ExpressionParser):
    """The rules for atoms; `items` (lists) comes from the answer parser."""

    def atom(self):
        """One number, name, bracket or command with its arguments."""
        token = self.advance()
        if token.kind in ("number", "repeating"):
            return self.based(self.number(token))
        if token.kind == "grouped":
            return self.grouped(token)
        if token.kind == "symbol":
            return self.symbol(token.text)
        if token.kind == "function":
            return self.function(token.text)
        if token.kind == "letter":
            return Text(token.text.lower())
        if token.kind == "operator":
            return self.command(token.text)
        raise UnreadableAnswer(f"did not expect {token.text!r}")

    def grouped(self, token):
        """1,234: one number, unless this reading splits at the comma."""
        if not self.split_groups:
            return self.number(token)
        return Collection(tuple(map(plain_number, token.text.split(","))))

    def based(self, number):
        """A number, with its base if an index follows."""
        if not self.accept("_"):
            return number
        base = self.argument()
        if isinstance(base, Number) and number.places < 0:
            return BaseNumeral(str(number.value), int(base.value))
        raise UnreadableAnswer("cannot read the index of a number")

    def symbol(self, name):
        """A symbol with its index and primes, or a value f(x)."""
        if self.accept("_"):
            name = f"{name}_{self.index()}"
        while self.accept("'"):
            name += "'"
        if name in ("angle", "triangle") and self.token.kind == "symbol":
            while self.token.kind == "symbol":
                name += self.advance().text
        if name in APPLIED and self.accept_inverse():
            name += "^-1"
        if name[0] in APPLIED and self.is_next("("):
            self.advance()
            arguments = self.group_items(")")
            return Operation("apply", (Symbol(name), *arguments))
        return Symbol(name)

    def accept_inverse(self):
        """Consume the ^{-1} of f^{-1}(x)."""
        texts = [token.text for token in self.tokens[self.position :][:6]]
        if texts != ["^", "{", "-", "1", "}", "("]:
            return False
        self.position += 5
        return True

    def index(self):
        """The text of an index: 1, n+1, max."""
        if not self.accept("{"):
            return self.advance().text
        texts = []
        while not self.is_next("}"):
            if self.position >= len(self.tokens):
                raise UnreadableAnswer("an index is not closed")
            texts.append(self.advance().text)
        self.advance()
        return "".join(texts)

    def function(self, name):
        """A function with base, exponent and argument: \\log_2 x."""
        base = self.argument() if self.accept("_") else None
        exponent = self.argument() if self.accept("^") else None
        if exponent == tree.integer(-1) and name in INVERSE:
            name, exponent = INVERSE[name], None
        arguments = self.function_arguments()
        if len(arguments) > 1 and name not in MANY_ARGUMENTS:
            raise UnreadableAnswer(f"{name} takes one argument")
        if base is not None:
            if name != "log":
                raise UnreadableAnswer(f"{name} takes no base")
            arguments = (*arguments, base)
        value = Operation(name, tuple(arguments))
        return value if exponent is None else self.raised(value, exponent)

    def function_arguments(self):
        """What is in the brackets, or the factors that follow."""
        if self.accept("("):
            return self.group_items(")")
        if self.accept("{"):
            return self.group_items("}")
        factors = [self.signed_power()]
        while self.token.kind == "symbol":
            factors.append(self.power())
        return [tree.multiply(*factors)]

    def group_items(self, *closers):
        """The items up to a closing bracket; the depth is counted."""
        outer, self.open_bars = self.open_bars, []
        items = self.items()
        self.expect(*closers)
        self.open_bars = outer
        return items

    def command(self, name):
        """An atom that begins with an operator token."""
        if name in BARS:
            return self.bars(*BARS[name])
        if name in BINDERS:
            return self.bound(name)
        if name.startswith("begin "):
            return self.environment(name[6:])
        reader = COMMANDS.get(name)
        if reader is None:
            raise UnreadableAnswer(f"did not expect {name!r}")
        return reader(self)

    def bars(self, closer, name):
        """|x|, floor and ceiling."""
        self.open_bars.append(closer)
        content = self.sum()
        self.expect(closer)
        self.open_bars.pop()
        return Operation(name, (content,))

    def bound(self, name):
        """A sum or product over an index: \\sum_{k=1}^{n} k."""
        self.expect("_")
        self.expect("{")
        index = self.advance()
        self.expect("=")
        low = self.bracketed("}")
        self.expect("^")
        high = self.argument()
        if index.kind != "symbol":
            raise UnreadableAnswer("an index must be a letter")
        body = self.term()
        return Operation(name, (Symbol(index.text), low, high, body))

    def root(self):
        """\\sqrt{x}, \\sqrt[3]{x} or sqrt(x)."""
        if self.accept("["):
            degree = self.bracketed("]")
            return Operation("root", (self.argument(), degree))
        return Operation("sqrt", (self.argument(),))

    def binomial(self):
        """\\binom{n}{k}."""
        return Operation("binomial", (self.digit(), self.digit()))

    def round_bracket(self):
        """(x), a point (x, y) or an interval that opens with (."""
        return self.bracket("(", ")", "]")

    def square_bracket(self):
        """[x], [x, y] or an interval that opens with [."""
        return self.bracket("[", "]", ")")

    def bracket(self, left, *closers):
        """Items in brackets; one item in equal brackets is a group."""
        outer, self.open_bars = self.open_bars, []
        items = self.split_single(self.items())
        if len(items) == 1 and self.accept("choose"):
            items = [Operation("binomial", (items[0], self.sum()))]
        right = self.expect(*closers)
        self.open_bars = outer
        if len(items) == 1 and right == closers[0]:
            return items[0]
        if len(items) < 2:
            raise UnreadableAnswer(f"nothing between {left} and {right}")
        return Sequence(tuple(items), left, right)

    def split_single(self, items):
        """(1,234) holds two numbers: nobody brackets one of them."""
        before = self.tokens[self.position - 1]
        if len(items) == 1 and before.kind == "grouped":
            opener = self.tokens[self.position - 2].text
            if opener in ("(", "[", "\\{", "{"):
                return list(map(plain_number, before.text.split(",")))
        return items

    def braces(self):
        """{x} is a group, {1, 2} is a set, {n \\choose k} a binomial."""
        if self.accept("}"):
            raise UnreadableAnswer("empty braces")
        items = self.items()
        if len(items) == 1 and self.accept("choose"):
            items = [Operation("binomial", (items[0], self.sum()))]
        self.expect("}")
        if len(items) == 1:
            return items[0]
        return Collection(tuple(items), "set")

    def finite_set(self):
        """\\{1, 2\\}, or \\{x : x > 1\\} with a condition."""
        if self.accept("\\}"):
            return tree.EMPTY_SET
        outer, self.open_bars = self.open_bars, ["|"]
        self.has_ratios = False
        items = self.split_single(self.items())
        self.has_ratios = True
        if self.accept("|", ":"):
            items = [self.condition(items)]
        self.open_bars = outer
        self.expect("\\}")
        if len(items) == 1 and isinstance(items[0], tree.Relation):
            return items[0]
        return Collection(tuple(items), "set")

    def condition(self, items):
        """The relation in a set builder; it describes the set."""
        conditions = self.items()
        if len(conditions) == 1 and len(items) == 1:
            return conditions[0]
        raise UnreadableAnswer("a set with several conditions")

    def vector(self):
        """\\langle 1, 2 \\rangle is the point (1, 2)."""
        return Sequence(tuple(self.group_items("rangle")))

    def environment(self, name):
        """A matrix, or lines of equations."""
        rows, row = [], []
        while True:
            if not self.is_next("&", "newline", f"end {name}"):
                row.append(self.item())
            found = self.expect("&", "newline", f"end {name}")
            if found != "&":
                rows.extend([tuple(row)] if row else [])
                row = []
            if found.startswith("end"):
                break
        cells = [cell for line in rows for cell in line]
        if not cells or len(cells) > MAX_ITEMS:
            raise UnreadableAnswer(f"a matrix of {len(cells)} cells")
        if name in LISTS:
            return Collection(tuple(cells))
        if any(len(line) != len(rows[0]) for line in rows):
            raise UnreadableAnswer("rows of different length")
        return Matrix(tuple(rows))


COMMANDS = {
    "(": AtomParser.round_bracket,
    "[": AtomParser.square_bracket,
    "{": AtomParser.braces,
    "\\{": AtomParser.finite_set,
    "langle": AtomParser.vector,
    "frac": AtomParser.fraction,
    "sqrt": AtomParser.root,
    "binom": AtomParser.binomial,
    "infinity": lambda self: tree.INFINITY,
    "empty": lambda self: tree.EMPTY_SET,
}
