"""The exercises of chapter 3: right answers, known mistakes, hints."""

import random
import re
import statistics
from collections import Counter
from fractions import Fraction
from math import comb, sqrt

from check import Exercise

Z = 1.96  # standard deviations on each side that hold 95 %

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

# 3.2 Mean length -------------------------------------------------------


def mean_tokens(records, is_right):
    lengths = [r["num_tokens"] for r in records if r["correct"] == is_right]
    return sum(lengths) / len(lengths) if lengths else None


def mean_of_all(records, is_right):
    return mean_tokens([{**r, "correct": is_right} for r in records], is_right)


def mean_characters(records, is_right):
    lengths = [len(r["response"]) for r in records if r["correct"] == is_right]
    return sum(lengths) / len(lengths) if lengths else None


def divided_by_all(records, is_right):
    mean = mean_tokens(records, is_right)
    share = sum(r["correct"] == is_right for r in records) / len(records)
    return None if mean is None else mean * share


def median_tokens(records, is_right):
    lengths = [r["num_tokens"] for r in records if r["correct"] == is_right]
    return statistics.median(lengths) if lengths else None


def mean_of_levels(records, is_right):
    levels = {record["level"] for record in records}
    means = [
        mean_tokens([r for r in records if r["level"] == level], is_right)
        for level in levels
    ]
    known = [mean for mean in means if mean is not None]
    return sum(known) / len(known) if known else None


def record(level, correct, num_tokens, response):
    return {
        "level": level,
        "correct": correct,
        "num_tokens": num_tokens,
        "response": response,
    }


RECORDS = [
    record(1, True, 4, "2+3=5 in all"),
    record(1, True, 6, "so it is 7"),
    record(1, True, 14, "half of the twelve is six"),
    record(1, False, 9, "four"),
    record(2, True, 20, "the long way round to ten"),
    record(2, False, 31, "and so on and on and on"),
]

# 3.3 The interval ------------------------------------------------------


def wilson(num_correct, num_total):
    return interval(num_correct, num_total, Z)


def interval(num_correct, num_total, z):
    share = num_correct / num_total
    centre = share + z**2 / (2 * num_total)
    variance = share * (1 - share) / num_total + (z / (2 * num_total)) ** 2
    scale = 1 + z**2 / num_total
    half = z * sqrt(variance)
    return (centre - half) / scale, (centre + half) / scale


def textbook(num_correct, num_total):
    share = num_correct / num_total
    half = Z * sqrt(share * (1 - share) / num_total)
    return share - half, share + half


def one_error(num_correct, num_total):
    return interval(num_correct, num_total, 1.0)


def ninety_percent(num_correct, num_total):
    return interval(num_correct, num_total, 1.645)


def not_divided(num_correct, num_total):
    scale = 1 + Z**2 / num_total
    low, high = wilson(num_correct, num_total)
    return low * scale, high * scale


def in_percent(num_correct, num_total):
    low, high = wilson(num_correct, num_total)
    return 100 * low, 100 * high


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

# 3.5 The paired difference ---------------------------------------------


def paired(first, second):
    return mean_and_error([a - b for a, b in zip(first, second, strict=True)])


def mean_and_error(values):
    n = len(values)
    mean = sum(values) / n
    squares = sum((value - mean) ** 2 for value in values)
    return mean, sqrt(squares / (n * (n - 1)))


def unpaired(first, second):
    errors = mean_and_error(first)[1], mean_and_error(second)[1]
    return paired(first, second)[0], sqrt(sum(e**2 for e in errors))


def reversed_sign(first, second):
    return paired(second, first)


def standard_deviation(first, second):
    mean, error = paired(first, second)
    return mean, error * sqrt(len(first))


def divided_by_n(first, second):
    mean, error = paired(first, second)
    return mean, error * sqrt((len(first) - 1) / len(first))


def only_where_they_differ(first, second):
    pairs = [
        pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]
    ]
    return paired(*zip(*pairs, strict=True))


SCORES = (
    ([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]),
    ([1.0, 1.0, 0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]),
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

# 3.7 The error of clustered samples ------------------------------------


def clustered(scores):
    values = [score for row in scores for score in row]
    mean = sum(values) / len(values)
    sums = [sum(score - mean for score in row) for row in scores]
    return sqrt(sum(each**2 for each in sums)) / len(values)


def independent(scores):
    values = [score for row in scores for score in row]
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values)) / len(values)


def within_problems(scores):
    values = [score for row in scores for score in row]
    centred = [[s - sum(row) / len(row) for s in row] for row in scores]
    squares = sum(each**2 for row in centred for each in row)
    return sqrt(squares) / len(values)


def divided_by_problems(scores):
    num_samples = sum(map(len, scores))
    return clustered(scores) * num_samples / len(scores)


