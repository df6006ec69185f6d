"""The exercises of chapter 6: right answers, known mistakes, hints."""

import math
from statistics import fmean, median

import torch
from check import Exercise, tensor, value_and_gradient

from reasoning_from_scratch.training.distillation_loss import (
    divergence,
    reverse_kl_surrogate,
    scaled_logprobs,
)


def floats(answer, *case):
    return [float(x) for x in answer(*case)]


# 6.1 How long the traces are -------------------------------------------


def mean_lengths(traces, statistic=fmean):
    groups = {}
    for level, is_right, num_tokens in traces:
        groups.setdefault((level, is_right), []).append(num_tokens)
    return {group: statistic(lengths) for group, lengths in groups.items()}


def lengths_of_level(traces):
    of = mean_lengths([(level, True, num) for level, _, num in traces])
    return {group: of[group[0], True] for group in mean_lengths(traces)}


def lengths_of_verdict(traces):
    of = mean_lengths([(0, is_right, num) for _, is_right, num in traces])
    return {group: of[0, group[1]] for group in mean_lengths(traces)}


TRACES = (
    ([(1, True, 40), (1, True, 50), (1, True, 90), (1, False, 30)],),
    ([(1, True, 40), (2, True, 70), (2, False, 60), (2, False, 80)],),
)

# 6.2 Thinking with and without tags ------------------------------------


def completion_text(thinking, response, mode):
    tagged = f"<think>{thinking}</think>"
    return {"tags": tagged, "plain": thinking, "none": ""}[mode] + response


MODES = [("2+3=5\n", " 5", mode) for mode in ("tags", "plain", "none")]

# 6.3 The filter --------------------------------------------------------


REASONS = "truncated", "wrong", "duplicate", "contaminated"


def keep_traces(traces, held_out, reasons=REASONS, most=1, space=" "):
    """The filter by some reasons, of which it counts so many for a trace."""
    counts, kept = dict.fromkeys(REASONS, 0), []
    held_out = [problem.replace(space, "") for problem in held_out]
    for trace in traces:
        problem, text, is_truncated, is_right = trace
        is_seen = (problem, text) in [each[:2] for each in kept]
        is_held_out = problem.replace(space, "") in held_out
        facts = is_truncated, not is_right, is_seen, is_held_out
        holding = [x for x, holds in zip(REASONS, facts, strict=True) if holds]
        holding = [reason for reason in holding if reason in reasons]
        for reason in holding[:most]:
            counts[reason] += 1
        if not holding:
            kept.append(trace)
    return kept, counts


def keep_one_per_problem(traces, held_out):
    kept, counts = keep_traces(traces, held_out)
    first = {each[0]: each for each in reversed(kept)}
    counts["duplicate"] += len(kept) - len(first)
    return [each for each in kept if first[each[0]] is each], counts


FILES = (
    (
        [
            *[("2 + 2?", "4", False, True)] * 2,
            ("2 + 2?", "2+2=4 4", False, True),
            ("3 + 3?", "7", False, False),
            ("7+7?", "14", False, True),
        ],
        ["7 + 7?"],
    ),
    ([("1 + 1?", "2", True, False), ("4 + 1?", "5", True, True)], []),
    ([("5 + 5?", "10", True, True), ("5 + 5?", "10", False, True)], []),
)

# 6.4 The loss mask -----------------------------------------------------


def loss_mask(num_prompt, length, width):
    """Width - 1 entries: whether column t predicts a learned token."""
    return [int(num_prompt <= t + 1 < length) for t in range(width - 1)]


ROWS = ((3, 5, 5), (1, 4, 6), (2, 6, 9))

# 6.5 Two means ---------------------------------------------------------


def two_means(losses, mask):
    """The mean over all learned tokens, and the mean of the rows' means."""
    pairs = zip(losses, mask, strict=True)
    rows = [row[is_learned].mean() for row, is_learned in pairs]
    return losses[mask].mean(), torch.stack(rows).mean()


LOSSES = (
    (tensor([2, 9, 9], [1, 1, 1]), tensor([1, 0, 0], [1, 1, 1]) > 0),
    (
        tensor([0.5, 0.1, 3.0, 0.2], [5.0, 0.4, 5.0, 5.0]),
        tensor([0, 1, 1, 1], [0, 1, 0, 0]) > 0,
    ),
)

# 6.7 Rejection sampling ------------------------------------------------


def one_right_sample(samples):
    """The first right sample of each problem, in order."""
    kept = {}
    for problem, text, is_right in samples:
        if is_right:
            kept.setdefault(problem, text)
    return list(kept.items())


def every_right_sample(samples):
    return [sample[:2] for sample in samples if sample[2]]


def first_sample_if_right(samples):
    first = {each[0]: each for each in reversed(samples)}
    return [each[:2] for each in samples if each[2] and first[each[0]] is each]


def one_sample_each(samples):
    first = dict(sample[:2] for sample in reversed(samples))
    right = dict(one_right_sample(samples))
    problems = dict.fromkeys(sample[0] for sample in samples)
    return [(each, right.get(each, first[each])) for each in problems]


