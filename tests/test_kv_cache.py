"""The cache: rows repeat, leave and go back without changing any logit."""

import pytest
import torch
from tiny import random_ids, tiny_config, tiny_model

from reasoning_from_scratch.llm.kv_cache import KVCache


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@torch.inference_mode()
def read(model, token_ids, cache=None):
    return model(token_ids, cache)


def test_a_cache_filled_in_pieces_gives_the_logits_of_one_reading(model):
    token_ids = random_ids(3, 12)
    cache = KVCache(model.config, 3, 12)
    pieces = [read(model, token_ids[:, :5], cache)]
    pieces += [read(model, token_ids[:, 5:9], cache)]
    pieces += [
        read(model, token_ids[:, i : i + 1], cache) for i in (9, 10, 11)
    ]
    whole = read(model, token_ids)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-4)
    assert cache.length == 12


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda cache: cache.expand(3), [0, 0, 0, 1, 1, 1, 2, 2, 2]),
        (lambda cache: cache.keep(torch.tensor([2, 0])), [2, 0]),
    ],
    ids=["expand", "keep"],
)
def test_rows_are_repeated_and_dropped(model, change, rows):
    token_ids = random_ids(3, 6)
    cache = KVCache(model.config, 3, 8)
    read(model, token_ids, cache)
    change(cache)
    new = random_ids(len(rows), 1)
    logits = read(model, new, cache)
    expected = read(model, torch.cat([token_ids[rows], new], dim=1))[:, -1:]
    assert torch.allclose(logits, expected, atol=1e-4)


def test_one_copy_of_each_row_moves_nothing(model):
    cache = KVCache(model.config, 2, 8)
    read(model, random_ids(2, 6), cache)
    before = [buffer.data_ptr() for buffer in cache.keys + cache.values]
    cache.expand(1)
    after = [buffer.data_ptr() for buffer in cache.keys + cache.values]
    assert after == before


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


def test_truncating_to_more_than_is_held_is_refused():
    cache = KVCache(tiny_config(), 1, 4)
    with pytest.raises(ValueError, match="holds 0"):
        cache.truncate(1)


def test_static_buffers_give_the_same_logits_at_fixed_shapes(model):
    token_ids = random_ids(2, 6)
    cache = KVCache(model.config, 2, 10, static=True)
    key_mask = torch.zeros(2, 10, dtype=torch.bool)
    key_mask[:, :4] = True
    with torch.inference_mode():
        pieces = [model(token_ids[:, :4], cache, key_mask)]
        for column in (4, 5):
            key_mask[:, column] = True
            new = token_ids[:, column : column + 1]
            pieces.append(model(new, cache, key_mask))
        whole = model(token_ids)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-4)
    assert cache.length == 6
