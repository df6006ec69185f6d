"""The exercises of chapter 7 on the pipeline and its price."""

import re
from statistics import fmean

import torch
from check import Exercise, tensor

# 7.1 What a lever adds -------------------------------------------------


def lever_gains(accuracy, lever):
    """{combination without the lever: what the lever adds to it}"""
    pairs = {
        rest: "".join(sorted(rest + lever))
        for rest in accuracy
        if lever not in rest
    }
    return {
        rest: accuracy[both] - accuracy[rest]
        for rest, both in pairs.items()
        if both in accuracy
    }


def gains_without_sorting(accuracy, lever):
    return {
        rest: accuracy[rest + lever] - accuracy[rest]
        for rest in accuracy
        if rest + lever in accuracy
    }


def change_gains(change):
    """A mistake: from the gain, the accuracy of the rest and the base's."""

    def mistaken(accuracy, lever):
        gains = lever_gains(accuracy, lever)
        return {
            rest: change(gain, accuracy[rest], accuracy[""])
            for rest, gain in gains.items()
        }

    return mistaken


TABLE = {"": 0.54, "D": 0.64, "G": 0.60, "S": 0.61, "DG": 0.65, "DS": 0.66}
TABLE |= {"GS": 0.64, "DGS": 0.66}
TABLES = (
    (TABLE, "D"),
    (TABLE, "S"),
    ({"": 0.5, "C": 0.6, "D": 0.64, "CD": 0.76, "CG": 0.7}, "C"),
)

# 7.3 Slips -------------------------------------------------------------

CALCULATION = r"(\d+)([+*-])(\d+)=(-?\d+)"


def count_slips(text, pattern=CALCULATION):
    """The number of calculations, and how many of them are wrong."""
    compute = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
    }
    found = re.findall(pattern, text)
    wrong = [
        compute[sign](int(first), int(second)) != int(result)
        for first, sign, second, result in found
    ]
    return len(wrong), sum(wrong)


def count_first_of_each_line(text):
    first = [re.search(CALCULATION, line) for line in text.split("\n")]
    return count_slips("\n".join(each[0] for each in first if each))


TEXTS = (
    ("2*22=44\n44-12=32",),
    ("36-35=11\n7*9=63\n63+11=74",),
    ("5-9=-4 8*10=81\n4-40=-36\n1+1=3",),
    ("There is nothing to compute.",),
)

# 7.4 The AUC within a problem ------------------------------------------


def auc_within(scores, labels, problems, tie=0.5):
    """The share of pairs of one problem that the right sample wins."""
    wins = [
        tie if right == wrong else float(right > wrong)
        for right, is_right, its_problem in zip(
            scores, labels, problems, strict=True
        )
        for wrong, is_other_right, other in zip(
            scores, labels, problems, strict=True
        )
        if is_right and not is_other_right and its_problem == other
    ]
    return fmean(wins)


def mean_of_aucs(scores, labels, problems):
    areas = []
    for problem in dict.fromkeys(problems):
        rows = [i for i, each in enumerate(problems) if each == problem]
        part = [[x[i] for i in rows] for x in (scores, labels, problems)]
        if len(set(part[1])) == 2:
            areas.append(auc_within(*part))
    return fmean(areas)


SAMPLES = (
    ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], ["a"] * 4),
    (
        [0.9, 0.8, 0.2, 0.3, 0.2, 0.1],
        [1, 0, 1, 0, 0, 0],
        ["a", "a", "b", "b", "b", "b"],
    ),
    (
        [0.5, 0.5, 0.7, 0.1, 0.6, 0.6],
        [1, 0, 0, 1, 1, 1],
        ["a", "a", "a", "b", "c", "c"],
    ),
)

# 7.5 The group length term ---------------------------------------------


def group_length_term(is_right, lengths, *, top=0.5, over=None):
    """Between 1/2 and -1/2 by length; nothing positive for wrong ones."""
    low, high = lengths.amin(1, keepdim=True), lengths.amax(1, keepdim=True)
    if over == "batch":
        low, high = lengths.amin(), lengths.amax()
    spread = high - low
    share = top - (lengths - low) / spread.clamp(min=1)
    share = torch.where(spread > 0, share, 0.0)
    return torch.where(is_right, share, share.clamp(max=0.0))


