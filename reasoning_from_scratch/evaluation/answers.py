r"""Finding the answer in a response, and writing it in one standard way.

`normalize_answer` turns an answer into a short string: equal strings are equal
answers, though not the other way round; what "equal" means in full is decided
in `verifier`. Everything here takes time proportional to the length of the
text, also for text that was made to be slow.
"""

import re

MAX_CHARACTERS = 400_000  # read at most, from the end of a response
MAX_CLAUSE = 500  # characters behind "the answer is"
BOX_OR_BRACE = re.compile(r"\\boxed\b|\\boxed(?=\d)|\\fbox\b|\\.|[{}]", re.S)
# What follows a box without braces: a value, not a word as in "in \boxed form"
BARE_BOX = re.compile(
    r"[ \t]{0,9}(?=[-+.]?\d|\\[A-Za-z]|(?:[A-Za-z](?![A-Za-z])|[(\[|])"
    r"[^$\n]{0,99}\$)([^\s${}][^\s$]{0,99})(?:([^$\n]{0,200})(?=\$))?"
)
# In a mention of the box there is no answer: "put it in \boxed{...}"
PLACEHOLDER = re.compile(
    r"(?:\.{2,3}|…|\\[lc]?dots|(?:(?:the|your|final) )*answer(?: here)?)?",
    re.IGNORECASE,
)
TAGS = re.compile(r"<answer>(.{1,500}?)</answer>", re.DOTALL | re.IGNORECASE)
ANSWER_IS = re.compile(
    r"(?:answer|result)s?\**\s*(?:is|are|(?:must|should|would|will|has to) be"
    r"|:|=)\s*:?\s*|答案(?:是|为|為|[:：])"
    r"|\b(?:solution|value|root)s?[^.\n]{0,30}?\b(?:is|are)\b(?=.{0,40}[\d$\\])",
    re.IGNORECASE,
)
OPTION = re.compile(
    r"(?:(?i:option|choice|choose|pick|select)|选[项择]?)\s*(?:is\b|是|为|[:：])?"
    r"\s*[(（]?([A-H])(?![A-Za-z0-9])(?!\s+is\s+(?:not|wrong|incorrect|false))"
    r"|选\s*[:：]?\s*[(（]?([A-H])"
)
HASHES = re.compile(r"####[ \t]*(\S[^\n]{0,300})")
BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*(?![ \t]*:)")
HEADING = re.compile(
    r"(?:\d+[.)]\s*)?(?:(?:final )?answer|solution|step|method|case|check|part"
    r"|option|example|exercise|scenario|figure|table|conclusion|approach|explanation"
    r"|verification|problem|question|note)\b[^=$]*$|.*:$",
    re.IGNORECASE,
)
MATH = re.compile(
    r"\$\$([^$]{1,500})\$\$|\$([^$\n]{1,500})\$"
    r"|\\\(([^\n]{1,500}?)\\\)|\\\[(.{1,500}?)\\\]",
    re.DOTALL,
)
# An expression in running text: terms and the operators between them
TERM = (
    r"(?:\\(?!boxed|fbox)[A-Za-z]+"
    r"(?:[ \t]?\{(?:[^{}\n]|\{[^{}\n]{0,40}\}){0,80}\}){0,2}"
    r"|(?:\d{1,3}(?:,\d{2,3})+(?!\d)|\d+)(?:\.\d+)?(?:[ ]\d+/\d+)?(?:\(\d+\))?"
    r"(?:[ ]and[ ]an?[ ](?:half|third|quarter))?(?:[A-Za-z]{1,2}(?![A-Za-z]))?"
    r"|\.\d+|[½⅓⅔¼¾⅕⅛π√∞°%!²³]|\^\{[^{}\n]{1,40}\}|\^-?[\w]"
    r"|(?<![A-Za-z])[A-Za-z](?![A-Za-z'’])|[(\[][^()\[\]\n]{1,60}[)\]]"
    r"|\\?\{[^{}\n]{1,40},[^{}\n]{1,40}\}|<[-−\d][^<>a-z\n]{0,40},[^<>a-z\n]{1,40}>){1,12}"
)
EXPRESSION = re.compile(
    rf"(?<![A-Za-z0-9_.,/])(?:(?:[-−+±]|\\pm)[ \t]?)?\$?{TERM}"
    rf"(?:[ \t]?(?:[-−+*/=<>×·÷≈:≤≥±]|\\times|\\cdot|\\pm|[xX](?=[ \t]?10\^))"
    rf"[ \t]?[-−+±]?\$?{TERM}){{0,30}}(?:[ ]?[AaPp]\.?[Mm]\b\.?)?"
)
VALUE = re.compile(r"[\d\\π½⅓⅔¼¾⅕⅛√∞$]")
JOINED = re.compile(r"[ \t]*(?:(?:,[ \t]*)?(?:and|or|和|或|与|及)|,)[ \t]*")
UNFINISHED = re.compile(r"[ \t]*=(?![ \t]*[?_])")  # 66*3=
END_OF_CLAUSE = re.compile(
    r"[.!?](?=\s|$)|。|\n|,? (?:because|since|which|as|so|where|when)\b"
    r"|, (?:not|rather|instead)\b"
    r"|<(?=[/|])"
)
BOUND = re.compile(
    r"\b(?:at (?:most|least)|(?:more|less|fewer|greater) than|between|not"
    r"|above|below|up to|from)\b",
    re.IGNORECASE,
)
FILLER = re.compile(
    r"^(?:(?:therefore|thus|so|hence|simply|exactly|about|approximately|just"
    r"|only|either|both|clearly|indeed|actually|then|now|equal to|equals"
    r"|given by|the (?:number|value|integer|fraction|letter))\b[,:]?\s*)+",
    re.IGNORECASE,
)
VERB = re.compile(
    r"\b(?:is|are|was|were|equals|equal to|gives|makes|has|have|had|be|costs"
    r"|needs|gets|takes|becomes|contains|of about)\b\s*:?",
)


