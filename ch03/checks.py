"""The exercises of chapter 3 about answers; the others: checks_numbers.py."""

import random
import re
from collections import Counter
from fractions import Fraction

from check import Exercise

# 3.1 Equal numbers -----------------------------------------------------


def read_fraction(text):
    above, _, below = text.partition("/")
    return Fraction(above.strip()) / Fraction(below.strip() or 1)


def equal_fractions(first, second):
    try:
        return read_fraction(first) == read_fraction(second)
    except (ValueError, ZeroDivisionError):
        return False


def same_text(first, second):
    return first == second


def as_floats(first, second):
    try:
        return float(read_fraction(first)) == float(read_fraction(second))
    except (ValueError, ZeroDivisionError):
        return False


def nearly_equal(first, second):
    try:
        return abs(read_fraction(first) - read_fraction(second)) < 0.01
    except (ValueError, ZeroDivisionError):
        return False


def without_decimals(first, second):
    if "." in first + second:
        return False
    return equal_fractions(first, second)


def unreadable_is_compared_as_text(first, second):
    return equal_fractions(first, second) or first == second


FRACTION_PAIRS = (
    ("0.75", "3/4"),
    ("-1/2", "2/-4"),
    ("3/4", "4/3"),
    ("0.3333", "1/3"),
    ("0.33333333333333333333", "1/3"),
    ("6/3", "2"),
    ("1/0", "1/0"),
    ("many", "2"),
)

# 3.4 A template --------------------------------------------------------


def render(template, problem):
    return template.replace("{problem}", problem)


def render_by_format(template, problem):
    return template.format(problem=problem)


def append_problem(template, problem):
    return f"{template} {problem}"


def render_stripped(template, problem):
    return render(template, problem).strip()


def render_once(template, problem):
    return template.replace("{problem}", problem, 1)


def render_with_braces(template, problem):
    return template.replace("problem", problem)


TEMPLATES = (
    ("Problem: {problem}\nAnswer:", "What is 2*3?"),
    ("{problem}\nPut the answer into \\boxed{}.", "Find \\frac{1}{2}*4."),
    ("Q: {problem} A: ", "What is 7-5?"),
    ("{problem}\nRead it again: {problem}\n", "What is 4+4?"),
)

# 3.6 The likeliest choice ----------------------------------------------


def likeliest(logprobs):
    return best(logprobs, lambda row: sum(row) / len(row))


def best(logprobs, score):
    scores = [score(row) for row in logprobs]
    return scores.index(max(scores))


def likeliest_by_sum(logprobs):
    return best(logprobs, sum)


def least_likely(logprobs):
    return best(logprobs, lambda row: -sum(row) / len(row))


def likeliest_by_first(logprobs):
    return best(logprobs, lambda row: row[0])


def count_from_one(logprobs):
    return likeliest(logprobs) + 1


CHOICES = (
    ([[-0.5, -0.5, -0.5, -0.5], [-1.5], [-0.1, -4.0]],),
    ([[-2.0], [-0.9, -0.9], [-0.4, -0.4, -0.4, -0.4, -0.4, -0.4]],),
    ([[-1.0, -1.0], [-3.0, -0.2]],),
)

# 3.9 The last box ------------------------------------------------------

BOX = r"\boxed{"


