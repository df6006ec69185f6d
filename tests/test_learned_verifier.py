"""The learned verifier: what it reads, learns, measures and chooses."""

import random

import pytest
import torch
from commands import open_run, rfs, trace_of, write_rows
from tiny import ByteTokenizer, tiny_model, write_verifier

from reasoning_from_scratch.evaluation import Problem, load_problems
from reasoning_from_scratch.llm.logprobs import token_logprobs
from reasoning_from_scratch.scaling import METHODS, choosing
from reasoning_from_scratch.scaling.samples import Sample
from reasoning_from_scratch.training.learned_verifier import (
    VerifierConfig,
    auc,
    auc_report,
    auc_within,
    train_head,
)

TOKENIZER = ByteTokenizer()
HIDDEN = 32  # of the tiny model


def test_the_features_are_those_of_the_completion_alone():
    model = tiny_model()
    prompts, texts = ["2+3=", "bcd", "ef"], ["5 so", "7", ""]
    rows = choosing.solution_features(model, TOKENIZER, prompts, texts)
    token_ids = torch.tensor([TOKENIZER.encode(prompts[0] + texts[0])])
    with torch.inference_mode():
        hidden = model.hidden_states(token_ids)[0, 4:]  # of "5 so"
        before = model.hidden_states(token_ids)[0, 3:-1]
        logprobs = token_logprobs(model, token_ids)[0, 3:]
    least = before[int(logprobs.argmin())]
    means = torch.stack([logprobs.mean(), logprobs.min()])
    expected = torch.cat([hidden.mean(0), hidden[-1], least, means])
    close = {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(rows[0], expected, **close)
    for row, prompt, text in zip(rows, prompts, texts, strict=True):
        (alone,) = choosing.solution_features(
            model, TOKENIZER, [prompt], [text]
        )
        torch.testing.assert_close(row, alone, **close)


def noisy_labels(num=600, seed=0):
    """Features of which the first, doubled, is the logit of the label."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(num, 6, generator=generator)
    chance = torch.sigmoid(2 * features[:, 0])
    labels = (torch.rand(num, generator=generator) < chance).float()
    return features, labels


def test_the_head_learns_which_feature_tells_right_from_wrong():
    head, losses = train_head(*noisy_labels(), VerifierConfig(epochs=30))
    features, labels = noisy_labels(seed=1)
    scores = choosing.head_logits(head, features).tolist()
    best = auc(features[:, 0].tolist(), labels.int().tolist())
    assert auc(scores, labels.int().tolist()) > best - 0.03
    assert losses[-1] < losses[0]
    # It repeats by seed and needs right and wrong samples
    first, second, other = (
        train_head(*noisy_labels(), VerifierConfig(epochs=2, seed=seed))
        for seed in (0, 0, 1)
    )
    assert first[1] == second[1]
    assert all(torch.equal(first[0][n], second[0][n]) for n in first[0])
    assert not torch.equal(first[0]["inner"], other[0]["inner"])
    with pytest.raises(ValueError, match="right and wrong samples"):
        train_head(noisy_labels(10)[0], torch.ones(10))


def test_the_auc_counts_pairs_and_its_interval_holds_chance():
    # Right samples 3 and 1, wrong ones 2 and 1: 3>2, 3>1, 1<2, 1=1
    assert auc([3, 1, 2, 1], [1, 1, 0, 0]) == 2.5 / 4
    assert auc([1, 2], [1, 1]) is None
    # Of one problem alone, a: the right one above; b: below; c: no pair
    scores, labels = [9, 8, 1, 2, 5], [1, 0, 1, 0, 1]
    assert auc_within(scores, labels, list("aabbc")) == 0.5
    assert auc(scores, labels) == 3 / 6  # 9>8, 9>2, 5>2 of 3 x 2 pairs
    rng = random.Random(0)
    scores = [rng.random() for _ in range(400)]
    labels = [rng.randrange(2) for _ in range(400)]
    report = auc_report(scores, labels, [n // 8 for n in range(400)])
    for name in ("auc", "within"):
        assert report[f"{name}_low"] < 0.5 < report[f"{name}_high"]
        assert report[f"{name}_high"] - report[f"{name}_low"] < 0.25


@pytest.mark.parametrize(
    ("answers", "scores", "is_vote", "chosen"),
    [
        # sigmoid: 0.62 + 0.62 for 7, 0.88 for 8, 0.95 for no answer
        (("7", "8", "7", None), [0.5, 2.0, 0.5, 3.0], False, 3),
        (("7", "8", "7", None), [0.5, 2.0, 0.5, 3.0], True, 0),
        (("7", "8", "7", None), [0.5, 5.0, -9.0, 3.0], True, 1),
        (("7", "8"), [-9e9, -8.0], True, 1),
        ((None, None), [0.1, 0.2], True, 1),
    ],
)
def test_best_score_or_heaviest_answer_wins(answers, scores, is_vote, chosen):
    samples = [Sample(a or "?", a, 1, "stop", -0.1) for a in answers]
    assert choosing.pick_by_score(samples, scores, is_vote) == chosen


def test_a_saved_head_scores_as_before_and_must_fit_its_model(runs_folder):
    head = write_verifier(runs_folder / "mine")
    loaded = choosing.load_head("runs/mine", HIDDEN)
    first, again = (
        choosing.score_solutions(
            tiny_model(), TOKENIZER, each, ["a", "b"], ["12", "3"]
        )
        for each in (head, loaded)
    )
    assert first == again and first[0] != first[1]
    with pytest.raises(ValueError, match="98 features, this model gives 194"):
        choosing.load_head("runs/mine", 64)
    with pytest.raises(FileNotFoundError, match="rfs verifier trains one"):
        choosing.load_head("runs/none", HIDDEN)
    with pytest.raises(ValueError, match="asks no learned verifier"):
        METHODS["best-of-n"].judged_by("runs/x")


def test_the_samples_carry_the_score_that_chose_among_them(runs_folder):
    write_verifier(runs_folder / "other")
    method = METHODS["best-of-n-verifier"].judged_by("runs/other")
    problems = [Problem(f"{name}?", "7", id=name) for name in "ab"]
    asked = tiny_model(), TOKENIZER, problems, ["a?", "b?"]
    drawing = {"num_samples": 3, "max_new_tokens": 5, "seed": 1}
    for output in method(*asked, **drawing):
        best = max(output.samples, key=lambda sample: sample["verifier"])
        assert output.response == best["text"]


def write_traces(path, split, texts, limit=8):
    rows = [
        trace_of(p, text.format(p.answer), n, prompt="direct")
        for p in load_problems("pocketmath", split=split, limit=limit)
        for n, text in enumerate(texts)
    ]
    return str(write_rows(path, rows))


def test_from_traces_to_an_evaluation(
    model_folder, tmp_path, runs_folder, capsys
):
    texts = [r"\boxed{{{}}}", "no idea"]
    traces, validation = (
        write_traces(tmp_path / f"{split}.jsonl", split, texts)
        for split in ("train", "validation")
    )
    model = f"--model {model_folder}"
    examples = f"--traces {traces} --validation {validation}"
    quick = "--epochs 20 --learning-rate 0.05 --run judge"
    assert rfs(f"verifier {model} {examples} {quick}") == 0
    assert "verifier" in capsys.readouterr().out
    result = open_run("judge").read_json("result.json")
    assert result["num_samples"] == 16
    assert result["verifier"]["auc"] > 0.9  # a box or none: easy
    command = f"evaluate {model} --method verifier-vote --limit 2 --samples 2"
    command += " --max-new-tokens 4 --run e --verifier runs/judge"
    assert rfs(command) == 0
    record, *_ = open_run("e").read("records.jsonl")
    assert "verifier" in record["samples"][0]
