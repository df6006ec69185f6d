"""Generation: whatever way an answer is decoded, it is the same answer."""

import random

import pytest
import torch
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.llm.generation import generate, generate_stream
from reasoning_from_scratch.llm.kv_cache import PrefixCache
from reasoning_from_scratch.llm.logprobs import token_logprobs
from reasoning_from_scratch.llm.sampling import SamplingConfig

TOKENIZER = ByteTokenizer()
SAMPLED = SamplingConfig(temperature=1.0)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def ragged_prompts(count=32):
    """Random texts of 1 to 40 characters."""
    rng = random.Random(0)
    return [
        "".join(rng.choices("abcdefgh 0123456789+-*", k=rng.randint(1, 40)))
        for _ in range(count)
    ]


def greedy_without_cache(model, prompt, max_new_tokens):
    """The oracle: the whole sequence is read again for every token."""
    token_ids = TOKENIZER.encode(prompt)
    new = []
    while len(new) < max_new_tokens and (not new or new[-1] != 0):
        with torch.inference_mode():
            logits = model(torch.tensor([token_ids + new]))
        new.append(int(logits[0, -1].argmax()))
    return new


def test_cached_decoding_equals_reading_everything_again(model):
    prompts = ragged_prompts()
    for prompt in prompts:
        (output,) = generate(model, TOKENIZER, [prompt], max_new_tokens=24)
        assert output.token_ids == greedy_without_cache(model, prompt, 24)


def test_a_ragged_batch_equals_its_prompts_one_by_one(model):
    prompts = ragged_prompts()
    batch = generate(model, TOKENIZER, prompts, max_new_tokens=24)
    for prompt, output in zip(prompts, batch, strict=True):
        (single,) = generate(model, TOKENIZER, [prompt], max_new_tokens=24)
        assert output.token_ids == single.token_ids
        assert output.logprobs == pytest.approx(single.logprobs, abs=1e-4)
        assert output.num_prompt_tokens == len(prompt)


def test_a_group_that_shares_its_prefill_equals_separate_samples(model):
    prompts = ragged_prompts(8)
    options = {"max_new_tokens": 16, "sampling": SAMPLED, "seed": 1}
    group = generate(model, TOKENIZER, prompts, num_samples=4, **options)
    each = [prompt for prompt in prompts for _ in range(4)]
    repeated = generate(model, TOKENIZER, each, **options)
    assert [o.token_ids for o in group] == [o.token_ids for o in repeated]
    assert len({tuple(o.token_ids) for o in group}) > len(prompts)


def test_the_same_sample_comes_out_of_any_batch(model):
    prompts = ragged_prompts(12)
    options = {"max_new_tokens": 16, "sampling": SAMPLED, "seed": 7}
    together = generate(model, TOKENIZER, prompts, **options)
    shuffled = generate(
        model, TOKENIZER, prompts[::-1], batch_size=5, **options
    )
    assert [o.token_ids for o in together] == [
        o.token_ids for o in shuffled[::-1]
    ]


def test_samples_drawn_in_two_calls_equal_those_of_one(model):
    prompts = ragged_prompts(4)
    options = {"max_new_tokens": 16, "sampling": SAMPLED, "seed": 7}
    together = generate(model, TOKENIZER, prompts, num_samples=3, **options)
    first = generate(model, TOKENIZER, prompts, num_samples=2, **options)
    third = generate(model, TOKENIZER, prompts, first_sample=2, **options)
    for row in range(4):
        apart = [*first[2 * row : 2 * row + 2], third[row]]
        assert [o.token_ids for o in together[3 * row : 3 * row + 3]] == [
            o.token_ids for o in apart
        ]


def test_another_seed_gives_another_sample(model):
    first, second = (
        generate(model, TOKENIZER, ["ab"], sampling=SAMPLED, seed=seed)
        for seed in (0, 1)
    )
    assert first[0].token_ids != second[0].token_ids