def unguarded_length_term(is_right, lengths):
    low, high = lengths.amin(1, keepdim=True), lengths.amax(1, keepdim=True)
    share = 0.5 - (lengths - low) / (high - low)
    return torch.where(is_right, share, share.clamp(max=0.0))


def all_right(is_right, lengths):
    return group_length_term(torch.ones_like(is_right), lengths)


GROUPS = (
    (tensor([1, 1, 0, 0]) > 0, tensor([10, 30, 20, 50])),
    (tensor([0, 1, 0], [1, 1, 0]) > 0, tensor([20, 25, 40], [60, 10, 35])),
    (tensor([1, 0, 1]) > 0, tensor([30, 30, 30])),
)

# 7.6 The coin ----------------------------------------------------------


def coin_accuracy(tokens, quick, slow):
    """Accuracy of a coin between two methods that costs so many tokens."""
    share = (tokens - quick[0]) / (slow[0] - quick[0])
    return quick[1] + share * (slow[1] - quick[1])


COINS = (
    (26.5, (9.0, 0.08), (44.0, 0.50)),
    (22.0, (10.0, 0.10), (40.0, 0.55)),
    (40.0, (10.0, 0.10), (40.0, 0.55)),
)

# 7.7 Two stages --------------------------------------------------------


def two_stages(
    first, second, threshold, *, first_is_free=False, always=False, sign=1
):
    """Accuracy and mean tokens when unsure answers are answered again."""
    right, tokens = [], []
    for (is_right, num, logprob), again in zip(first, second, strict=True):
        sure = sign * (logprob - threshold) >= 0
        right.append(is_right if sure else again[0])
        paid = [] if first_is_free and not sure else [num]
        tokens.append(sum(paid + [again[1]] * (always or not sure)))
    return fmean(right), fmean(tokens)


def sure_above(first, second, threshold):
    return two_stages(first, second, threshold + 1e-9)


def right_if_sure(first, second, threshold):
    pairs = [(is_right, 0) for is_right, *_ in first]
    _, tokens = two_stages(first, second, threshold)
    return two_stages(first, pairs, threshold)[0], tokens


STAGES = (
    (
        [(True, 30, -0.01), (False, 50, -0.2), (False, 40, -0.05)],
        [(True, 600), (True, 700), (False, 640)],
        -0.05,
    ),
    (
        [(False, 20, -0.3), (True, 10, -0.1), (True, 15, -0.4), (0, 9, -0.2)],
        [(True, 300), (False, 200), (False, 280), (True, 150)],
        -0.15,
    ),
)

