"""Generation: whatever way an answer is decoded, it is the same answer."""

import gc
import random
import weakref
from collections import deque
from unittest.mock import Mock

import pytest
import torch
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.llm import decoding, generation
from reasoning_from_scratch.llm.decoding import DecodingBatch, Row, decode
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
    rng = random.Random(0)
    return [
        "".join(rng.choices("abcdefgh 0123456789+-*", k=rng.randint(1, 40)))
        for _ in range(count)
    ]


def tokens(outputs):
    return [output.token_ids for output in outputs]


def greedy_without_cache(model, prompt, max_new_tokens):
    """The oracle: the whole sequence is read again for every token."""
    token_ids = TOKENIZER.encode(prompt)
    new = []
    while len(new) < max_new_tokens and (not new or new[-1] != 0):
        with torch.inference_mode():
            logits = model(torch.tensor([token_ids + new]))
        new.append(int(logits[0, -1].argmax()))
    return new


def test_cached_batched_and_streamed_equal_reading_everything_again(model):
    prompts, counted = ragged_prompts(), []
    options = {"max_new_tokens": 24}
    batch = generate(
        model, TOKENIZER, prompts, progress=counted.append, **options
    )
    assert sum(counted) == len(prompts)
    for prompt, output in zip(prompts, batch, strict=True):
        (single,) = generate(model, TOKENIZER, [prompt], **options)
        assert output.token_ids == greedy_without_cache(model, prompt, 24)
        assert output.token_ids == single.token_ids
        assert output.logprobs == pytest.approx(single.logprobs, abs=1e-4)
        assert output.num_prompt_tokens == len(prompt)
        pieces = generate_stream(model, TOKENIZER, prompt, **options)
        assert "".join(pieces) == output.text


def test_a_group_equals_samples_drawn_apart_or_in_two_calls(model):
    prompts = ragged_prompts(8)
    options = {"max_new_tokens": 16, "sampling": SAMPLED, "seed": 1}
    group = tokens(
        generate(model, TOKENIZER, prompts, num_samples=4, **options)
    )
    each = [prompt for prompt in prompts for _ in range(4)]
    assert group == tokens(generate(model, TOKENIZER, each, **options))
    assert len(set(map(tuple, group))) > len(prompts)
    halves = (
        generate(
            *(model, TOKENIZER, prompts),
            num_samples=2,
            first_sample=first,
            **options,
        )
        for first in (0, 2)
    )
    first, second = map(tokens, halves)
    for row in range(8):
        apart = first[2 * row :][:2] + second[2 * row :][:2]
        assert group[4 * row :][:4] == apart


@pytest.mark.parametrize("batch_size", [1, 3, 8, 17])
def test_the_same_sample_comes_out_of_any_batch(
    model, batch_size, monkeypatch
):
    # About every tenth token ends a row, whose place the next prompt takes
    prompts = ragged_prompts(20)
    options = {"max_new_tokens": 40, "sampling": SAMPLED, "seed": 7}
    options["stop_ids"] = tuple(range(0, 256, 10))
    together = generate(model, TOKENIZER, prompts, **options)
    sizes, decode = [], generation.decode

    def spy(batch, waiting, **options):
        for rows in decode(batch, waiting, **options):
            sizes.append(len(rows))
            yield rows

    monkeypatch.setattr(generation, "decode", spy)
    options["batch_size"] = batch_size
    shuffled = generate(model, TOKENIZER, prompts[::-1], **options)
    assert tokens(together) == tokens(shuffled[::-1])
    assert len({len(row) for row in tokens(together)}) > 5
    assert max(sizes) == batch_size  # no more rows at a time than asked


def test_a_sample_follows_its_seed_or_torch_manual_seed(model):
    outputs = []
    for seed in (0, 1, None, None):
        torch.manual_seed(3)
        options = {"sampling": SAMPLED, "seed": seed}
        outputs += tokens(generate(model, TOKENIZER, ["ab"], **options))
    assert outputs[0] != outputs[1]
    assert outputs[2] == outputs[3]


def test_the_compiled_step_equals_the_eager_one():
    model = tiny_model(num_layers=1)
    prompts = ragged_prompts(4)
    options = {"max_new_tokens": 12, "stop_ids": ()}
    eager = generate(model, TOKENIZER, prompts, **options)
    compiled = generate(model, TOKENIZER, prompts, compiled=True, **options)
    assert tokens(compiled) == tokens(eager)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None  # what was compiled keeps no weights