def test_no_seed_follows_torch_manual_seed(model):
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs += generate(model, TOKENIZER, ["ab"], sampling=SAMPLED)
    assert outputs[0].token_ids == outputs[1].token_ids


def test_a_stream_equals_generate(model):
    for prompt in ragged_prompts():
        pieces = list(
            generate_stream(model, TOKENIZER, prompt, max_new_tokens=24)
        )
        (whole,) = generate(model, TOKENIZER, [prompt], max_new_tokens=24)
        assert "".join(pieces) == whole.text


def test_the_compiled_step_equals_the_eager_one():
    model = tiny_model(num_layers=1)
    prompts = ragged_prompts(4)
    options = {"max_new_tokens": 12, "stop_ids": ()}
    eager = generate(model, TOKENIZER, prompts, **options)
    compiled = generate(model, TOKENIZER, prompts, compiled=True, **options)
    assert [o.token_ids for o in compiled] == [o.token_ids for o in eager]


def test_static_buffers_drop_finished_rows_to_powers_of_two(
    model, monkeypatch
):
    from reasoning_from_scratch.llm import decoding

    # The eager step stands in for the compiled one: only shapes matter here
    sizes = set()

    def spy(token_ids, cache, key_mask, last_only):
        sizes.add(len(token_ids))
        return model(token_ids, cache, key_mask, last_only)

    monkeypatch.setattr(decoding, "_compile", lambda _: spy)
    prompts = ragged_prompts(16)
    options = {
        "max_new_tokens": 60,
        "stop_ids": tuple(range(0, 256, 12)),
        "sampling": SAMPLED,
        "seed": 0,
    }
    static = generate(model, TOKENIZER, prompts, compiled=True, **options)
    plain = generate(model, TOKENIZER, prompts, **options)
    assert [o.token_ids for o in static] == [o.token_ids for o in plain]
    assert sizes <= {16, 8, 4, 2, 1}
    assert len(sizes) > 1


def test_any_of_several_stop_ids_ends_a_row_and_belongs_to_it(model):
    options = {"max_new_tokens": 20}
    (free,) = generate(model, TOKENIZER, ["abc"], stop_ids=(), **options)
    stop = free.token_ids[5]
    first = free.token_ids.index(stop)
    stops = (999, stop)
    (output,) = generate(model, TOKENIZER, ["abc"], stop_ids=stops, **options)
    assert output.token_ids == free.token_ids[: first + 1]
    assert output.stop_reason == "stop"
    assert free.stop_reason == "length"
    assert output.text == TOKENIZER.decode(free.token_ids[:first])


def test_generated_logprobs_equal_a_scoring_pass(model):
    options = {"sampling": SamplingConfig(temperature=0.7, top_k=5), "seed": 0}
    (output,) = generate(
        model, TOKENIZER, ["hello"], max_new_tokens=20, **options
    )
    row = torch.tensor([TOKENIZER.encode("hello") + output.token_ids])
    scored = token_logprobs(model, row, temperature=0.7)[0, 4:]
    assert output.logprobs == pytest.approx(scored.tolist(), abs=1e-4)


def test_statistics_measure_the_distribution_behind_each_token(model):
    (output,) = generate(
        model, TOKENIZER, ["hello"], max_new_tokens=5, statistics=True
    )
    row = torch.tensor([TOKENIZER.encode("hello") + output.token_ids])
    with torch.inference_mode():
        logprobs = model(row)[0, 4:-1].log_softmax(-1)
    entropy = -(logprobs.exp() * logprobs).sum(-1)
    assert output.statistics["entropy"] == pytest.approx(
        entropy.tolist(), abs=1e-4
    )
    top = logprobs.topk(20).values.mean(-1)
    assert output.statistics["topk_confidence"] == pytest.approx(
        (-top).tolist(), abs=1e-4
    )


def test_padding_rows_of_the_embedding_are_never_chosen():
    class SmallTokenizer(ByteTokenizer):
        vocab_size = 100

    options = {"sampling": SamplingConfig(temperature=5.0), "seed": 0}
    options |= {"max_new_tokens": 50, "stop_ids": ()}
    prompts = ragged_prompts(8)
    outputs = generate(tiny_model(), SmallTokenizer(), prompts, **options)
    assert max(max(o.token_ids) for o in outputs) < 100


