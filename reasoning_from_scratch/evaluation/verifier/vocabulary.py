"""The words, LaTeX commands and characters that the tokenizer knows.

Tables only: a new notation is a new row here. What stands in no table is no
mathematics to us, and an answer that holds it is compared as text.
"""


def words(text):
    """The words of a text as a set."""
    return frozenset(text.split())


# Layout without meaning: these commands vanish.
LAYOUT = words(
    """ , ; : ! > quad qquad thinspace left right big Big bigg Bigg bigl
    bigr Bigl Bigr biggl biggr displaystyle textstyle limits nolimits
    hline phantom middle mleft mright scriptstyle enspace negthinspace
    space allowbreak normalsize large Large therefore noindent"""
) | {" ", "\n", "\t", "/"}

# Commands whose argument in braces is written in another face.
TEXT_COMMANDS = words(
    """text textbf textit textrm textsf texttt textnormal mbox hbox emph
    mathrm mathbf mathit mathsf mathtt operatorname bf rm boldsymbol
    bm underline"""
)

FUNCTIONS = {
    name: name
    for name in words(
        """sin cos tan cot sec csc sinh cosh tanh coth sech csch
        arcsin arccos arctan arccot arcsec arccsc ln log exp max min gcd
        lcm floor arsinh arcosh artanh"""
    )
} | {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "acot": "arccot",
    "arcsinh": "arsinh",
    "arccosh": "arcosh",
    "arctanh": "artanh",
    "asinh": "arsinh",
    "acosh": "arcosh",
    "atanh": "artanh",
    "tg": "tan",
    "ctg": "cot",
    "cosec": "csc",
    "arctg": "arctan",
    "lg": "log",
    "ceil": "ceiling",
    "ceiling": "ceiling",
    "abs": "abs",
    "sgn": "sign",
    "sign": "sign",
    "Re": "real",
    "Im": "imaginary",
}

# Commands and words that are operators or atoms of the grammar.
OPERATORS = {
    "cdot": "*",
    "times": "*",
    "ast": "*",
    "bullet": "*",
    "div": "/",
    "pm": "pm",
    "mp": "mp",
    "le": "<=",
    "leq": "<=",
    "leqslant": "<=",
    "leqq": "<=",
    "ge": ">=",
    "geq": ">=",
    "geqslant": ">=",
    "geqq": ">=",
    "lt": "<",
    "gt": ">",
    "ne": "!=",
    "neq": "!=",
    "approx": "~",
    "approxeq": "~",
    "simeq": "~",
    "doteq": "~",
    "in": "in",
    "notin": "notin",
    "cup": "cup",
    "bigcup": "cup",
    "cap": "cap",
    "bigcap": "cap",
    "setminus": "setminus",
    "backslash": "setminus",
    "smallsetminus": "setminus",
    "lor": "or",
    "vee": "or",
    "land": "and",
    "wedge": "and",
    "frac": "frac",
    "dfrac": "frac",
    "tfrac": "frac",
    "cfrac": "frac",
    "binom": "binom",
    "dbinom": "binom",
    "tbinom": "binom",
    "choose": "choose",
    "sqrt": "sqrt",
    "sum": "sum",
    "prod": "product",
    "infty": "infinity",
    "infin": "infinity",
    "emptyset": "empty",
    "varnothing": "empty",
    "{": "\\{",
    "}": "\\}",
    "lbrace": "\\{",
    "rbrace": "\\}",
    "lbrack": "[",
    "rbrack": "]",
    "lparen": "(",
    "rparen": ")",
    "langle": "langle",
    "rangle": "rangle",
    "lvert": "lvert",
    "rvert": "rvert",
    "vert": "|",
    "|": "||",
    "Vert": "||",
    "lVert": "||",
    "rVert": "||",
    "mid": "|",
    "lfloor": "lfloor",
    "rfloor": "rfloor",
    "lceil": "lceil",
    "rceil": "rceil",
    "%": "%",
    "&": "&",
    "\\": "newline",
    "cr": "newline",
    "circ": "degree",
    "degree": "degree",
    "bmod": "mod",
    "mod": "mod",
    "prime": "'",
    "_": "_",
    "colon": ":",
    "ldots": "dots",
    "cdots": "dots",
    "dots": "dots",
    "dotsc": "dots",
    "to": "to",
    "rightarrow": "to",
}

WORDS = {
    "and": "and",
    "or": "or",
    "sqrt": "sqrt",
    "infinity": "infinity",
    "Infinity": "infinity",
    "infty": "infinity",
    "inf": "infinity",
    "oo": "infinity",
    "union": "cup",
    "U": "cup",
    "percent": "%",
    "pct": "%",
    "percentage": "%",
    "mod": "mod",
    "choose": "choose",
    "degrees": "degree",
    "degree": "degree",
    "deg": "degree",
}

GREEK = words(
    """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu
    nu xi pi rho sigma tau upsilon phi chi psi omega Gamma Delta Theta
    Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar"""
)
SYMBOLS = (
    {name: name for name in GREEK}
    | {"var" + name: name for name in GREEK}
    | {"imath": "i", "jmath": "j", "R": "reals"}
    | {"angle": "angle", "measuredangle": "angle", "triangle": "triangle"}
    | {"perp": "perp", "parallel": "parallel", "star": "star"}
)
SETS = {"R": "reals", "Z": "integers", "N": "naturals", "Q": "rationals"}
ACCENTS = words(
    """overline bar vec hat widehat tilde widetilde overrightarrow dot
    ddot underbar"""
)
ENVIRONMENTS = words(
    """matrix pmatrix bmatrix Bmatrix smallmatrix array
    cases aligned align align* gathered gather gather*"""
)

CHARACTERS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-",
    "×": r"\times ", "✕": r"\times ", "÷": r"\div ", "·": r"\cdot ",
    "⋅": r"\cdot ", "∙": r"\cdot ", "∗": "*", "⁄": "/", "∕": "/",
    "±": r"\pm ", "∓": r"\mp ", "√": r"\sqrt ", "∛": r"\sqrt[3]",
    "∜": r"\sqrt[4]", "∞": r"\infty ", "°": r"^\circ ",
    "º": r"^\circ ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ",
    "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "∈": r"\in ",
    "∉": r"\notin ", "∪": r"\cup ", "∩": r"\cap ",
    "∖": r"\setminus ", "∅": r"\emptyset ", "∨": r"\lor ",
    "∧": r"\land ", "∠": r"\angle ", "△": r"\triangle ",
    "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ",
    "⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ",
    "∑": r"\sum ", "∏": r"\prod ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}", "′": "'", "’": "'", "‘": "'", "“": '"',
    "”": '"', "％": "%", "€": "€", "£": "£", "¥": "¥", "₹": "₹",
    "…": r"\ldots ", "\u00a0": " ", "\u200b": "", "\ufeff": "",
    "ⁿ": "^{n}", "ϕ": r"\phi ", "\u2061": "", "→": r"\to ",
}  # fmt: skip
GREEK_LETTERS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta",
    "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta", "ι": "iota",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi",
    "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon",
    "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma",
    "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi",
    "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
CHARACTERS |= {letter: f"\\{name} " for letter, name in GREEK_LETTERS.items()}

NUMBER_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90, "onehundred": 100,
}  # fmt: skip
SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
