"""Training a verifier: a small head learns to tell right from wrong samples.

The samples are traces, right and wrong; the model that reads them stays as it
is. What the head is good for is measured by the AUC: the chance that it ranks
a right sample above a wrong one, over all pairs and over those of one problem,
which alone matter to best-of-n. How it is used: `scaling.choosing`.

Source: Cobbe et al. 2021 (arXiv 2110.14168).
"""

import random
from collections import Counter, defaultdict
from statistics import NormalDist

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.files import atomic_folder, save_state
from reasoning_from_scratch.scaling.choosing import (
    HEAD,
    head_logits,
    solution_features,
)

from .config import VerifierConfig

BOOTSTRAP = 200  # resamples of problems behind an interval
Z = NormalDist().inv_cdf(0.975)
FIXED = ("mean", "scale")  # of a head: seen once, not trained


def refuse_single_samples(traces, source):
    """Refuse traces that leave a verifier nothing to choose from."""
    counts = Counter(problem_of(trace) for trace in traces)
    if max(counts.values(), default=0) < 2:
        raise ValueError(
            f"{source} holds one sample for each problem, and a verifier "
            "chooses among several; draw them with rfs teach --samples 8 "
            "--temperature 0.7"
        )


def problem_of(trace):
    return trace.id.rpartition("#")[0]


def trace_features(model, tokenizer, traces):
    """Features and labels of traces, (traces, features) and (traces,)."""
    prompts = [
        render_prompt(trace.prompt, trace.problem, tokenizer)
        for trace in traces
    ]
    texts = [trace.text for trace in traces]
    labels = torch.tensor([float(trace.correct) for trace in traces])
    return solution_features(model, tokenizer, prompts, texts), labels


def train_head(features, labels, config=None):
    """Fit the head by AdamW on the cross-entropy of right and wrong.

    `features` are (samples, features) float32, `labels` (samples,) 1.0 for
    right; `config` is a `VerifierConfig`. Returns (head, losses): for
    `head_logits`, and the mean loss of every epoch. ValueError where all
    samples are right, or all wrong.
    """
    config = config or VerifierConfig()
    if labels.min() == labels.max():
        raise ValueError(
            "a verifier needs right and wrong samples, these are all alike; "
            "take a model that is sometimes right, or another temperature"
        )
    generator = torch.Generator().manual_seed(config.seed)
    head = new_head(features, config.units, generator)
    trained = [head[n].requires_grad_() for n in head if n not in FIXED]
    optimizer = torch.optim.AdamW(
        trained, config.learning_rate, weight_decay=config.weight_decay
    )
    losses = []
    for _ in range(config.epochs):
        order = torch.randperm(len(labels), generator=generator)
        total = 0.0
        for batch in order.split(config.batch_size):
            logits = head_logits(head, features[batch])
            loss = binary_cross_entropy_with_logits(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(batch)
        losses.append(total / len(labels))
    return {name: value.detach() for name, value in head.items()}, losses


def new_head(features, units, generator):
    """An untrained head that knows the features' means and scales."""
    num_features = features.shape[1]
    inner = torch.randn(num_features, units, generator=generator)
    return {
        "mean": features.mean(dim=0),
        "scale": features.std(dim=0).clamp(min=1e-3),
        "inner": inner / num_features**0.5,
        "inner_bias": torch.zeros(units),
        "outer": torch.zeros(units),
        "outer_bias": torch.zeros(()),
    }


def auc(scores, labels):
    """The chance that a right sample scores above a wrong one; ties half.

    `scores` and `labels`, 1 for right, are lists of one length. None where
    all labels are alike. Source: Hanley and McNeil 1982.

    >>> auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    num_right = sum(labels)
    num_wrong = len(labels) - num_right
    if not num_right or not num_wrong:
        return None
    wins, num_below = 0.0, 0  # wrong samples of lower scores
    by_score = defaultdict(lambda: [0, 0])
    for score, label in zip(scores, labels, strict=True):
        by_score[score][int(label)] += 1
    for _, (wrong, right) in sorted(by_score.items()):
        wins += right * (num_below + wrong / 2)
        num_below += wrong
    return wins / (num_right * num_wrong)


def auc_within(scores, labels, groups):
    """The AUC over pairs of samples of one problem, pooled over problems."""
    wins = pairs = 0.0
    for rows in _rows_of(groups).values():
        part = [labels[row] for row in rows]
        area = auc([scores[row] for row in rows], part)
        if area is not None:
            num_pairs = sum(part) * (len(part) - sum(part))
            wins, pairs = wins + area * num_pairs, pairs + num_pairs
    return wins / pairs if pairs else None


def _rows_of(groups):
    """Group -> the places where it stands."""
    rows = defaultdict(list)
    for row, group in enumerate(groups):
        rows[group].append(row)
    return rows


def auc_report(scores, labels, groups):
    """Both AUCs with 95 % intervals from resampled problems (`groups`)."""

    def measure(picked):  # pairs of the number of a problem and a row
        part = [scores[row] for _, row in picked]
        truth = [labels[row] for _, row in picked]
        within = auc_within(part, truth, [number for number, _ in picked])
        return {"auc": auc(part, truth), "within": within}

    rows, rng = _rows_of(groups), random.Random(0)
    resampled = []
    for _ in range(BOOTSTRAP):
        drawn = enumerate(rng.choices(sorted(rows), k=len(rows)))
        resampled.append(
            measure([(n, row) for n, name in drawn for row in rows[name]])
        )
    report = measure([(name, row) for row, name in enumerate(groups)])
    for name, value in list(report.items()):
        values = [each[name] for each in resampled]
        known = torch.tensor([x for x in values if x is not None])
        margin = Z * float(known.std()) if len(known) > 1 else 0.0
        report[f"{name}_low"] = value and value - margin
        report[f"{name}_high"] = value and value + margin
    return report


def measure_head(head, traces, features, labels):
    """How well the head, and the mean log-probability, rank unseen traces."""
    problems, truth = list(map(problem_of, traces)), labels.int().tolist()
    scores = {
        "verifier": head_logits(head, features).tolist(),
        "mean_logprob": features[:, -2].tolist(),
    }
    return {"num_samples": len(traces)} | {
        name: auc_report(values, truth, problems)
        for name, values in scores.items()
    }


def save_head(head, folder):
    """Write the head into a run folder, all or nothing."""
    with atomic_folder(folder / HEAD) as path:
        save_state(path, head)
