"""The exercises of chapter 3 about measured numbers and their errors."""

import statistics
from math import comb, sqrt

from check import Exercise

Z = 1.96  # standard deviations on each side that hold 95 %

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

EXERCISES = {
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
}
