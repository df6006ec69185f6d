"""The cache: rows join, leave and go back without changing any logit."""

import pytest
import torch
from tiny import random_ids, tiny_model

from reasoning_from_scratch.llm.kv_cache import KVCache


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@torch.inference_mode()
def read(model, token_ids, cache=None):
    return model(token_ids, cache)


@pytest.mark.parametrize(
    ("static", "sizes"), [(False, (5, 4, 1, 1, 1)), (True, (9, 1, 1, 1))]
)
def test_a_cache_filled_in_pieces_gives_the_logits_of_one_reading(
    model, static, sizes
):
    # Static buffers: the same shapes whatever is filled
    token_ids = random_ids(3, 12)
    cache = KVCache(model.config, 3, 16 if static else 12, static=static)
    parts = token_ids.split(sizes, dim=1)
    pieces = [read(model, part, cache) for part in parts]
    whole = read(model, token_ids)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-4)
    assert cache.lengths.tolist() == [12] * 3 if static else cache.length == 12


def test_rows_are_dropped_and_those_that_stay_are_not_copied(model):
    token_ids = random_ids(3, 6)
    cache = KVCache(model.config, 3, 8)
    read(model, token_ids, cache)
    before = [buffer.data_ptr() for buffer in cache.keys + cache.values]
    cache.keep(torch.tensor([2, 0]))
    new = random_ids(2, 1)
    logits = read(model, new, cache)
    expected = read(model, torch.cat([token_ids[[2, 0]], new], dim=1))[:, -1:]
    assert torch.allclose(logits, expected, atol=1e-4)
    after = [buffer.data_ptr() for buffer in cache.keys + cache.values]
    assert after == before


def test_new_rows_join_while_the_others_wait(model):
    old, new = random_ids(2, 6), random_ids(2, 5)
    cache = KVCache(model.config, 4, 12)
    cache.keep(torch.arange(2))
    read(model, old, cache)
    # Three rows of two prompts, of 5 and 3 tokens; row 1 gives way
    cache.keep(torch.arange(4))
    places, sources = torch.tensor([1, 2, 3]), torch.tensor([0, 1, 1])
    other = KVCache(model.config, 2, 5)
    read(model, new, other)
    other.lengths = torch.tensor([5, 3])
    cache.take(places, other, sources)
    last = random_ids(4, 1)
    logits = read(model, last, cache)
    rows = [old[0], new[0], new[1, :3], new[1, :3]]
    for row, token, found in zip(rows, last, logits, strict=True):
        alone = read(model, torch.cat([row, token])[None])[0, -1:]
        assert torch.allclose(found, alone, atol=1e-4)
    assert cache.length == 7


def test_truncate_forgets_the_last_tokens(model):
    token_ids = random_ids(1, 8)
    cache = KVCache(model.config, 1, 8)
    read(model, token_ids, cache)
    cache.truncate(5)
    again = read(model, token_ids[:, 5:], cache)
    assert torch.allclose(again, read(model, token_ids)[:, 5:], atol=1e-4)


def test_writing_past_the_end_names_both_numbers(model):
    cache = KVCache(model.config, 1, 4)
    with pytest.raises(ValueError, match="has 5 tokens but the cache holds 4"):
        read(model, random_ids(1, 5), cache)
    with pytest.raises(ValueError, match="holds 0"):
        cache.truncate(1)