def extract_answer(text, *, boxed_only=False):
    r"""Find the answer that a response gives.

    Only what follows the last `</think>` counts, where there is one, and
    nothing behind a `<think>` that is still open. The last complete
    \boxed{...} (or \fbox{...}, or `\boxed 7`) wins. Without one, and unless
    `boxed_only` is set, these are tried in order: <answer> tags, "#### ...",
    "the answer is ...", "option B", the last bold text, the last expression.

    Returns:
        The answer as it was written, without its box; None if there is none,
        or if the response is no text.

    >>> extract_answer(r"So \boxed{\frac{1}{2}} is half.")
    '\\frac{1}{2}'
    """
    if not isinstance(text, str):
        return None
    text = text[-MAX_CHARACTERS:].rpartition("</think>")[2]
    text = text.partition("<think>")[0]
    answer, end_of_complete = last_box(text)
    if answer is not None or boxed_only:
        return answer
    text = text[:end_of_complete]
    for find in FINDERS:
        answer = find(text)
        if answer:
            return answer
    return None


def last_box(text):
    """The content of the complete box that starts last.

    Beside it stands where a box starts that never closes, or the text ends.
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
            is_last = box_start is not None and box_start > found_start
            if is_last and not PLACEHOLDER.fullmatch(content):
                found, found_start = content, box_start
    unclosed = [start for _, start in open_braces if start is not None]
    return found, min(unclosed, default=len(text))


def bare_content(match):
    r"""What `\boxed 7$` holds: up to the dollar sign, or one word."""
    return (match[1] + (match[2] or "")).strip().rstrip(".,;")


def in_tags(text):
    found = TAGS.findall(text)
    return answer_in(found[-1].strip(" *.\n")) if found else None


def after_answer_is(text):
    """What stands after the last "the answer is", up to its clause's end."""
    for match in reversed(list(ANSWER_IS.finditer(text))):
        rest = text[match.end() : match.end() + MAX_CLAUSE]
        rest = rest.lstrip("*_:：} \n")
        if (formula := MATH.match(rest)) and "\n" in formula[0]:
            return formula_content(formula)
        clause = END_OF_CLAUSE.split(rest, maxsplit=1)[0]
        clause = clause.lstrip(" *_,:;'\"`").rstrip(" *_.,:;'\"`")
        if answer := answer_in(clause):
            return answer
    return None


