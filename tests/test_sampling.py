"""Sampling: filters by hand-worked values, draws that can be repeated."""

import pytest
import torch

from reasoning_from_scratch.llm import sampling
from reasoning_from_scratch.llm.sampling import (
    SamplingConfig,
    choose_token,
    draw_token,
    filter_min_p,
    filter_top_k,
    filter_top_p,
    row_seed,
    scale_by_temperature,
    uniform_numbers,
)

# Probabilities 0.5, 0.3, 0.15, 0.05, in another order in the second row
PROBABILITIES = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.05, 0.15, 0.5, 0.3]])
LOGITS = PROBABILITIES.log()


# Peaked and flat: a filter looks at each row by itself
MIXED = torch.tensor([[0.9, 0.05, 0.05], [0.4, 0.3, 0.3]]).log()


@pytest.mark.parametrize(
    ("filtered", "expected"),
    [
        (filter_top_k(LOGITS, 2), ["1100", "0011"]),
        # 0.5 < 0.6 <= 0.5 + 0.3: the token that crosses stays
        (filter_top_p(LOGITS, 0.6), ["1100", "0011"]),
        (filter_top_p(LOGITS, 1e-9), ["1000", "0010"]),  # one always stays
        (filter_top_p(MIXED, 0.8), ["100", "111"]),
        # 0.4 * 0.5 = 0.2: 0.3 stays and 0.15 goes
        (filter_min_p(LOGITS, 0.4), ["1100", "0011"]),
        # Thresholds 0.5 * 0.9 = 0.45 and 0.5 * 0.4 = 0.2
        (filter_min_p(MIXED, 0.5), ["100", "111"]),
    ],
)
def test_a_filter_keeps_what_was_worked_by_hand(filtered, expected):
    kept = torch.isfinite(filtered).int().tolist()
    assert ["".join(map(str, row)) for row in kept] == expected


def test_top_k_of_zero_or_the_vocabulary_keeps_everything():
    assert filter_top_k(LOGITS, 0) is LOGITS
    assert filter_top_k(LOGITS, 4) is LOGITS
    scaled = scale_by_temperature(torch.tensor([[2.0]]).bfloat16(), 0.5)
    assert scaled.dtype == torch.float32 and scaled.item() == 4.0


def test_draw_inverts_the_cumulative_distribution():
    # Cumulative 0.5, 0.8, 0.95, 1: the first entry to reach the number
    uniform = torch.tensor([0.1, 0.49, 0.51, 0.79, 0.81, 0.94, 0.96, 0.999])
    tokens = draw_token(LOGITS[:1].expand(8, -1), uniform)
    assert tokens.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    # A filtered token is never drawn
    logits = torch.tensor([[float("-inf"), 0.0, float("-inf"), 0.0]])
    edges = torch.tensor([2.0**-24, 0.5, 1 - 2.0**-24])
    assert draw_token(logits.expand(3, -1), edges).tolist() == [1, 1, 3]


@pytest.mark.parametrize(
    ("config", "probability"),
    [
        # p^2 / sum p^2 = 0.25 / (0.25 + 0.09 + 0.0225 + 0.0025) = 0.68493
        (SamplingConfig(temperature=0.5, top_k=1), 0.68493),
        (SamplingConfig(), 0.5),  # greedy: the likeliest, at temperature 1
    ],
)
def test_logprobs_are_at_the_temperature_and_before_truncation(
    config, probability
):
    token_ids, logprobs = choose_token(LOGITS, torch.tensor([0.5] * 2), config)
    assert token_ids.tolist() == [0, 2]
    assert logprobs.exp().tolist() == pytest.approx(
        [probability] * 2, abs=1e-5
    )


def test_filters_chain_from_top_k_to_top_p_to_min_p():
    # Top-k 3 leaves 0.5, 0.3, 0.15 of 0.95, that is 0.526, 0.316, 0.158;
    # top-p 0.9 cuts none of them (0.842 < 0.9); min-p 0.4 asks for 0.21.
    config = SamplingConfig(temperature=1.0, top_k=3, top_p=0.9, min_p=0.4)
    # Left are 0.5 and 0.3 of 0.8: the first up to 0.625
    uniform = torch.tensor([0.62, 0.63, 0.999])
    token_ids, _ = choose_token(LOGITS[:1].expand(3, -1), uniform, config)
    assert token_ids.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "options",
    [{}, {"top_k": 20}, {"top_p": 0.9}, {"min_p": 0.1}],
    ids=["plain", "top-k", "top-p", "min-p"],
)
def test_a_row_draws_the_same_token_alone_and_in_any_batch(options):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(64, 500, generator=generator)
    uniform = torch.rand(64, generator=generator)
    config = SamplingConfig(temperature=0.7, **options)
    together, _ = choose_token(logits, uniform, config)
    for rows in ([5], [63, 5], list(range(40, 0, -1))):
        alone, _ = choose_token(logits[rows], uniform[rows], config)
        assert torch.equal(alone, together[rows])
    assert len(together.unique()) > 32


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_many_rows_in_parts_are_chosen_as_together(temperature, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 50, generator=generator).bfloat16()
    uniform = torch.rand(64, generator=generator)
    config = SamplingConfig(temperature)
    whole = choose_token(logits, uniform, config, 48)
    entries = 300 // torch.get_num_threads()  # six rows, and ten parts
    monkeypatch.setattr(sampling, "ENTRIES_AT_ONCE", entries)
    for part, expected in zip(
        choose_token(logits, uniform, config, 48), whole, strict=True
    ):
        assert torch.equal(part, expected)


def test_uniform_numbers_are_uniform_by_row_and_position_alone():
    seeds = torch.tensor([row_seed(1, str(i), 0) for i in range(200)])
    table = uniform_numbers(seeds, 500)
    assert torch.equal(table[1:2, :10], uniform_numbers(seeds[1:2], 10))
    assert ((table > 0) & (table < 1)).all()
    assert len(set(table[:3, :50].flatten().tolist())) == 150
    counts = torch.histc(table, bins=10, min=0, max=1)
    # Expected 10,000 a bin, standard deviation 95: 5 of them
    assert (counts - 10_000).abs().max() < 475


def test_row_seeds_tell_seed_problem_and_sample_apart():
    seeds = {
        row_seed(seed, name, sample)
        for seed in range(3)
        for name in ("a", "b", "a\0b", "\ud800")
        for sample in range(3)
    }
    assert len(seeds) == 36


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_p": 1.5}, r"top_p must be in \(0, 1\], got 1.5"),
        ({"top_p": 0}, "top_p"),
        ({"temperature": -1}, "temperature must be >= 0, got -1"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_k": -1}, "top_k must be a whole number"),
        ({"min_p": 2}, "min_p must be in"),
        ({"top_p": 0.5}, "change nothing at temperature 0"),
        ({"top_k": 5}, "change nothing at temperature 0"),
        ({"min_p": 0.1, "temperature": 0}, "change nothing at temperature 0"),
    ],
)
def test_settings_outside_their_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SamplingConfig(**options)
