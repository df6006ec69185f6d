"""Reading what begins a value: numbers, names, brackets, commands.

Each reader takes the parser behind the token that chose it.
"""

from itertools import pairwise

from . import tree
from .tokenizer import Token, plain_number, repeating_decimal
from .tree import Collection, Operation, Sequence, refuse_if
from .vocabulary import MATRICES, SCALES, words

# How tightly operators bind
OR, AND, LIST, RELATION, SETS, UNIT, RATIO, SUM = range(8)
PRODUCT, SIGN, POWER, ATOM = range(8, 12)
CONDITIONS = words("if for when where as while provided")
ALIGNED = ("=", "<", "<=", ">", ">=", "!=", "~", "+", "-")
MANY_ARGUMENTS = ("max", "min", "gcd", "lcm")
CLOSERS = {"(": ")", "{": "}", "\\{": "\\}"}  # of arguments
APPLIED = ("f", "g", "h")  # f(x) is a value of f, no product
INVERSE = {name: f"arc{name}" for name in words("sin cos tan cot sec csc")}
INVERSE |= {name: f"ar{name}" for name in words("sinh cosh tanh")}


def number(parser, token):
    """A number token, with its scale, or with a fraction behind."""
    if token.kind == "grouped" and parser.split_groups:
        return Collection(split_group(token))
    if token.kind == "repeating":
        return repeating_decimal(token.text)
    value = plain_number(token.text.replace(",", ""))
    if value.places < 0 and value.value.denominator == 1:
        value = mixed(parser, value)
    while parser.token.kind == "text" and parser.token.text in SCALES:
        value = tree.Number(value.value * SCALES[parser.advance().text])
    if parser.accept("_"):  # 52_8, among others
        base = parser.argument()
        if not isinstance(base, tree.Number) or value.places >= 0:
            raise tree.UnreadableAnswer("cannot read the index of a number")
        return tree.Text(f"{value.value}_{base.value}")
    return value


def split_group(token):
    """The numbers between the commas of 1,234."""
    return tuple(map(plain_number, token.text.split(",")))


def mixed(parser, whole):
    """A whole number with the proper fraction behind it: 1 1/2."""
    start = parser.position
    kinds = [parser.peek(offset).kind for offset in range(3)]
    if parser.accept("frac"):
        over, under = fraction(parser).args
    elif parser.peek().text == "/" and kinds[::2] == ["number"] * 2:
        over, under = (plain_number(parser.peek(n).text) for n in (0, 2))
        parser.position += 3
    else:
        return whole
    if isinstance(over, tree.Number) and isinstance(under, tree.Number):
        over, under = over.value, under.value
        if over.denominator == under.denominator == 1 and 0 < over < under:
            return tree.Number(whole.value + over / under)
    parser.position = start
    return whole


def fraction(parser):
    """The two arguments behind \\frac."""
    over, under = digit(parser), digit(parser)
    parser.closed_at = parser.position
    return tree.combine("divide", over, under)


def digit(parser):
    """The next argument of a fraction: of \\frac12 the first digit."""
    token = parser.token
    if token.kind != "number" or not token.text.isdigit():
        return parser.argument()
    rest = token.text[1:]
    if rest:
        parser.tokens[parser.position] = Token("number", rest)
    else:
        parser.position += 1
    return tree.integer(int(token.text[0]))


def symbol(parser, token):
    """A symbol with its index and primes, or a value f(x)."""
    name = token.text
    if parser.accept("_"):
        name = f"{name}_{index(parser)}"
    is_figure = name in ("angle", "triangle")  # and its corners
    while parser.is_next("'") or is_figure and parser.token.kind == "symbol":
        name += parser.advance().text
    ahead = [token.text for token in parser.tokens[parser.position :][:6]]
    if name in APPLIED and ahead == ["^", "{", "-", "1", "}", "("]:
        parser.position += 5
        name += "^-1"
    if name[0] in APPLIED and parser.accept("("):
        arguments = parser.items(")")
        return Operation("apply", (tree.Symbol(name), *arguments))
    return tree.Symbol(name)


def index(parser):
    """The text of an index: 1, n+1, max."""
    if not parser.accept("{"):
        return parser.advance().text
    name = ""
    while not parser.accept("}"):
        refuse_if(parser.token.kind == "end", "an index is not closed")
        name += parser.advance().text
    return name


def function(parser, token):
    """A function with base, exponent and argument: \\log_2 x."""
    name = token.text
    base = parser.argument() if parser.accept("_") else None
    exponent = parser.argument() if parser.accept("^") else None
    if exponent == tree.integer(-1) and name in INVERSE:
        name, exponent = INVERSE[name], None
    if opener := parser.accept(*CLOSERS):
        arguments = parser.items(CLOSERS[opener])
    else:  # the factors that follow
        factors = [parser.parse(SIGN)]
        while parser.token.kind == "symbol":
            factors.append(parser.parse(SIGN))
        arguments = [tree.combine("multiply", *factors)]
    if name == "det" and isinstance(arguments[0], tree.Matrix):
        return determinant(arguments[0].rows)
    if len(arguments) > 1 and name not in MANY_ARGUMENTS:
        raise tree.UnreadableAnswer(f"{name} takes one argument")
    if base is not None:
        refuse_if(name != "log", "a base of no logarithm")
        arguments = (*arguments, base)
    value = Operation(name, tuple(arguments))
    return value if exponent is None else Operation("power", (value, exponent))