def boxes(text):
    """The complete boxes of a text, by their start."""
    found = []
    for match in re.finditer(re.escape(BOX), text):
        depth = 1
        for place in range(match.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                found.append(text[match.end() : place])
                break
    return found


def last_box(text):
    found = boxes(text)
    return found[-1] if found else None


def first_box(text):
    found = boxes(text)
    return found[0] if found else None


def box_to_first_brace(text):
    found = re.findall(r"\\boxed\{(.*?)\}", text)
    return found[-1] if found else None


def box_to_last_brace(text):
    found = re.findall(r"\\boxed\{(.*)\}", text)
    return found[-1] if found else None


def box_that_begins_last(text):
    """Looks at the last box alone, be it complete or not."""
    if BOX not in text:
        return None
    return last_box(text[text.rindex(BOX) :])


def empty_without_a_box(text):
    return last_box(text) or ""


RESPONSES = (
    (r"So it is \boxed{\frac{3}{4}}.",),
    (r"\boxed{1}, no, \boxed{2}, since {5} is odd",),
    (r"We get \boxed{12}. Simplify: \boxed{1",),
    ("The answer is 7.",),
    (r"\boxed{\sqrt{2}} is wrong; \boxed{x^{10}}",),
)

# 3.10 Normalising ------------------------------------------------------


def normalise(text):
    text = re.sub(r"\\(?:left|right)(?![a-z])|[\s$]", "", text)
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)


def without_any_comma(text):
    return normalise(text).replace(",", "")


def commas_once(text):
    number = re.sub(r"\\(?:left|right)(?![a-z])|[\s$]", "", text)
    number = re.sub(r"\\[dt]frac", r"\\frac", number)
    return re.sub(r"(\d),(\d{3})(?!\d)", r"\1\2", number, count=1)


def with_commas(text):
    text = re.sub(r"\\(?:left|right)(?![a-z])|[\s$]", "", text)
    return re.sub(r"\\[dt]frac", r"\\frac", text)


def cut_inside_commands(text):
    return normalise(text.replace(r"\left", "").replace(r"\right", ""))


def lower_case(text):
    return normalise(text).lower()


def with_dfrac(text):
    return normalise(text.replace("dfrac", "dfr@c")).replace("@", "a")


TEXTS = (
    ("$1,250$",),
    (r"\left( 2, -5 \right)",),
    (r"\dfrac{1}{2}",),
    ("1,250,000",),
    (r"x \rightarrow 3",),
    ("P(A) = 0.5",),
)

# 3.11 The most frequent answer -----------------------------------------


def majority_accuracy(answers, references):
    return share_of(answers, references, most_frequent)


def share_of(answers, references, choose):
    pairs = zip(answers, references, strict=True)
    right = sum(choose(row) == reference for row, reference in pairs)
    return right / len(references)


def most_frequent(row):
    given = [answer for answer in row if answer is not None]
    return Counter(given).most_common(1)[0][0] if given else None


def any_answer(answers, references):
    pairs = zip(answers, references, strict=True)
    return sum(ref in row for row, ref in pairs) / len(references)


def mean_accuracy(answers, references):
    pairs = zip(answers, references, strict=True)
    return sum(row.count(ref) / len(row) for row, ref in pairs) / len(
        references
    )


def more_than_half(answers, references):
    pairs = zip(answers, references, strict=True)
    right = sum(row.count(ref) > len(row) / 2 for row, ref in pairs)
    return right / len(references)


def none_counts(answers, references):
    return share_of(
        answers, references, lambda row: Counter(row).most_common(1)[0][0]
    )


def first_answer(answers, references):
    return share_of(answers, references, lambda row: row[0])


def random_rows(seed):
    generator = random.Random(seed)
    rows = [generator.choices("123", (5, 3, 2), k=7) for _ in range(12)]
    return [row for row in rows if len(set(Counter(row).values())) == len(
        set(row))]  # fmt: skip


ANSWERS = (
    ([["5", "5", "7"], ["1", "2", "3", "3"]], ["5", "3"]),
    ([[None, None, None, "4", "4"], ["8", "9", "9"]], ["4", "8"]),
    (random_rows(0), ["1"] * len(random_rows(0))),
)

