"""Texts made to run code, to fill the memory or to take for ever.

`hostile_answers()` gives at least 150 of them. They are data for tests; no
name in them exists, and MARKER would be created if one of them were run.
"""

MARKER = "verifier_was_here"
CALLS = (
    "__import__('os').system('touch {marker}')",
    "__import__('subprocess').run(['touch', '{marker}'])",
    "open('{marker}', 'w').close()",
    "eval(\"open('{marker}', 'w')\")",
    "exec(\"open('{marker}', 'w')\")",
    "(lambda: open('{marker}', 'w'))()",
    "[x for x in (open('{marker}', 'w'),)]",
    "().__class__.__bases__[0].__subclasses__()",
    "globals()['__builtins__']['open']('{marker}', 'w')",
    "getattr(__builtins__, 'open')('{marker}', 'w')",
    "sympy.sympify(\"open('{marker}', 'w')\")",
    "Symbol('x').__class__.__init__.__globals__",
    "import os; os.system('touch {marker}')",
    "exit()",
    "quit()",
    "raise SystemExit",
    "__builtins__.__dict__.clear()",
    "`touch {marker}`",
    "$(touch {marker})",
    "; touch {marker} #",
    "'; DROP TABLE answers; --",
    "{{7*7}}",
    "%s%s%s%n",
    "{0.__class__}",
    "\\input{/etc/passwd}",
    "\\write18{touch {marker}}",
    "\\immediate\\write18{touch {marker}}",
    "\\def\\x{\\x\\x}\\x",
    "\\csname end\\endcsname",
    "\\loop\\iftrue\\repeat",
)
WRAPPERS = ("{}", "\\boxed{{{}}}", "$f({})$")

TOWERS = (
    "9^{9^{9^{9^{9}}}}",
    "9**9**9**9",
    "10^{10^{10^{10}}}",
    "2^{2^{2^{2^{2^{2}}}}}",
    "x^{x^{x^{x^{x^{x}}}}}",
    "99999^{99999^{99999}}",
    "1.0000001^{10^{30}}",
    "(1+x)^{10^{9}}",
    "(x+y+z)^{100000}",
    "((((x+1)^{99})^{99})^{99})^{99}",
    "e^{e^{e^{e^{e}}}}",
    "10^{-10^{10^{10}}}",
    "0^{-10^{10}}",
    "2^{10^{18}} - 2^{10^{18}} + 1",
    "\\sqrt[10^{100}]{2}",
    "\\sqrt[0]{2}",
    "10^{1000000}",
    "7^{7^7} \\bmod 10^9",
    "1e999999999",
    "1e-999999999",
)
FACTORIALS = (
    "1000000!",
    "9999999999!",
    "5!!!!!!!!!!!!",
    "(((9!)!)!)!",
    "(100000!)/(99999!)",
    "\\binom{10^{9}}{5\\cdot 10^{8}}",
    "\\binom{10^{100}}{3}",
    "(10^{30})!",
    "(-1)!",
    "(10^9 + \\frac12)!",
)
SUMS = (
    "\\sum_{k=1}^{10^{100}} k",
    "\\sum_{k=1}^{1000000000} \\frac{1}{k}",
    "\\prod_{k=1}^{10^{9}} k",
    "\\sum_{a=1}^{999}\\sum_{b=1}^{999}\\sum_{c=1}^{999} abc",
    "\\sum_{k=1}^{\\infty} \\sin(k^k)",
    "\\sum_{k=-10^{20}}^{10^{20}} k^{k}",
    "\\sum_{k=1}^{k} k",
    "\\sum_{k=1}^{n^{n^{n}}} k!",
    "\\prod_{n=1}^{5000} (n!)^{n}",
    "\\sum_{x=1}^{3} \\sum_{x=1}^{3} x",
)
ANALYSIS = (
    "\\sin(10^{10^{6}})",
    "\\tan(10^{300})",
    "\\ln(\\ln(\\ln(10^{10^{5}})))",
    "\\ln 0",
    "\\log_1 5",
    "\\log_0 0",
    "\\frac{1}{0}",
    "\\frac{0}{0}",
    "0^0",
    "\\infty - \\infty",
    "\\frac{\\infty}{\\infty}",
    "\\gcd(10^{400}, 10^{399})",
    "\\lfloor 10^{10^{10}} \\rfloor",
    "5 \\bmod 0",
    "\\arcsin(10^{100})",
    "\\cosh(10^{9})",
    "\\exp(\\exp(\\exp(100)))",
    "x^{1/3} < x^{1/5} < \\sin(x^{x})",
    "\\sin(\\sin(\\sin(\\sin(x)))) < \\cos(\\cos(x))",
    "x^{9} - x^{8} + x^{7} - 3x^{2} + \\sin x > e^{x}",
)
REPEATED = (
    ("(", 10_000),
    (")", 10_000),
    ("{", 10_000),
    ("}", 10_000),
    ("[", 10_000),
    ("\\{", 5_000),
    ("\\left(", 5_000),
    ("\\frac{", 5_000),
    ("\\frac", 5_000),
    ("\\sqrt{", 5_000),
    ("\\boxed{", 20_000),
    ("\\boxed", 20_000),
    ("\\text{", 5_000),
    ("\\begin{pmatrix}", 3_000),
    ("|", 10_000),
    ("-", 10_000),
    ("+-", 10_000),
    ("!", 10_000),
    ("%", 10_000),
    ("^", 10_000),
    ("_", 10_000),
    ("x^", 1_000),
    ("x_", 1_000),
    ("\\sin", 1_000),
    ("1,", 10_000),
    ("1+", 10_000),
    ("9", 100_000),
    ("9", 1_000_000),
    ("a", 1_000_000),
    (" ", 1_000_000),
    ("\\", 1_000_000),
    ("$", 100_000),
    ("*", 100_000),
    ("**a", 50_000),
    ("the answer is ", 50_000),
    ("answer: **", 30_000),
    ("#### ", 50_000),
    ("1,234", 100_000),
    ("</think>", 50_000),
    ("<think>", 50_000),
    ("\x00", 1_000),
    ("\u202e", 1_000),
    ("\ud800", 10),
    ("😀", 10_000),
    ("½", 5_000),
    ("²", 500),
    ("\n", 100_000),
    ("\\pm 1 ", 200),
    ("x=", 500),
    ("1<", 500),
    ("\\cup(1,2)", 200),
)
NESTED = (
    ("(", "x", ")"),
    ("{", "x", "}"),
    ("\\frac{", "1", "}{2}"),
    ("\\sqrt{", "2", "}"),
    ("\\{", "1", "\\}"),
    ("\\{1,", "1", "\\}"),
    ("|", "x", "|"),
    ("\\sin(", "x", ")"),
    ("(1,", "2", ")"),
    ("\\boxed{", "7", "}"),
    ("\\text{", "a", "}"),
    ("2^{", "2", "}"),
    ("f(", "x", ")"),
    ("-(", "1", ")"),
)
DEPTHS = (30, 300, 10_000)


def hostile_answers():
    """All the texts, longest ones included."""
    calls = [call.replace("{marker}", MARKER) for call in CALLS]
    answers = [w.format(call) for call in calls for w in WRAPPERS]
    answers += TOWERS + FACTORIALS + SUMS + ANALYSIS
    answers += [piece * count for piece, count in REPEATED]
    answers += [
        left * depth + core + right * depth
        for left, core, right in NESTED
        for depth in DEPTHS
    ]
    return answers
