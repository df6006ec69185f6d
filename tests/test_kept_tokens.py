"""Truncated sampling: the loss sees the distribution that was drawn from."""

import math
from dataclasses import replace

import torch
from test_rollouts import PROBLEMS, rollouts_of
from test_update import CONFIG, optimizer_of
from tiny import tiny_model

from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.llm.logprobs import hidden_logprobs
from reasoning_from_scratch.training import update
from reasoning_from_scratch.training.rollouts import (
    join_rollouts,
    kept_token_ids,
)

NUCLEUS = SamplingConfig(temperature=1.0, top_p=0.8, top_k=6)
KEEPING = replace(CONFIG, top_p=0.8, top_k=6, keep_sampling_mask=True)


def kept_rollouts(problems=PROBLEMS, **changes):
    return rollouts_of(
        problems, sampling=NUCLEUS, keep_sampling_mask=True, **changes
    )


def test_the_kept_set_is_worked_by_hand():
    # 0.5 + 0.3 crosses 0.7, so two stay; the third was drawn all the same
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]] * 2).log()
    sampling = SamplingConfig(temperature=1.0, top_p=0.7)
    ids, log_mass = kept_token_ids(logits, torch.tensor([1, 2]), sampling)
    assert ids.tolist() == [[0, 1, -1], [0, 1, 2]]
    expected = torch.tensor([math.log(0.8), math.log(0.95)])
    torch.testing.assert_close(log_mass, expected)
    # Padding of the vocabulary is never kept
    logits = torch.tensor([[0.2, 0.3, 0.5]]).log()
    sampling = SamplingConfig(temperature=1.0, top_k=2)
    ids, log_mass = kept_token_ids(logits, torch.tensor([0]), sampling, 2)
    assert ids.tolist() == [[0, 1]]
    torch.testing.assert_close(log_mass, torch.tensor([math.log(0.5)]))


def test_logprobs_over_kept_tokens_have_no_gradient_at_the_others():
    model = tiny_model()
    hidden = torch.randn(1, 32)
    kept = torch.tensor([[3, 7, -1]])
    logprobs, _ = hidden_logprobs(
        model, hidden, torch.tensor([3]), kept_ids=kept
    )
    logits = model.lm_logits(hidden)[0]
    by_hand = logits[3] - torch.logsumexp(logits[[3, 7]], 0)
    torch.testing.assert_close(logprobs[0], by_hand)
    (slope,) = torch.autograd.grad(logprobs[0], model.embed_tokens.weight)
    assert slope.any(dim=1).nonzero().flatten().tolist() == [3, 7]


def test_sampler_and_trainer_agree_over_what_was_kept():
    batch = kept_rollouts()
    rows = update.training_rows(tiny_model(), batch, KEEPING)
    scores = update.score_rows(tiny_model(), rows, KEEPING)
    torch.testing.assert_close(
        scores[batch.mask],
        batch.sampler_logprobs[batch.mask],
        atol=1e-4,  # float32, other batch shapes
        rtol=1e-4,
    )
    # Over the full vocabulary the same tokens look less likely
    del rows["kept_ids"]
    full = update.score_rows(tiny_model(), rows, KEEPING)
    assert (full[batch.mask] < scores[batch.mask] + 1e-4).all()
    assert (full - scores)[batch.mask].mean() < -0.1


def test_what_is_kept_is_what_the_sampler_drew_from():
    batch = kept_rollouts()
    sizes = (batch.kept_ids >= 0).sum(dim=-1)
    assert (sizes[batch.mask] >= 1).all() and not sizes[~batch.mask].any()
    assert batch.kept_ids.shape[-1] <= 6  # top_k
    drawn = batch.token_ids[:, 1:, None]
    assert (batch.kept_ids == drawn).any(dim=-1)[batch.mask].all()


def test_the_set_stays_the_samplers_while_the_policy_moves():
    model = tiny_model()
    batch = kept_rollouts(group_size=4)
    before = batch.kept_ids.clone()
    config = replace(KEEPING, epochs=2, minibatches=3)
    metrics = update.update_policy(model, optimizer_of(model), batch, config)
    assert torch.equal(batch.kept_ids, before)
    assert metrics["mismatch"] < 1e-4 and metrics["ratio"] != 1.0
    rows = update.training_rows(model, batch, config)
    assert torch.isfinite(rows["old_logprobs"]).all()


def test_kept_ids_follow_their_rows():
    parts = [kept_rollouts(PROBLEMS[:1]), kept_rollouts(PROBLEMS[1:])]
    joined, whole = join_rollouts(parts), kept_rollouts()
    for row in range(12):
        ours = joined.kept_ids[row][joined.mask[row]]
        theirs = whole.kept_ids[row][whole.mask[row]]
        width = min(ours.shape[1], theirs.shape[1])
        assert torch.equal(ours[:, :width], theirs[:, :width])
    chosen = whole.select_prompts([2])
    assert torch.equal(chosen.kept_ids, whole.kept_ids[8:])