EXERCISES = {
    "3.1": Exercise(
        "More cases for the verifier",
        equal_fractions,
        FRACTION_PAIRS,
        {
            "You compared the texts. Compare the values: 0.75 is "
            "3/4.": same_text,
            "You compared floats, which are rounded: twenty threes behind "
            "the point are not a third.": as_floats,
            "You allowed a small difference, but 0.3333 is not a third. "
            "Compare exact values.": nearly_equal,
            "Decimal numbers are numbers as well.": without_decimals,
            "What cannot be read is not equal to anything, even to the same "
            "text: 1/0 has no value.": unreadable_is_compared_as_text,
        },
        (
            "Turn each text into a Fraction: the part before the stroke "
            "divided by the part behind it.",
            "text.partition('/') gives both parts, and Fraction('0.75') "
            "reads decimals. Return False for ValueError and "
            "ZeroDivisionError.",
        ),
    ),
    "3.4": Exercise(
        "A template and its problem",
        render,
        TEMPLATES,
        {
            "str.format takes every pair of braces for a place to fill, and "
            "LaTeX is full of them.": render_by_format,
            "The problem belongs in the place of {problem}, not behind the "
            "template.": append_problem,
            "You removed the space at an end. The model continues the exact "
            "text, so spaces count.": render_stripped,
            "{problem} may occur more than once.": render_once,
            "The braces of {problem} are part of the "
            "mark.": render_with_braces,
        },
        (
            "Only the nine characters {problem} are a mark; all other "
            "braces are text.",
            "template.replace('{problem}', problem)",
        ),
    ),
    "3.6": Exercise(
        "The choice-letter trap",
        likeliest,
        CHOICES,
        {
            "A sum prefers short texts. Take the mean per "
            "token.": likeliest_by_sum,
            "You chose the least likely text. Log-probabilities are "
            "negative: the largest is nearest to zero.": least_likely,
            "You compared the first tokens only.": likeliest_by_first,
            "Count the places from 0.": count_from_one,
        },
        (
            "Give each choice one number, then find the place of the largest.",
            "scores = [sum(row) / len(row) for row in logprobs]; "
            "scores.index(max(scores))",
        ),
    ),
    "3.9": Exercise(
        "The last box",
        last_box,
        RESPONSES,
        {
            "This is the first box; a model may correct itself, so the last "
            "one counts.": first_box,
            "You stopped at the first closing brace, and a fraction has "
            "braces of its own.": box_to_first_brace,
            "You went to the last closing brace of the "
            "text.": box_to_last_brace,
            "A box that never closes must not hide a complete one before "
            "it.": box_that_begins_last,
            "Without a box, return None.": empty_without_a_box,
        },
        (
            "Behind each box, count the open braces until none is left.",
            "Start with a depth of 1; add 1 for { and subtract 1 for }. At "
            "0 the box is complete. Keep the last complete one.",
        ),
    ),
    "3.10": Exercise(
        "A normaliser",
        normalise,
        TEXTS,
        {
            "The comma of a point must stay.": without_any_comma,
            "A number may have several commas: 1,250,000.": commas_once,
            "The commas between thousands are still there.": with_commas,
            "Your rule cut a piece out of a longer command: \\rightarrow "
            "begins with \\right.": cut_inside_commands,
            "Capital letters are different symbols; leave them.": lower_case,
            "\\dfrac is to become \\frac.": with_dfrac,
        },
        (
            "A comma between thousands stands behind a digit and before "
            "exactly three digits.",
            r"re.sub(r'(?<=\d),(?=\d{3}(?!\d))', '', text), and "
            r"r'\\(left|right)(?![a-z])' for the two commands.",
        ),
    ),
    "3.11": Exercise(
        "The most frequent answer",
        majority_accuracy,
        ANSWERS,
        {
            "This counts a problem if any answer is right, as pass@k "
            "does.": any_answer,
            "This is the mean accuracy of single answers.": mean_accuracy,
            "The most frequent answer need not have more than half of the "
            "answers.": more_than_half,
            "A missing answer (None) is no answer; leave it out.": none_counts,
            "You took the first answer of each problem.": first_answer,
        },
        (
            "For each problem, count how often each answer occurs, without "
            "None, and take the most frequent.",
            "Counter(a for a in row if a is not None).most_common(1)",
        ),
    ),
}
