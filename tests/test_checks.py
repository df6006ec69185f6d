"""The checks of the exercises: right answers pass, mistakes have names."""

import itertools
import json
import re
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from math import comb
from statistics import fmean

import pytest
import torch
import torch.nn.functional as F
from check import (
    Exercise,
    Verdict,
    check,
    grade,
    hint,
    load_exercises,
    outcomes,
    read_progress,
)

from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.evaluation.grouping import group_answers
from reasoning_from_scratch.llm.quantization import dequantize, quantize
from reasoning_from_scratch.llm.sampling import (
    filter_min_p,
    filter_top_p,
    scale_by_temperature,
)
from reasoning_from_scratch.scaling import votes
from reasoning_from_scratch.scaling.calculator import calculate
from reasoning_from_scratch.training import learned_verifier, rewards

EXERCISES = load_exercises()
MISTAKES = [
    (number, sentence)
    for number, exercise in EXERCISES.items()
    for sentence in exercise.mistakes
]


@pytest.fixture(autouse=True)
def _own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("RFS_RUNS", str(tmp_path / "runs"))


@pytest.mark.parametrize("number", EXERCISES)
def test_the_reference_is_right_and_has_hints(number):
    exercise = EXERCISES[number]
    results = outcomes(exercise, exercise.reference)
    assert not any(isinstance(each, TypeError) for each in results)
    assert grade(exercise, exercise.reference).is_right
    assert len(exercise.hints) >= 2 and exercise.mistakes


@pytest.mark.parametrize(("number", "sentence"), MISTAKES)
def test_a_known_mistake_is_told_by_its_name(number, sentence):
    exercise = EXERCISES[number]
    verdict = grade(exercise, exercise.mistakes[sentence])
    assert verdict == Verdict(False, f"not yet. {sentence}")


# A reader writes it in another way than the reference does.


def advantages(rewards):
    rows = []
    for row in rewards:
        deviation = (row - row.mean()).square().sum() / (len(row) - 1)
        rows.append((row - row.mean()) / (deviation.sqrt() + 1e-4))
    return torch.stack(rows)


def clipped_loss(ratio, advantages, epsilon):
    bound = torch.where(advantages > 0, 1 + epsilon, 1 - epsilon)
    is_beyond = torch.where(advantages > 0, ratio > bound, ratio < bound)
    return -(torch.where(is_beyond, bound, ratio) * advantages).mean()


def completion_mask(token_ids, num_prompt_tokens, stop_id):
    is_stop = (token_ids == stop_id).long()
    is_stop[:num_prompt_tokens] = 0
    has_stopped = is_stop.cumsum(0) - is_stop > 0  # before this token
    return ~has_stopped & (torch.arange(len(is_stop)) >= num_prompt_tokens)


def kept_tokens(logits, temperature, top_p):
    values, order = (logits / temperature).softmax(0).sort(descending=True)
    return order[values.cumsum(0) - values < top_p].tolist()


def write(next_token, prompt_ids, max_new_tokens, stop_ids):
    new = []
    while len(new) < max_new_tokens and not set(new) & set(stop_ids):
        new.append(next_token([*prompt_ids, *new]))
    return new


def pad_left(rows, pad_id):
    width = len(max(rows, key=len))
    padded = torch.full((len(rows), width), pad_id)
    mask = torch.zeros_like(padded)
    for index, row in enumerate(rows):
        padded[index, width - len(row) :] = torch.tensor(row)
        mask[index, width - len(row) :] = 1
    return padded.tolist(), mask.tolist()


def trace_lengths(traces):
    found = {}
    for group in {each[:2] for each in traces}:
        lengths = [each[2] for each in traces if each[:2] == group]
        found[group] = sum(lengths) / len(lengths)
    return found


def text_of_completion(thinking, response, mode):
    if mode == "none":
        return response
    opened, closed = ("<think>", "</think>") if mode == "tags" else ("", "")
    return "".join([opened, thinking, closed, response])


def keep_traces(traces, held_out):
    held_out = {problem.replace(" ", "") for problem in held_out}
    counts = dict.fromkeys(
        ("truncated", "wrong", "duplicate", "contaminated"), 0
    )
    kept, seen = [], set()
    for trace in traces:
        problem, text, is_truncated, is_right = trace
        if is_truncated:
            counts["truncated"] += 1
        elif not is_right:
            counts["wrong"] += 1
        elif (problem, text) in seen:
            counts["duplicate"] += 1
        elif problem.replace(" ", "") in held_out:
            counts["contaminated"] += 1
        else:
            seen.add((problem, text))
            kept.append(trace)
    return kept, counts