SAMPLES = (
    ([("a", "1", False), ("a", "2", True), ("a", "3", True)],),
    ([("a", "1", True), ("a", "1", True), ("b", "5", False)],),
    ([("b", "4", True), ("a", "1", True), ("b", "6", True)],),
)

# 6.9 Forward and reverse KL --------------------------------------------


def kl(first, second):
    """Tokens of probability 0 in `first` add nothing."""
    used = first > 0
    return (first[used] * (first[used] / second[used]).log()).sum()


def both_kls(teacher, student):
    return kl(teacher, student), kl(student, teacher)


PAIRS = (
    (tensor(0.5, 0.5), tensor(0.25, 0.75)),
    (tensor(0.7, 0.2, 0.1), tensor(0.1, 0.3, 0.6)),
    (tensor(0.5, 0.5, 0.0), tensor(0.2, 0.4, 0.4)),
    (tensor(0.4, 0.6), tensor(1.0, 0.0)),
)

# 6.10 The temperature of the soft loss ---------------------------------


def soft_loss(student, teacher, temperature, *, factor=2, kind="forward"):
    rows = (scaled_logprobs(x, temperature) for x in (student, teacher))
    return temperature**factor * divergence(*rows, kind).mean()


STUDENT = tensor([0.3, 1.2, -0.5], [2.0, 0.0, 1.0])
TEACHER = tensor([1.0, 0.0, -1.0], [1.5, 0.5, 0.0])
SOFT = tuple((STUDENT, TEACHER, t) for t in (1.0, 2.0, 0.5))

# 6.11 The loss on one's own text ---------------------------------------


def own_text_loss(logprobs, teacher_logprobs):
    return reverse_kl_surrogate(logprobs, teacher_logprobs).mean()


DRAWN = (
    (tensor(-0.2, -1.5, -0.7), tensor(-0.1, -3.0, -0.7)),
    (tensor(-2.0, -0.4), tensor(-0.5, -0.4)),
)