def answer_in(clause):
    """The answer in a clause: all of it, or an expression in a sentence."""
    clause = FILLER.sub("", clause)
    clause = re.sub(r"\s+\([a-z ,-]+\)$", "", clause).strip(" *'\"")
    if not re.search(r"\\[(\[]", clause):
        clause = re.sub(r"\s*\\[)\]]$", "", clause)
    num_open, num_closed = (sum(map(clause.count, b)) for b in ("([", ")]"))
    if num_closed == num_open + 1:  # (Answer: 9)
        clause = re.sub(r"[)\]]$", "", clause)
    if formula := MATH.fullmatch(clause):
        return formula_content(formula)
    words = re.match(r"[A-Za-z]{2,}[ ,][^\d$\\=]*", clause)
    if not words or BOUND.search(words[0]) or words.end() == len(clause):
        return clause
    verbs = list(VERB.finditer(clause))
    if not verbs and len(words[0].split()) < 2:
        return clause  # June 20
    rest = clause[verbs[-1].end() :] if verbs else clause
    return last_expression(rest, first=bool(verbs)) or clause


def chosen_option(text):
    found = OPTION.findall(text)
    return found[-1][0] or found[-1][1] if found else None


def after_hashes(text):
    """What the last line says after its ####, as in GSM8K."""
    *_, last = text.rstrip().split("\n")
    found = HASHES.fullmatch(last.strip())
    if not found or HEADING.match(found[1]):
        return None
    return found[1].strip().rstrip(".")


def last_bold(text):
    """The last value between double asterisks, where headings stand too."""
    found = [t.strip() for t in BOLD.findall(text) if VALUE.search(t)]
    found = [t.strip(" .") for t in found if not HEADING.match(t)]
    if not found:
        return None
    if formula := MATH.search(found[-1]):
        return formula_content(formula)
    return re.split(r"=|:\s", found[-1])[-1].strip() or None


def last_expression(text, first=False):
    """The last formula or expression, with those that "and" joins to it."""
    found = [*MATH.finditer(text), *EXPRESSION.finditer(text)]
    found.sort(key=lambda match: (match.start(), -match.end()))
    outer, end_of_last = [], -1
    for match in found:
        if match.start() >= end_of_last and VALUE.search(match[0]):
            end_of_last = match.end()
            if not UNFINISHED.match(text, end_of_last):
                outer.append(match)
    if not outer:
        return None
    start = end = 0 if first else len(outer) - 1
    while start and is_joined(text, *outer[start - 1 : start + 1]):
        start -= 1
    while end + 1 < len(outer) and is_joined(text, *outer[end : end + 2]):
        end += 1
    whole = text[outer[start].start() : outer[end].end()]
    if start < end and re.search(r"\b(?:and|or)\b|[和或与及]", whole):
        return whole
    match = outer[0 if first else -1]
    if match.re is MATH:
        return formula_content(match)
    return match[0].rpartition("=")[2].strip(" .,:") or None


def is_joined(text, before, after):
    """Whether "and", "or" or a comma alone stands between two expressions."""
    return JOINED.fullmatch(text, before.end(), after.start()) is not None


def formula_content(match):
    return next(group for group in match.groups() if group).strip(" .")


FINDERS = (
    in_tags,
    after_hashes,
    after_answer_is,
    chosen_option,
    last_bold,
    last_expression,
)
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