@pytest.mark.parametrize("static", [False, True])
def test_a_chat_reads_only_what_its_cache_does_not_hold(
    model, monkeypatch, static
):
    read = []
    forward = type(model).forward

    def spy(self, token_ids, *args, **kwargs):
        read.append(token_ids.shape[1])
        return forward(self, token_ids, *args, **kwargs)

    monkeypatch.setattr(type(model), "forward", spy)
    cache = PrefixCache(model, 200, static=static)
    options = {"max_new_tokens": 8, "stop_ids": ()}
    first = "".join(
        generate_stream(
            model, TOKENIZER, "0123456789", prefix_cache=cache, **options
        )
    )
    read.clear()
    second = "".join(
        generate_stream(
            model, TOKENIZER, "0123456xyz", prefix_cache=cache, **options
        )
    )
    assert read[0] == 3  # "xyz": the prefix of seven characters is known
    fresh = generate(model, TOKENIZER, ["0123456xyz"], **options)[0]
    assert second == fresh.text
    assert first != second


def test_progress_counts_every_completion(model):
    counted = []
    generate(
        model,
        TOKENIZER,
        ragged_prompts(5),
        num_samples=2,
        max_new_tokens=3,
        batch_size=4,
        progress=counted.append,
    )
    assert sum(counted) == 10


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ([], {}, "at least one prompt"),
        (["ok", ""], {}, "prompt 1 is empty"),
        (["x" * 1100], {}, "1,024 positions"),
        (["x"], {"max_new_tokens": 0}, "max_new_tokens must be .*>= 1, got 0"),
        (["x"], {"max_new_tokens": 2.5}, "max_new_tokens .*got 2.5"),
        (["x"], {"num_samples": 0}, "num_samples must be .*>= 1"),
        (["x"], {"batch_size": 0}, "batch_size must be .*>= 1"),
        (["x"], {"ids": ["a", "b"]}, "2 entries for 1 prompts"),
    ],
)
def test_bad_input_is_refused_before_the_first_token(
    model, prompts, options, message
):
    options = {"max_new_tokens": 4, **options}
    with pytest.raises(ValueError, match=message):
        generate(model, TOKENIZER, prompts, **options)


def test_one_string_is_no_list_of_prompts(model):
    with pytest.raises(TypeError, match="list of strings"):
        generate(model, TOKENIZER, "hello")


def test_a_prompt_longer_than_its_prefix_cache_names_both_numbers(model):
    cache = PrefixCache(model, 10)
    stream = generate_stream(
        model, TOKENIZER, "x" * 20, max_new_tokens=4, prefix_cache=cache
    )
    with pytest.raises(ValueError, match="20 tokens but the cache holds 10"):
        next(stream)


def test_many_samples_share_no_batch_larger_than_asked(model, monkeypatch):
    from reasoning_from_scratch.llm import generation

    sizes = []

    def spy(model, state, **options):
        sizes.append(len(state.active))
        return decode(model, state, **options)

    decode = generation.decode
    options = {"max_new_tokens": 12, "num_samples": 7, "seed": 0}
    options |= {"sampling": SAMPLED, "stop_ids": ()}
    whole = generate(model, TOKENIZER, ["ab", "c"], **options)
    monkeypatch.setattr(generation, "decode", spy)
    parts = generate(model, TOKENIZER, ["ab", "c"], batch_size=3, **options)
    assert sizes == [3, 3, 1] * 2
    assert [o.token_ids for o in parts] == [o.token_ids for o in whole]


def test_widths_alike_make_one_static_shape(model):
    from reasoning_from_scratch.llm.decoding import prefill

    widths = {
        prefill(
            model, [[1] * n], num_samples=1, max_new_tokens=20, static=True
        ).cache.max_tokens
        for n in (1, 30, 44)
    }
    assert widths == {64}