EXERCISES = {
    "6.1": Exercise(
        "How long the traces are",
        mean_lengths,
        TRACES,
        {
            "Right and wrong traces are averaged together.": lengths_of_level,
            "The levels are averaged together.": lengths_of_verdict,
            "This is the median.": lambda rows: mean_lengths(rows, median),
            "These are sums, not means.": lambda rows: mean_lengths(rows, sum),
        },
        (
            "Collect the lengths by (level, is_right) in a dictionary.",
            "groups.setdefault((level, is_right), []).append(num_tokens)",
        ),
    ),
    "6.2": Exercise(
        "Thinking with and without tags",
        completion_text,
        MODES,
        {
            'In the mode "plain" there are no tags.': lambda t, r, mode: (
                completion_text(t, r, "none" if mode == "none" else "tags")
            ),
            'In the mode "none" there are no tags.': lambda t, r, mode: (
                completion_text("" if mode == "none" else t, r, "tags")
                if mode != "plain"
                else t + r
            ),
            "The closing tag is missing.": lambda *case: completion_text(
                *case
            ).replace("</think>", ""),
            "The response is missing behind the thinking.": lambda t, r, m: (
                completion_text(t, r if m == "none" else "", m)
            ),
            "The thinking comes before the response.": lambda t, r, mode: (
                r + completion_text(t, "", mode)
            ),
        },
        (
            "The response is always there; the mode decides what is before.",
            'f"<think>{thinking}</think>", or thinking, or ""; then response',
        ),
    ),
    "6.3": Exercise(
        "The filter",
        keep_traces,
        FILES,
        {
            "Count only the first reason of a trace.": lambda *case: (
                keep_traces(*case, most=4)
            ),
            "Wrong traces are kept.": lambda *case: keep_traces(
                *case, reasons=set(REASONS) - {"wrong"}
            ),
            "A held-out problem may have other spaces.": lambda *case: (
                keep_traces(*case, space="\n")
            ),
            "Two different texts for one problem are no duplicates. Compare "
            "problem and text.": keep_one_per_problem,
        },
        (
            "Go through the reasons in their order with if and elif.",
            "Remember (problem, text) in a set when you keep a trace.",
        ),
    ),
    "6.4": Exercise(
        "The loss mask",
        loss_mask,
        ROWS,
        {
            "The prompt is learned, too.": lambda s, n, w: loss_mask(0, n, w),
            "The end token is not learned, so the student would not learn to "
            "stop.": lambda s, n, w: loss_mask(s, n - 1, w),
            "The mask is one column too late: column t predicts token "
            "t + 1.": lambda s, n, w: loss_mask(s + 1, n + 1, w),
            "The mask is one column too early.": lambda s, n, w: loss_mask(
                s - 1, n - 1, w
            ),
            "The padding is learned.": lambda s, n, w: loss_mask(s, w, w),
            "The last token predicts nothing, so the mask has width - 1 "
            "columns.": lambda s, n, w: loss_mask(s + 1, n + 1, w + 1),
        },
        (
            "Column t is true if token t + 1 is learned.",
            "num_prompt <= t + 1 < length, for t in range(width - 1)",
        ),
        observe=lambda answer, *case: [int(x) for x in answer(*case)],
    ),
    "6.5": Exercise(
        "Two means",
        two_means,
        LOSSES,
        {
            "The two means are swapped.": lambda *case: two_means(*case)[::-1],
            "The padding counts, too. Use the mask.": lambda losses, mask: (
                (losses.mean(), losses.mean(dim=1).mean())
            ),
            "Divide the sum of a row by its learned tokens, not by the width "
            "of the batch.": lambda losses, mask: (
                (losses[mask].mean(), (losses * mask).mean())
            ),
            "The sum over all tokens is divided by the number of "
            "rows.": lambda losses, mask: (
                (losses[mask].sum() / len(mask), two_means(losses, mask)[1])
            ),
        },
        (
            "(losses * mask).sum(dim=1) are the sums of the rows.",
            "Divide these by mask.sum(dim=1), then take the mean.",
        ),
        observe=floats,
    ),
    "6.7": Exercise(
        "One right sample for each problem",
        one_right_sample,
        SAMPLES,
        {
            "All right samples are kept. Easy problems would fill the "
            "training data.": every_right_sample,
            "Only equal texts are dropped.": lambda samples: list(
                dict.fromkeys(every_right_sample(samples))
            ),
            "A problem is given up when its first sample is wrong. Look for "
            "the first right one.": first_sample_if_right,
            "This is the last right sample of each problem.": lambda rows: (
                list(dict(every_right_sample(rows)).items())
            ),
            "Unsolved problems get a wrong sample.": one_sample_each,
        },
        (
            "A dictionary from problem to text holds one text per problem.",
            "If the sample is right: kept.setdefault(problem, text).",
        ),
        observe=lambda answer, *case: [tuple(x) for x in answer(*case)],
    ),
    "6.9": Exercise(
        "Forward and reverse KL",
        both_kls,
        PAIRS,
        {
            "The two are swapped: the forward KL weighs by the teacher's "
            "probabilities.": lambda *pair: both_kls(*pair)[::-1],
            "This is in bits.": lambda *p: [
                x / math.log(2) for x in both_kls(*p)
            ],
            "No KL is negative.": lambda *pair: [-x for x in both_kls(*pair)],
            "A token of weight 0 gives 0 log 0, which is nan in PyTorch. It "
            "must add nothing.": lambda p, q: (
                ((p * (p / q).log()).sum(), (q * (q / p).log()).sum())
            ),
            "The reverse KL is not minus the forward KL; its weights are "
            "the student's.": lambda *pair: (kl(*pair), -kl(*pair)),
        },
        (
            "Write one function kl(p, q) and call it twice.",
            "used = p > 0, then (p[used] * (p[used] / q[used]).log()).sum()",
        ),
        observe=floats,
    ),
    "6.10": Exercise(
        "The temperature of the soft loss",
        soft_loss,
        SOFT,
        {
            "The factor T² is missing.": lambda *case: soft_loss(
                *case, factor=0
            ),
            "The factor is T squared.": lambda *case: soft_loss(
                *case, factor=1
            ),
            "Only the teacher's logits are divided by the temperature. "
            "Divide both.": lambda student, teacher, t: (
                t**2 * soft_loss(student, teacher / t, 1.0)
            ),
            "The logits are multiplied by the temperature; they are divided "
            "by it.": lambda student, teacher, t: (
                t**4 * soft_loss(student, teacher, 1 / t)
            ),
            "This is the reverse KL.": lambda *case: soft_loss(
                *case, kind="reverse"
            ),
            "This is the sum over the tokens.": lambda *case: (
                len(case[0]) * soft_loss(*case)
            ),
        },
        (
            "The forward KL of two log_softmax(logits / temperature).",
            "T**2 * (t.exp() * (t - s)).sum(-1).mean(), of log-probabilities",
        ),
        observe=value_and_gradient,
    ),
    "6.11": Exercise(
        "The loss on the student's own text",
        own_text_loss,
        DRAWN,
        {
            "The sign is wrong.": lambda *case: -own_text_loss(*case),
            "The advantage must be a constant: call "
            "detach().": lambda own, teacher: -((teacher - own) * own).mean(),
            "The advantages are missing. Without them, every drawn token "
            "gets more likely.": lambda own, teacher: -own.mean(),
            "The advantage is the teacher's log-probability minus the "
            "student's.": lambda own, teacher: -(teacher * own).mean(),
            "Multiply each advantage by the student's "
            "log-probability.": lambda own, teacher: -(teacher - own).mean(),
        },
        (
            "The advantage is teacher_logprobs - logprobs.",
            "-((teacher_logprobs - logprobs).detach() * logprobs).mean()",
        ),
        observe=value_and_gradient,
    ),
}