def bound(parser, name):
    """A sum or product over an index: \\sum_{k=1}^{n} k."""
    parser.expect("_")
    parser.expect("{")
    token = parser.advance()
    parser.expect("=")
    low = parser.group("}")
    parser.expect("^")
    high = parser.argument()
    refuse_if(token.kind != "symbol", "an index must be a letter")
    body = parser.parse(PRODUCT)
    return Operation(name, (tree.Symbol(token.text), low, high, body))


def root(parser):
    if parser.accept("["):
        degree = parser.group("]")
        return Operation("root", (parser.argument(), degree))
    return Operation("sqrt", (parser.argument(),))


def bracket(parser, left, *closers):
    """Items in brackets; one item in matching brackets is a group."""
    items = parser.items(*closers)
    right = parser.peek(-1).text
    if len(items) == 1 and right == closers[0]:
        return items[0]
    refuse_if(len(items) < 2, "an empty bracket")
    return Sequence(tuple(items), left, right)


def braces(parser):
    """{x} is a group, {1, 2} is a set, {n \\choose k} a binomial."""
    items = parser.items("}")
    return items[0] if len(items) == 1 else Collection(tuple(items), "set")


def finite_set(parser):
    """\\{1, 2\\}, or \\{x : x > 1\\} with a condition."""
    if parser.accept("\\}"):
        return tree.EMPTY_SET
    items = parser.items("\\}", "|", ":")
    if parser.peek(-1).text != "\\}":
        home, *rest = [*items, *parser.items("\\}")]
        refuse_if(len(rest) != 1, "a set with several conditions")
        is_home = isinstance(home, tree.Relation)  # x in Z
        if is_home and tree.REALS not in home.operands:
            return Collection((home, *rest), "and")
        items = rest
    is_condition = len(items) == 1 and isinstance(items[0], tree.Relation)
    return items[0] if is_condition else Collection(tuple(items), "set")


def environment(parser, name):
    """A matrix, or lines of equations, or the cases of a function."""
    end = f"end {name}"
    is_matrix = name in MATRICES
    if not is_matrix:
        align(parser, name, end)
    rows, row, found = [], [], "&"
    while found != end:
        if not parser.is_next("&", "newline", end):
            row.append(parser.parse(RELATION if is_matrix else OR))
        found = parser.expect("&", "newline", end)
        if found != "&" and row:
            rows.append(tuple(row))
            row = []
    num_cells = sum(map(len, rows))
    refuse_if(not 0 < num_cells <= tree.MAX_ITEMS, "no cells, or too many")
    if not is_matrix:
        if "cases" in name:  # a value with its condition
            rows = [(Sequence(r, "&", "&"),) if r[1:] else r for r in rows]
        return Collection(tuple(cell for row in rows for cell in row), "and")
    if any(len(line) != len(rows[0]) for line in rows):
        raise tree.UnreadableAnswer("rows of different length")
    return determinant(rows) if name == "vmatrix" else tree.Matrix(tuple(rows))


def align(parser, name, end):
    """Write the lines of a system in one way: without &=, "if", last comma."""
    ahead = parser.tokens[parser.position :]
    refuse_if(Token("operator", end) not in ahead, "the end is missing")
    stop = ahead.index(Token("operator", end))
    signs = ALIGNED[: 7 if "cases" in name else None]
    lines = []
    for token, after in pairwise(ahead[: stop + 1]):
        is_end = after.text in ("&", "newline", end, *CONDITIONS)
        if token.kind == "text" and token.text.lower() in CONDITIONS:
            token = Token("operator", "&")
        is_doubled = after.text in signs or lines[-1:] == [token]
        is_comma = token.text in (",", ";", ":") and is_end
        if not is_comma and not (token.text == "&" and is_doubled):
            lines.append(token)
    parser.tokens[parser.position : parser.position + stop] = lines


def determinant(rows):
    refuse_if(len(rows) != len(rows[0]) or len(rows) > 4, "not square")
    if len(rows) == 1:
        return rows[0][0]
    terms = []
    for column, factor in enumerate(rows[0]):
        rest = [(*row[:column], *row[column + 1 :]) for row in rows[1:]]
        term = tree.combine("multiply", factor, determinant(rest))
        terms.append(tree.negate(term) if column % 2 else term)
    return tree.combine("add", *terms)


KINDS = dict.fromkeys(("number", "repeating", "grouped"), number) | {
    "symbol": symbol,
    "function": function,
}
COMMANDS = {
    "(": lambda parser: bracket(parser, "(", ")", "]"),
    "[": lambda parser: bracket(parser, "[", "]", ")"),
    "{": braces,
    "\\{": finite_set,
    "langle": lambda parser: Sequence(tuple(parser.items("rangle"))),
    "frac": fraction,
    "sqrt": root,
    "binom": lambda parser: Operation("binomial", fraction(parser).args),
    "infinity": lambda parser: tree.INFINITY,
    "empty": lambda parser: tree.EMPTY_SET,
    "sum": lambda parser: bound(parser, "sum"),
    "product": lambda parser: bound(parser, "product"),
    "|": lambda parser: Operation("abs", (parser.group("|"),)),
    "||": lambda parser: Operation("norm", (parser.group("||"),)),
    "lvert": lambda parser: Operation("abs", (parser.group("rvert"),)),
    "lfloor": lambda parser: Operation("floor", (parser.group("rfloor"),)),
    "lceil": lambda parser: Operation("ceil", (parser.group("rceil"),)),
}
