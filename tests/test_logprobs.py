"""Log-probabilities: hand-worked, chunked, differentiable."""

import pytest
import torch
from tiny import random_ids, tiny_model

from reasoning_from_scratch.llm import logprobs as module
from reasoning_from_scratch.llm.logprobs import (
    distribution_statistics,
    sequence_logprob,
    token_entropy,
    token_logprobs,
)


@pytest.fixture
def model():
    return tiny_model()


def test_logprobs_are_those_of_the_next_token(model):
    token_ids = random_ids(2, 7)
    expected = (model(token_ids)[:, :-1] / 0.5).log_softmax(-1)
    expected = expected.gather(-1, token_ids[:, 1:, None]).squeeze(-1)
    result = token_logprobs(model, token_ids, temperature=0.5)
    assert result.shape == (2, 6)
    assert torch.allclose(result, expected, atol=1e-4)
    # With the entropy, which carries no gradient
    hidden = model.hidden_states(token_ids)
    result, entropy = module.hidden_logprobs(
        model, hidden, token_ids, with_entropy=True
    )
    expected = token_entropy(model.lm_logits(hidden))
    assert torch.allclose(entropy, expected, atol=1e-5)
    assert result.requires_grad and not entropy.requires_grad


def test_chunks_change_neither_values_nor_gradients(model, monkeypatch):
    token_ids = random_ids(2, 9)
    results = []
    for entries in (2**26, 256 * 3):
        monkeypatch.setattr(module, "MAX_CHUNK_ENTRIES", entries)
        model.zero_grad()
        logprobs = token_logprobs(model, token_ids)
        logprobs.sum().backward()
        gradient = model.embed_tokens.weight.grad.clone()
        results.append((logprobs.detach(), gradient))
    assert torch.allclose(results[0][0], results[1][0], atol=1e-5)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-3)


def test_padding_does_not_change_a_rows_logprob(model):
    token_ids = random_ids(1, 6)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), token_ids], 1)
    plain = sequence_logprob(model, token_ids)
    masked = sequence_logprob(model, padded, key_mask=padded > 0, start=4)
    assert torch.allclose(plain, masked, atol=1e-4)
    with pytest.raises(ValueError, match="start must be >= 1"):
        sequence_logprob(model, random_ids(1, 4), start=0)


def test_entropy_and_statistics_by_hand():
    uniform = torch.zeros(8)
    certain = torch.tensor([0.0] + [float("-inf")] * 7)
    assert token_entropy(uniform).item() == pytest.approx(2.0794, abs=1e-4)
    assert token_entropy(certain).item() == 0.0
    # p = (1/2, 1/4, 1/4): entropy 1.5 ln 2 = 1.0397
    # mean of -log p = (1 + 2 + 2) ln 2 / 3 = 1.1552, minus log 3 = 0.0566
    # the two likeliest: (1 + 2) ln 2 / 2 = 1.0397
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log()
    measures = distribution_statistics(logits, top_k=2)
    values = [round(v.item(), 4) for v in measures.values()]
    assert values == [1.0397, 0.0566, 1.0397]
