"""The cache: rows repeat, leave and go back without changing any logit."""

import pytest
import torch
from tiny import tiny_config, tiny_model

from reasoning_from_scratch.llm.kv_cache import KVCache


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def read(model, token_ids, cache):
    with torch.inference_mode():
        return model(token_ids, cache)


def random_ids(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, shape, generator=generator)


def test_a_cache_filled_in_pieces_gives_the_logits_of_one_reading(model):
    token_ids = random_ids(3, 12)
    cache = KVCache(model.config, 3, 12)
    pieces = [read(model, token_ids[:, :5], cache)]
    pieces += [read(model, token_ids[:, 5:9], cache)]
    pieces += [
        read(model, token_ids[:, i : i + 1], cache) for i in (9, 10, 11)
    ]
    with torch.inference_mode():
        whole = model(token_ids)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-4)
    assert cache.length == 12


def test_expand_repeats_each_row_next_to_itself(model):
    token_ids = random_ids(2, 6)
    cache = KVCache(model.config, 2, 8)
    read(model, token_ids, cache)
    cache.expand(3)
    new = random_ids(6, 1)
    logits = read(model, new, cache)
    rows = torch.cat([token_ids.repeat_interleave(3, 0), new], dim=1)
    with torch.inference_mode():
        expected = model(rows)[:, -1:]
    assert torch.allclose(logits, expected, atol=1e-4)


def test_one_copy_of_each_row_moves_nothing(model):
    cache = KVCache(model.config, 2, 8)
    read(model, random_ids(2, 6), cache)
    before = [buffer.data_ptr() for buffer in cache.keys + cache.values]
    cache.expand(1)
    after = [buffer.data_ptr() for buffer in cache.keys + cache.values]
    assert after == before


def test_keep_drops_the_other_rows(model):
    token_ids = random_ids(4, 6)
    cache = KVCache(model.config, 4, 8)
    read(model, token_ids, cache)
    cache.keep(torch.tensor([3, 1]))
    new = random_ids(2, 1)
    logits = read(model, new, cache)
    rows = torch.cat([token_ids[[3, 1]], new], dim=1)
    with torch.inference_mode():
        expected = model(rows)[:, -1:]
    assert torch.allclose(logits, expected, atol=1e-4)


def test_truncate_forgets_the_last_tokens(model):
    token_ids = random_ids(1, 8)
    cache = KVCache(model.config, 1, 8)
    read(model, token_ids, cache)
    cache.truncate(5)
    again = read(model, token_ids[:, 5:], cache)
    with torch.inference_mode():
        whole = model(token_ids)[:, 5:]
    assert torch.allclose(again, whole, atol=1e-4)


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