def root_is_missing(scores):
    return clustered(scores) ** 2


CLUSTERS = (
    ([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]],),
    ([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]],),
)

# 3.8 pass@k ------------------------------------------------------------


def pass_at_k(num_samples, num_correct, k):
    wrong = comb(num_samples - num_correct, k)
    return 1 - wrong / comb(num_samples, k)


def pass_at_k_biased(num_samples, num_correct, k):
    return 1 - (1 - num_correct / num_samples) ** k


def any_right(num_samples, num_correct, k):
    return float(num_correct > 0)


def share_right(num_samples, num_correct, k):
    return num_correct / num_samples


def share_times_k(num_samples, num_correct, k):
    return min(1.0, k * num_correct / num_samples)


def all_wrong(num_samples, num_correct, k):
    return 1 - pass_at_k(num_samples, num_correct, k)


def all_right(num_samples, num_correct, k):
    return comb(num_correct, k) / comb(num_samples, k)


COUNTS = ((4, 1, 2), (8, 3, 4), (5, 0, 3), (6, 5, 2), (10, 2, 1))

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
    "3.2": Exercise(
        "The length of right and wrong answers",
        mean_tokens,
        ((RECORDS, True), (RECORDS, False), (RECORDS[:3], False)),
        {
            "This is the mean over all records; use those whose verdict is "
            "is_right.": mean_of_all,
            "You counted characters. The number of tokens is in "
            "num_tokens.": mean_characters,
            "You divided by the number of all records.": divided_by_all,
            "This is the median; the mean is asked for.": median_tokens,
            "This is a mean of the levels' means. Every answer counts "
            "once.": mean_of_levels,
        },
        (
            "Select the records first, then divide the sum of their lengths "
            "by their number.",
            "[r['num_tokens'] for r in records if r['correct'] == is_right]; "
            "without any, return None.",
        ),
    ),
    "3.3": Exercise(
        "The interval of another or a larger problem set",
        wilson,
        ((8, 10), (10, 10), (0, 30), (268, 500)),
        {
            "This is the textbook interval, which has the width zero for 10 "
            "of 10.": textbook,
            "The width is that of one standard deviation; 95 % needs "
            "1.96.": one_error,
            "With 1.645 you get a 90 % interval.": ninety_percent,
            "The denominator 1 + z²/n is missing.": not_divided,
            "Return shares between 0 and 1, not percentages.": in_percent,
        },
        (
            "The two ends are the values of p at which the distance from "
            "the share is exactly 1.96 standard deviations.",
            "centre = share + z² / 2n, half = z * sqrt(share * (1 - share) "
            "/ n + z² / 4n²), and both are divided by 1 + z² / n.",
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
    "3.5": Exercise(
        "The paired difference and its error",
        paired,
        SCORES,
        {
            "This is the error without pairing. Take the differences "
            "first.": unpaired,
            "The sign is reversed: positive means that the first is "
            "better.": reversed_sign,
            "This is the standard deviation; the error of a mean is smaller "
            "by the root of n.": standard_deviation,
            "Divide by n(n - 1): the mean was estimated from the same "
            "numbers.": divided_by_n,
            "Problems on which both agree count as well, with the "
            "difference 0.": only_where_they_differ,
        },
        (
            "Make a list of differences, one per problem. Everything else "
            "follows from this list.",
            "sqrt(sum((d - mean)² for d in differences) / (n * (n - 1)))",
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
    "3.7": Exercise(
        "Samples are not problems",
        clustered,
        CLUSTERS,
        {
            "You treated the samples as independent. Add up the residuals "
            "of each problem before squaring.": independent,
            "The residuals are measured from the mean of all samples, not "
            "from the problem's own mean.": within_problems,
            "Divide by the number of all samples, not of "
            "problems.": divided_by_problems,
            "The square root is missing.": root_is_missing,
        },
        (
            "Find the mean of all samples first. Then give each problem one "
            "number: the sum of its residuals.",
            "sqrt(sum(r² for r in residual_sums)) / num_samples",
        ),
    ),
    "3.8": Exercise(
        "pass@k",
        pass_at_k,
        COUNTS,
        {
            "1 - (1 - c/n)^k is biased: its average is too low. Count the "
            "choices of k samples.": pass_at_k_biased,
            "This is pass@n: any of all samples. Only k of them are "
            "drawn.": any_right,
            "This is pass@1; k is not used.": share_right,
            "The probabilities of the samples cannot simply be "
            "added.": share_times_k,
            "This is the probability that all k are wrong.": all_wrong,
            "This asks that all k are right. One right sample is "
            "enough.": all_right,
        },
        (
            "How many ways are there to choose k of the wrong samples, and "
            "how many to choose k of all?",
            "1 - comb(n - c, k) / comb(n, k); comb is 0 if too few are left.",
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