def test_static_buffers_change_rows_by_powers_of_two(model, monkeypatch):
    # The eager step stands in for the compiled one: only shapes matter here
    shapes = set()

    def spy(model, token_ids, cache, last_only):
        shapes.add((len(token_ids), cache.max_tokens))
        return model(token_ids, cache, last_only=last_only)

    monkeypatch.setattr(decoding, "_compile", lambda _: spy)
    prompts = ragged_prompts(40)
    options = {
        "max_new_tokens": 60,
        "stop_ids": tuple(range(0, 256, 12)),
        "sampling": SAMPLED,
        "seed": 0,
    }
    plain = generate(model, TOKENIZER, prompts, **options)
    options |= {"compiled": True, "batch_size": 16}
    static = generate(model, TOKENIZER, prompts, **options)
    assert tokens(static) == tokens(plain)
    assert {width for _, width in shapes} == {128}  # 40 + 60 + 8, rounded up
    assert {16} < {size for size, _ in shapes} <= {16, 8, 4, 2, 1}


def test_looking_only_now_and_then_changes_nothing(model, monkeypatch):
    # As on a GPU: rows that have finished go on until somebody looks
    def rarely(*args, **options):
        return decode(*args, **{**options, "steps_between_looks": 8})

    decode = generation.decode
    options = {"sampling": SAMPLED, "seed": 0, "batch_size": 6}
    options |= {"max_new_tokens": 30, "stop_ids": tuple(range(0, 256, 12))}
    options |= {"statistics": True}
    expected = generate(model, TOKENIZER, ragged_prompts(), **options)
    monkeypatch.setattr(generation, "decode", rarely)
    outputs = generate(model, TOKENIZER, ragged_prompts(), **options)
    assert tokens(outputs) == tokens(expected)
    assert all(
        len(values) == len(output.token_ids)
        for output in outputs
        for values in (output.logprobs, *output.statistics.values())
    )


def test_rows_of_several_kinds_may_join_and_leave_at_any_time(model):
    # As a server does: each row is sampled in its own way
    ways = [SamplingConfig(), SAMPLED, SamplingConfig(0.7, top_p=0.9)]
    texts = ragged_prompts(12)
    rows = [
        Row(tuple(TOKENIZER.encode(text)), number, ways[number % 3], 10)
        for number, text in enumerate(texts)
    ]
    late, gone = rows[4:], rows[5]
    waiting = deque(rows[:4])
    batch = DecodingBatch.make(model, 5, 50)
    for step, active in enumerate(decode(batch, waiting, stop_ids=())):
        if late:
            waiting.append(late.pop(0))
        if step == 12:
            assert gone in active
            gone.is_finished = True
        if step > 12:
            assert gone not in active
    for row in rows:
        alone = Row(row.prompt, row.seed, row.sampling, 10)
        batch = DecodingBatch.make(model, 1, 50)
        list(decode(batch, deque([alone]), stop_ids=()))
        assert row.token_ids == alone.token_ids[: len(row.token_ids)]
        assert len(row.token_ids) == 10 or row is gone


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
    expected = {
        "entropy": -(logprobs.exp() * logprobs).sum(-1),
        "topk_confidence": -logprobs.topk(20).values.mean(-1),
    }
    for name, values in expected.items():
        measured = output.statistics[name]
        assert measured == pytest.approx(values.tolist(), abs=1e-4)


def test_padding_rows_of_the_embedding_are_never_chosen():
    class SmallTokenizer(ByteTokenizer):
        vocab_size = 100

    options = {"max_new_tokens": 50, "stop_ids": (), "seed": 0}
    question = tiny_model(), SmallTokenizer(), ragged_prompts(8)
    for sampling in (SamplingConfig(), SamplingConfig(temperature=5.0)):
        outputs = generate(*question, sampling=sampling, **options)
        assert max(map(max, tokens(outputs))) < 100


def test_a_chat_reads_only_what_its_cache_does_not_hold(model, monkeypatch):
    spy = Mock(wraps=model.hidden_states)
    monkeypatch.setattr(model, "hidden_states", spy)
    options = {"max_new_tokens": 8, "stop_ids": ()}
    held = {"prefix_cache": PrefixCache(model, 200), **options}
    texts = []
    for prompt in ("0123456789", "0123456xyz"):
        spy.reset_mock()
        pieces = generate_stream(model, TOKENIZER, prompt, **held)
        texts.append("".join(pieces))
    # "xy", "z": the prefix of seven characters is known
    read = [call.args[0].shape[1] for call in spy.call_args_list]
    assert read[:2] == [2, 1]
    fresh = generate(model, TOKENIZER, ["0123456xyz"], **options)[0]
    assert texts[1] == fresh.text
    assert texts[0] != texts[1]


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
    with pytest.raises(TypeError, match="list of strings"):
        generate(model, TOKENIZER, "hello")
    options = {"prefix_cache": PrefixCache(model, 10), "max_new_tokens": 4}
    with pytest.raises(ValueError, match="20 tokens but the cache holds 10"):
        next(generate_stream(model, TOKENIZER, "x" * 20, **options))
