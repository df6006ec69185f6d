r"""Finding the answer in a response, and writing it in one standard way.

`extract_answer` looks for a box, then for weaker signs of an answer, in a
stated order. `normalize_answer` turns an answer into a short string: equal
strings are equal answers, though not the other way round. That is enough for
a first vote; what "equal" means in full is decided in `verifier`.

Everything here takes time proportional to the length of the text, also for
text that was made to be slow.
"""

import re

MAX_CHARACTERS = 400_000  # read at most, from the end of a response
BOX_OR_BRACE = re.compile(r"\\boxed\b|\\boxed(?=\d)|\\fbox\b|\\.|[{}]", re.S)
BARE_BOX = re.compile(
    r"[ \t]{0,9}([^\s${}][^\s$]{0,99})(?:([^$\n]{0,200})(?=\$))?"
)
ANSWER_IS = re.compile(
    r"(?:answer|result)\**\s*(?:is|are|:|=)\s*:?\s*", re.IGNORECASE
)
HASHES = re.compile(r"####[ \t]*(\S[^\n]{0,300})")
BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
MATH = re.compile(
    r"\$\$([^$]{1,500})\$\$|\$([^$\n]{1,500})\$"
    r"|\\\(([^\n]{1,500}?)\\\)|\\\[(.{1,500}?)\\\]",
    re.DOTALL,
)
NUMBER = re.compile(
    r"(?<![\w.,/])-?\$?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    r"(?:/\d+)?%?|(?<![\w.])-?\.\d+"
)
END_OF_CLAUSE = re.compile(
    r"[.!?](?=\s|$)|\n|,? (?:because|since|which|as|so|where|when)\b|<"
)


def extract_answer(text, *, boxed_only=False):
    r"""Find the answer that a response gives.

    Only what follows the last `</think>` counts, where there is one. The
    last complete \boxed{...} (or \fbox{...}, or `\boxed 7`) wins. Without
    one, and unless `boxed_only` is set, these are tried in order: "the
    answer is ...", "#### ...", the last bold text, the last formula or
    number.

    Args:
        text: a model's response; anything else than a string gives None.
        boxed_only: accept a box alone, as a reward should.

    Returns:
        The answer as it was written, without its box; None if there is none.

    >>> extract_answer(r"So \boxed{\frac{1}{2}} is half.")
    '\\frac{1}{2}'
    """
    if not isinstance(text, str):
        return None
    text = text[-MAX_CHARACTERS:].rpartition("</think>")[2]
    answer, end_of_complete = last_box(text)
    if answer is not None or boxed_only:
        return answer
    text = text[:end_of_complete]
    for find in (after_answer_is, after_hashes, last_bold, last_formula):
        answer = find(text)
        if answer:
            return answer
    return None


def last_box(text):
    """The content of the complete box that starts last.

    Returns:
        (content or None, where a box that never closes starts, or the
        length of the text).
    """
    found, found_start, open_braces, box = None, -1, [], None
    for mark in BOX_OR_BRACE.finditer(text):
        if mark[0] in ("\\boxed", "\\fbox"):
            box = mark
            bare = BARE_BOX.match(text, mark.end())
            if bare and text[mark.end() : bare.end()].strip()[0] != "{":
                found, found_start = bare_content(bare), mark.start()
        elif mark[0] == "{":
            is_box = box and not text[box.end() : mark.start()].strip()
            open_braces.append((mark.end(), box.start() if is_box else None))
            box = None
        elif mark[0] == "}" and open_braces:
            start, box_start = open_braces.pop()
            content = text[start : mark.start()].strip()
            if box_start is not None and box_start > found_start and content:
                found, found_start = content, box_start
    unclosed = [start for _, start in open_braces if start is not None]
    return found, min(unclosed, default=len(text))


def bare_content(match):
    r"""What `\boxed 7$` holds: up to the dollar sign, or one word."""
    return (match[1] + (match[2] or "")).strip().rstrip(".,;")


def after_answer_is(text):
    """What stands after the last "the answer is", up to its clause's end."""
    for match in reversed(list(ANSWER_IS.finditer(text))):
        rest = text[match.end() : match.end() + 500].lstrip("*: \n")
        formula = MATH.match(rest)
        if formula:
            return formula_content(formula)
        clause = END_OF_CLAUSE.split(rest, maxsplit=1)[0].strip(" *.,:;")
        if clause:
            return clause
    return None


def after_hashes(text):
    """What stands after the last ####, as in GSM8K."""
    found = HASHES.findall(text)
    return found[-1].strip().rstrip(".") if found else None


def last_bold(text):
    """The last text between double asterisks that holds a digit or formula.

    Headings are bold as well; an answer there is a number most of the time.
    """
    found = [t for t in BOLD.findall(text) if re.search(r"[\d$\\]", t)]
    if not found:
        return None
    formula = MATH.search(found[-1])
    return formula_content(formula) if formula else found[-1].strip(" .:")


def last_formula(text):
    """The last formula or the last number, whichever comes later."""
    formulas, numbers = list(MATH.finditer(text)), list(NUMBER.finditer(text))
    if formulas and (not numbers or numbers[-1].end() <= formulas[-1].end()):
        return formula_content(formulas[-1])
    return numbers[-1][0] if numbers else None


def formula_content(match):
    """The formula without the signs around it."""
    return next(group for group in match.groups() if group).strip(" .")


REPLACEMENTS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:boxed|fbox)\{(.*)\}$", r"\1"),
        (r"\\left|\\right|\\displaystyle|\\[!,;: ]|\\\(|\\\)|\$", ""),
        (r"\\(?:text|mathrm|mbox|textbf)\s*\{([^{}]*)\}", r"\1"),
        (r"\\[dt]frac", r"\\frac"),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"^(-?)\\frac\{(\d+)\}\{(\d+)\}$", r"\1\2/\3"),
        (r"\\sqrt\s*(\w)", r"\\sqrt{\1}"),
        (r"\^\\circ|\^\{\\circ\}|°|\\?%", ""),
        (r"\{,\}", ","),
        (r"(?<=\d),(?=\d{3}(?!\d))", ""),
        (r"\\cdot|\\times", "*"),
        (r"^[a-zA-Z]\s*=", ""),
        (r"\s+", " "),
        (r"(?<!\w) | (?!\w)", ""),
        (r"^\+", ""),
        (r"^(-?)\.(?=\d)", r"\g<1>0."),
        (r"^(-?\d+\.\d*?)0+$", r"\1"),
        (r"\.$", ""),
    )
]


def normalize_answer(text):
    r"""Write an answer in a standard way, by replacing text alone.

    Layout, units of degree and percent, thousands separators and final
    zeros go; fractions are written a/b.

    >>> normalize_answer(r"$x = \dfrac{1}{2}$")
    '1/2'
    """
    text = text[:2_000].strip().replace("−", "-")
    for pattern, replacement in REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text
