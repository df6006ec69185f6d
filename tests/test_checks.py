"""The checks of the exercises: right answers pass, mistakes have names."""

import ast
import itertools
import json
import re
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
from test_notebooks import ROOT, code_cells, without_magics

from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.evaluation.grouping import group_answers
from reasoning_from_scratch.llm.quantization import dequantize, quantize
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


# A reader writes it in another way than the reference does: as the notebooks
# with solutions do, and here where those repeat the reference.


def solutions():
    """Exercise -> the answer that a notebook with solutions gives to check."""
    found = {}
    for path in sorted(ROOT.glob("*/*_solutions.ipynb")):
        names = {}
        for cell in code_cells(path):
            source = without_magics(cell.source)
            checked = re.findall(r'check\("([\d.]+)", (\w+)\)', source)
            for node in ast.parse(source).body:
                is_import = isinstance(node, ast.Import | ast.ImportFrom)
                if is_import or checked and isinstance(node, ast.FunctionDef):
                    exec(ast.unparse(node), names)
            found |= {number: names[name] for number, name in checked}
    return found


def completion_mask(token_ids, num_prompt_tokens, stop_id):
    is_stop = (token_ids == stop_id).long()
    is_stop[:num_prompt_tokens] = 0
    has_stopped = is_stop.cumsum(0) - is_stop > 0  # before this token
    return ~has_stopped & (torch.arange(len(is_stop)) >= num_prompt_tokens)


def pad_left(rows, pad_id):
    width = len(max(rows, key=len))
    padded = torch.full((len(rows), width), pad_id)
    mask = torch.zeros_like(padded)
    for index, row in enumerate(rows):
        padded[index, width - len(row) :] = torch.tensor(row)
        mask[index, width - len(row) :] = 1
    return padded.tolist(), mask.tolist()


def loss_mask(num_prompt, length, width):
    mask = torch.zeros(width, dtype=torch.bool)
    mask[num_prompt:length] = True
    return mask[1:]


def pass_at_k(num_samples, num_correct, k):
    is_right = [place < num_correct for place in range(num_samples)]
    chosen = list(itertools.combinations(is_right, k))
    return sum(map(any, chosen)) / len(chosen)


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
    "2.4": lambda m, n: m * n + n * (n - 1) // 2,
    "2.7": pad_left,
    "2.8": lambda row, bits: dequantize(*quantize(row[None], bits))[0],
    "3.4": lambda template, problem: problem.join(template.split("{problem}")),
    "3.8": pass_at_k,
    "4.3": lambda a: max(filter(None, a), key=a.count, default=None),
    "4.4": lambda answers, n: votes.is_decided(group_answers(answers), n),
    "5.5": lambda values, mask: values[mask].mean(),
    "5.6": completion_mask,
    "6.4": loss_mask,
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
SOLUTIONS = solutions()
ANSWERS = [*SOLUTIONS.items(), *SECOND_FORMULATIONS.items()]


@pytest.mark.parametrize(("number", "answer"), ANSWERS)
def test_a_right_answer_in_a_second_formulation_passes(number, answer):
    verdict = grade(EXERCISES[number], answer)
    assert verdict.is_right, verdict.message


def test_every_exercise_is_answered():
    assert SOLUTIONS.keys() | SECOND_FORMULATIONS.keys() == EXERCISES.keys()


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
    assert grade(DOUBLE, lambda x: tuple((2 * x).tolist())).is_right


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