EXERCISES = {
    "7.1": Exercise(
        "What one lever adds",
        lever_gains,
        TABLES,
        {
            "Each gain is compared with the base. Compare with the same "
            "combination without the lever.": change_gains(
                lambda gain, rest, base: rest + gain - base
            ),
            "This is the gain over the base only. The lever may add less, or "
            "more, to another combination.": lambda *case: {
                "": lever_gains(*case)[""]
            },
            "The letters of a combination are in alphabetical order: sort "
            "them.": gains_without_sorting,
            "These are ratios. Subtract the accuracies.": change_gains(
                lambda gain, rest, base: (rest + gain) / rest
            ),
            "The sign is wrong.": change_gains(lambda gain, rest, base: -gain),
        },
        (
            "Go through the combinations that do not contain the lever.",
            'accuracy["".join(sorted(rest + lever))] - accuracy[rest]',
        ),
    ),
    "7.3": Exercise(
        "Count the slips",
        count_slips,
        TEXTS,
        {
            "A result may be negative.": lambda text: count_slips(
                text, r"(\d+)([+*-])(\d+)=(\d+)"
            ),
            "Products are calculations, too.": lambda text: count_slips(
                text, r"(\d+)([+-])(\d+)=(-?\d+)"
            ),
            "A line may hold several calculations.": count_first_of_each_line,
            "The second number counts the right ones.": lambda text: (
                count_slips(text)[0],
                count_slips(text)[0] - count_slips(text)[1],
            ),
            "In a difference the second number is subtracted from the "
            "first.": lambda text: count_slips(
                re.sub(r"(\d+)-(\d+)=", r"\2-\1=", text)
            ),
        },
        (
            "re.findall with four groups finds number, sign, number, result.",
            r"the pattern is (\d+)([+*-])(\d+)=(-?\d+)",
        ),
        observe=lambda answer, text: [int(x) for x in answer(text)],
    ),
    "7.4": Exercise(
        "The AUC within a problem",
        auc_within,
        SAMPLES,
        {
            "These are all pairs. A pair counts only if both samples belong "
            "to one problem.": lambda scores, labels, problems: auc_within(
                scores, labels, [0] * len(problems)
            ),
            "Equal scores count one half; here they count "
            "nothing.": lambda *case: auc_within(*case, tie=0.0),
            "Equal scores count one half; here they count as "
            "won.": lambda *case: auc_within(*case, tie=1.0),
            "This is the mean of the problems' AUCs. Every pair counts the "
            "same, whatever its problem.": mean_of_aucs,
            "The right sample should have the higher score.": lambda *case: (
                1 - auc_within(*case)
            ),
        },
        (
            "Collect all pairs of a right and a wrong sample of one problem.",
            "1 if the right one scores higher, 1/2 if equal; take the mean.",
        ),
        observe=lambda answer, *case: float(answer(*case)),
    ),
    "7.5": Exercise(
        "The group length term",
        group_length_term,
        GROUPS,
        {
            "A wrong answer is rewarded for being short. Its term must not "
            "be positive.": all_right,
            "A wrong answer loses nothing for being long. Cut off positive "
            "values only.": lambda right, n: right * all_right(right, n),
            "Equal lengths give 0 divided by 0.": unguarded_length_term,
            "The sign is wrong: the shortest gets 1/2.": lambda right, n: (
                torch.where(
                    right,
                    -all_right(right, n),
                    -all_right(right, n).clamp(min=0.0),
                )
            ),
            "The term goes from 1/2 to -1/2, not from 1 to 0.": lambda *case: (
                group_length_term(*case, top=1.0)
            ),
            "Compare the lengths within a group (dim=1), not within the whole "
            "batch.": lambda *case: group_length_term(*case, over="batch"),
        },
        (
            "amin and amax with dim=1, keepdim=True give each group's ends.",
            "Where right: 1/2 - (n - low) / (high - low); else clamp(max=0).",
        ),
        observe=lambda answer, *case: answer(*case).double(),
    ),
    "7.6": Exercise(
        "The coin",
        coin_accuracy,
        COINS,
        {
            "The quick answers cost tokens, too: the share of slow answers "
            "is not tokens divided by slow tokens.": lambda n, quick, slow: (
                quick[1] + n / slow[0] * (slow[1] - quick[1])
            ),
            "The two shares are swapped.": lambda n, quick, slow: (
                coin_accuracy(quick[0] + slow[0] - n, quick, slow)
            ),
            "This is the share of slow answers. Turn it into an "
            "accuracy.": lambda n, quick, slow: coin_accuracy(
                n, (quick[0], 0.0), (slow[0], 1.0)
            ),
            "The other problems get the quick answer, which is sometimes "
            "right.": lambda n, quick, slow: coin_accuracy(
                n, (quick[0], 0.0), slow
            ),
        },
        (
            "The coin's share s solves s * slow + (1 - s) * quick = tokens.",
            "s = (tokens - quick[0]) / (slow[0] - quick[0])",
        ),
        observe=lambda answer, *case: float(answer(*case)),
    ),
    "7.7": Exercise(
        "Answer again when unsure",
        two_stages,
        STAGES,
        {
            "An unsure problem pays for both answers.": lambda *case: (
                two_stages(*case, first_is_free=True)
            ),
            "A sure problem does not pay for the second "
            "answer.": lambda *case: two_stages(*case, always=True),
            "An answer is sure if its log-probability is at least the "
            "threshold, not at most.": lambda *case: two_stages(
                *case, sign=-1
            ),
            "The threshold itself counts as sure.": sure_above,
            "The accuracy is that of the first answers.": right_if_sure,
            "These are sums. Divide by the number of "
            "problems.": lambda first, *case: tuple(
                len(first) * x for x in two_stages(first, *case)
            ),
        },
        (
            "Go through both lists together, with zip.",
            "Unsure: the second answer's verdict, and the tokens of both.",
        ),
        observe=lambda answer, *case: [float(x) for x in answer(*case)],
    ),
}