def loss_mask(num_prompt, length, width):
    mask = torch.zeros(width, dtype=torch.bool)
    mask[num_prompt:length] = True
    return mask[1:]


def two_means(losses, mask):
    of_rows = (losses * mask).sum(dim=1) / mask.sum(dim=1)
    return (losses * mask).sum() / mask.sum(), of_rows.mean()


def one_right_sample(samples):
    kept, done = [], set()
    for problem, text, is_right in samples:
        if is_right and problem not in done:
            kept.append((problem, text))
            done.add(problem)
    return kept


def both_kls(teacher, student):
    return [
        (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()
        for p, q in ((teacher, student), (student, teacher))
    ]


def soft_loss(student, teacher, temperature):
    return temperature**2 * F.kl_div(
        (student / temperature).log_softmax(-1),
        (teacher / temperature).softmax(-1),
        reduction="batchmean",
    )


def own_text_loss(logprobs, teacher_logprobs):
    with torch.no_grad():
        advantages = teacher_logprobs - logprobs
    return -advantages @ logprobs / len(logprobs)


def equal_numbers(first, second):
    values = []
    for text in (first, second):
        parts = [*text.split("/"), "1"][:2]
        try:
            above, below = map(Decimal, parts)
        except InvalidOperation:
            return False
        if below == 0:
            return False
        values.append((above, below))
    (a, b), (c, d) = values
    return a * d == c * b


def mean_tokens(records, is_right):
    chosen = [r["num_tokens"] for r in records if r["correct"] is is_right]
    return fmean(chosen) if chosen else None


def wilson(num_correct, num_total):
    share = num_correct / num_total

    def is_kept(p):
        return abs(share - p) <= 1.96 * (p * (1 - p) / num_total) ** 0.5

    ends = []
    for beyond in (0.0, 1.0):
        kept = share
        if is_kept(beyond):
            kept = beyond
        for _ in range(60):
            middle = (kept + beyond) / 2
            kept, beyond = (
                (middle, beyond) if is_kept(middle) else (kept, middle)
            )
        ends.append(kept)
    return ends


def paired(first, second):
    differences = torch.tensor(first) - torch.tensor(second)
    return differences.mean(), differences.std() / len(first) ** 0.5


def clustered(scores):
    scores = torch.tensor(scores)
    sums = (scores - scores.mean()).sum(dim=1)
    return sums.square().sum().sqrt() / scores.numel()


def pass_at_k(num_samples, num_correct, k):
    is_right = [place < num_correct for place in range(num_samples)]
    chosen = list(itertools.combinations(is_right, k))
    return sum(map(any, chosen)) / len(chosen)


def last_box(text):
    found, starts = None, []
    for match in re.finditer(r"\\boxed\{|[{}]", text):
        if match[0] != "}":
            starts.append((match.end(), match[0] != "{"))
        elif starts:
            start, is_box = starts.pop()
            found = text[start : match.start()] if is_box else found
    return found


def normalise(text):
    for old, new in (
        (r"\s|\$", ""),
        (r"\\(left|right)\b", ""),
        (r"\\[dt]frac", r"\\frac"),
    ):
        text = re.sub(old, new, text)
    while match := re.search(r"(\d),(\d\d\d)(\D|$)", text):
        text = text.replace(match[0], match[1] + match[2] + match[3])
    return text


def majority_accuracy(answers, references):
    right = 0
    for row, reference in zip(answers, references, strict=True):
        given = [answer for answer in row if answer]
        right += max(given, key=given.count) == reference
    return right / len(references)


def turn(x, position, theta):
    half = len(x) // 2
    angles = [position * theta ** (-2 * i / len(x)) for i in range(half)]
    rotation = torch.polar(torch.ones(half), torch.tensor(angles))
    turned = torch.complex(*x.chunk(2)) * rotation
    return torch.cat([turned.real, turned.imag])


def shares(queries, keys):
    scores = torch.einsum("qd,kd->qk", queries, keys)
    powers = (scores / queries[0].numel() ** 0.5).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def rms_norm(x, weight, eps):
    wide = F.rms_norm(x.float(), weight.shape, weight.float(), eps)
    return wide.to(x.dtype)


def refine(draft, revisions):
    for revision in revisions:
        if revision[0] is None or not revision[1] > draft[1]:
            return draft[0]
        if revision[0] == draft[0]:
            return draft[0]
        draft = revision
    return draft[0]


def positions_kept(logits):
    return [i for i, x in enumerate(logits.tolist()) if x > float("-inf")]


def pass_at(n, num_samples, num_right):
    all_wrong = 1.0
    for drawn in range(n):  # one sample after another, none twice
        all_wrong *= max(0, num_samples - num_right - drawn)
        all_wrong /= num_samples - drawn
    return 1 - all_wrong


def lever_gains(accuracy, lever):
    table = {frozenset(key): value for key, value in accuracy.items()}
    return {
        key: table[frozenset(key + lever)] - value
        for key, value in accuracy.items()
        if frozenset(key + lever) in table and lever not in key
    }


def count_slips(text):
    pairs = re.findall(r"(\S+)=(\S+)", text)
    wrong = [calculate(left) != int(right) for left, right in pairs]
    return len(wrong), sum(wrong)


def two_stages(first, second, threshold):
    total = right = 0
    for one, two in zip(first, second, strict=True):
        used = [one] if one[2] >= threshold else [one, two]
        total += sum(each[1] for each in used)
        right += used[-1][0]
    return right / len(first), total / len(first)


def binomial(n, k, p):
    return comb(n, k) * p**k * (1 - p) ** (n - k)


def format_bonus(text, is_right):
    form = r"[^<]*<think>[^<]*</think>[^<]*\\boxed\{[^<]*"
    return 0.5 if is_right and re.fullmatch(form, text) else 0.0


SECOND_FORMULATIONS = {
    "C.1": rms_norm,
    "C.2": turn,
    "C.3": lambda m, n: torch.arange(n) <= torch.arange(n - m, n)[:, None],
    "C.4": shares,
    "C.5": lambda keys, n: torch.stack(
        [keys[head * len(keys) // n] for head in range(n)]
    ),
    "C.6": lambda x, gate, up, down: F.linear(
        F.silu(F.linear(x, gate)) * F.linear(x, up), down
    ),
    "2.1": lambda encode, text: 1 / (len(text) / len(encode(text))),
    "2.2": lambda a, b: next(
        (i for i, (x, y) in enumerate(zip_longest(a, b)) if x != y), None
    ),
    "2.3": kept_tokens,
    "2.4": lambda m, n: m * n + n * (n - 1) // 2,
    "2.6": write,
    "2.7": pad_left,
    "2.8": lambda row, bits: dequantize(*quantize(row[None], bits))[0],
    "3.1": equal_numbers,
    "3.2": mean_tokens,
    "3.3": wilson,
    "3.4": lambda template, problem: problem.join(template.split("{problem}")),
    "3.5": paired,
    "3.6": lambda rows: int(torch.tensor([fmean(r) for r in rows]).argmax()),
    "3.7": clustered,
    "3.8": pass_at_k,
    "3.9": last_box,
    "3.10": normalise,
    "3.11": majority_accuracy,
    "4.2": lambda logits, temperature, top_p: filter_top_p(
        scale_by_temperature(logits[None], temperature), top_p
    ).softmax(-1)[0],
    "4.3": lambda answers: max(
        filter(None, answers), key=answers.count, default=None
    ),
    "4.4": lambda answers, n: votes.is_decided(group_answers(answers), n),
    "4.5": lambda answers, scores: max(
        (answers.count(a), s, a)
        for a, s in zip(answers, scores, strict=True)
        if a is not None
    )[-1],
    "4.6": lambda logprobs: max(
        range(len(logprobs)),
        key=lambda i: sum(logprobs[i]) / len(logprobs[i]),
    ),
    "4.7": refine,
    "4.8": lambda logits, min_p: positions_kept(filter_min_p(logits, min_p)),
    "4.9": pass_at,
    "5.1": advantages,
    "5.2": lambda r: r - (r.sum(1, keepdim=True) - r) / (r.shape[1] - 1),
    "5.3": clipped_loss,
    "5.4": lambda p, q: ((q - p).expm1() - (q - p)).sum() / len(p),
    "5.5": lambda values, mask: values[mask].mean(),
    "5.6": completion_mask,
    "5.7": lambda logits, ids, start: (
        -F.cross_entropy(logits[start - 1 : -1], ids[start:], reduction="sum")
    ),
    "6.1": trace_lengths,
    "6.2": text_of_completion,
    "6.3": keep_traces,
    "6.4": loss_mask,
    "6.5": two_means,
    "6.7": one_right_sample,
    "6.9": both_kls,
    "6.10": soft_loss,
    "6.11": own_text_loss,
    "7.1": lever_gains,
    "7.3": count_slips,
    "7.4": learned_verifier.auc_within,
    "7.5": rewards.group_length_term,
    "7.6": lambda n, quick, slow: (
        (quick[1] * (slow[0] - n) + slow[1] * (n - quick[0]))
        / (slow[0] - quick[0])
    ),
    "7.7": two_stages,
    "7.8": lambda rates, size: fmean(
        1 - sum(binomial(size, k, p) for k in range(1, size)) for p in rates
    ),
    "7.9": lambda ratio, advantages, low, high: (
        sum(
            r > 1 + high if a > 0 else r < 1 - low
            for r, a in zip(ratio, advantages, strict=True)
        )
        / len(ratio)
    ),
    "7.11": lambda new, old, mask: torch.stack(
        [
            (p - q)[is_token].exp().prod() ** (1 / is_token.sum())
            for p, q, is_token in zip(new, old, mask, strict=True)
        ]
    ),
    "7.12": format_bonus,
}


@pytest.mark.parametrize("number", SECOND_FORMULATIONS)
def test_a_right_answer_in_a_second_formulation_passes(number):
    verdict = grade(EXERCISES[number], SECOND_FORMULATIONS[number])
    assert verdict.is_right, verdict.message


DOUBLE = Exercise(
    "Double it",
    lambda values: 2 * values,
    ((torch.tensor([1.0, 2.0]),), (torch.tensor([0.5]),)),
    {"This is the square.": lambda values: values.square()},
)
NUMBER = Exercise("How many?", 12, mistakes={"The prompt counts.": 10})


def unwritten(values):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("exercise", "answer", "message"),
    [
        (DOUBLE, unwritten, "not written yet"),
        (DOUBLE, lambda x: x.mul_(2), "changed its argument in place"),
        (DOUBLE, lambda x: x / 0, "returns tensor([inf, inf])"),
        (DOUBLE, lambda x: x[0], "shape (), and a tensor of shape (2,)"),
        (DOUBLE, lambda x: None, "it returns None"),
        (DOUBLE, lambda x: x.nonsense, "stops with AttributeError"),
        (DOUBLE, lambda: 3, "stops with TypeError"),
        (DOUBLE, 7, "a function is asked for, got 7"),
        (DOUBLE, torch.square, "This is the square."),
        (NUMBER, 10, "not yet. The prompt counts."),
        (NUMBER, True, "not yet"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(exercise, answer, message):
    verdict = grade(exercise, answer)
    assert not verdict.is_right and message in verdict.message
    assert grade(NUMBER, 12).is_right


def test_progress_is_kept_and_a_right_answer_stays_right(capsys):
    check("5.5", SECOND_FORMULATIONS["5.5"])
    check("5.5", lambda values, mask: values.mean())
    check("5.7", unwritten)
    assert read_progress() == {"5.5": "right", "5.7": "tried"}
    assert "Exercise 5.5: right in all 2 cases." in capsys.readouterr().out


def test_an_unknown_exercise_names_those_of_its_chapter():
    with pytest.raises(ValueError, match=r"no exercise '5.99'.*5.1, 5.2"):
        check("5.99", 3)


def test_hints_come_in_steps(capsys):
    hint("5.2")
    hint("5.2", 2)
    first, second = capsys.readouterr().out.splitlines()
    assert "hint('5.2', 2) says more" in first
    assert "(n - 1)" in second
    with pytest.raises(ValueError, match="hints 1 to 2, got 3"):
        hint("5.2", 3)


def test_rfs_check_runs_a_notebook_and_shows_the_progress(tmp_path, capsys):
    cells = [
        "%matplotlib inline\nfrom check import *",
        "1 / 0",
        "check('5.5', lambda values, mask: values[mask].mean())",
    ]
    path = tmp_path / "mine.ipynb"
    rows = [{"cell_type": "code", "source": [cell]} for cell in cells]
    path.write_text(json.dumps({"cells": rows}), encoding="utf-8")
    assert main(["check", str(path)]) == 0
    told = capsys.readouterr().out
    assert "cell 1 stopped with ZeroDivisionError" in told
    assert "  5.5  right  The mean over the tokens of a batch" in told
    assert f"1 of {len(EXERCISES)} exercises right" in told
