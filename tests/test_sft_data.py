"""Examples and batches: which tokens there are, and which are learned."""

from dataclasses import replace

import pytest
from commands import trace_of
from tiny_checkpoints import write_tokenizer

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import Qwen3Tokenizer
from reasoning_from_scratch.training import (
    DistillationConfig,
    Example,
    encode_example,
    encode_traces,
    sft_data,
)

CONFIG = DistillationConfig(prompt="{problem}")
PROBLEM = Problem("2+3?", "5", id="a")


def trace(text, **fields):
    return trace_of(PROBLEM, text, **fields)


def example_of(tokenizer, text, *, prompt="", **settings):
    (example,), _ = encode_traces(
        [trace(text, prompt=prompt)], tokenizer, replace(CONFIG, **settings)
    )
    return example


def test_the_mask_of_a_batch_by_hand():
    # p prompt, c completion, E end, . padding; column t predicts t + 1
    #   p p p c E    columns 2 and 3
    #   p c c E .    columns 0, 1 and 2
    examples = [Example([1, 2, 3], [4, 9]), Example([5], [6, 7, 9])]
    batch = sft_data.make_batch(examples, pad_id=0)
    assert batch.token_ids.tolist() == [[1, 2, 3, 4, 9], [5, 6, 7, 9, 0]]
    assert batch.mask.int().tolist() == [[0, 0, 1, 1], [1, 1, 1, 0]]
    assert batch.targets.tolist() == [4, 9, 6, 7, 9]
    assert sft_data.count_learned_tokens(examples) == len(batch.targets)


def test_a_completion_is_its_tokens_and_the_end_token(tokenizer):
    example = encode_example(tokenizer, "2+3=", " 5", thinking="3+2")
    pieces = ("<think>", "3+2", "</think>", " 5")
    ids = sum(map(tokenizer.encode, pieces), [])
    assert example.completion_ids == [*ids, tokenizer.eos_id]
    # Tokenised together, "Answer" and ":" might share a token with what
    # follows; the model is asked with the prompt alone.
    prompt = "Problem: 12 + 7\nAnswer"
    example = encode_example(tokenizer, prompt, ": Let's")
    assert example.prompt_ids == tokenizer.encode(prompt)


@pytest.mark.parametrize("thinking", ["\nadd\n", "add\n", ""])
def test_a_block_that_the_prompt_opened_is_closed_once(tokenizer, thinking):
    prompt = "2+3?<think>\n"
    example = encode_example(tokenizer, prompt, "\n\n5", thinking=thinking)
    written = tokenizer.decode(example.token_ids)
    thought = "add" if thinking else ""
    assert written.startswith(f"{prompt}{thought}\n</think>\n\n5")


def test_a_teacher_ends_no_text_and_scores_behind_its_own_prompt(tokenizer):
    example = encode_example(tokenizer, "2+3=", " 5<|endoftext|> 6")
    assert example.completion_ids.count(tokenizer.eos_id) == 1
    text = tokenizer.decode(example.completion_ids[:-1])
    assert text == " 5<|endoftext|> 6"
    same = example_of(tokenizer, " 5", prompt="{problem}")
    assert same.teacher_prompt_ids is None
    other = example_of(tokenizer, " 5", prompt="Think. {problem}")
    assert other.teacher_prompt_ids == tokenizer.encode("Think. 2+3?")


@pytest.mark.parametrize(
    ("thinking", "learned"),
    [
        # In the very tokens of its teacher, whose distributions are of " ",
        # "<think>", …: nothing may be missing
        ("tags", " <think>3+2</think> 5"),
        ("short", " <think>3+2</think> 5"),
        ("plain", "3+2 5"),
        ("none", " 5"),
    ],
)
def test_thinking_is_kept_stripped_or_left_out(tokenizer, thinking, learned):
    text = " <think>3+2</think> 5"
    example = example_of(tokenizer, text, thinking=thinking)
    assert example.completion_ids[:-1] == tokenizer.encode(learned)


def test_thinking_is_shortened_and_long_traces_left_out(tokenizer, tmp_path):
    # 4*17 by digits, then the step; a list and a chain are steps too
    scratch = "4*7=28 4*1+2=6"
    steps = ["4*17=68", "15, 30, 45", "5x=65=60+5"]
    text = "\n".join(["", scratch, *steps, ""])
    assert sft_data.shorten_thinking(text) == "\n".join(["", *steps, ""])
    config = replace(CONFIG, max_tokens=10)
    traces = [trace(" 5"), trace("9" * 50)]
    examples, num_too_long = encode_traces(traces, tokenizer, config)
    assert (len(examples), num_too_long) == (1, 1)
    with pytest.raises(ValueError, match="none of 1 traces fits"):
        encode_traces(traces[1:], tokenizer, config)
    plain = Qwen3Tokenizer(write_tokenizer(tmp_path, think=False))
    with pytest.raises(ValueError, match="thinking='plain'"):
        encode_traces([trace("<think>3+2</think> 5")], plain, config)


@pytest.mark.parametrize(
    ("lengths", "max_tokens", "expected"),
    [
        # 6, then 5 (two would be 10), then 4 and 3 (8 with padding), then 2
        ((4, 2, 6, 3, 5), 9, [[6], [5], [4, 3], [2]]),
        # At least three quarters of 11 tokens are 9
        ((11, 4, 9, 8, 3), 1000, [[11, 9], [8], [4, 3]]),
        # Longer than a micro-batch: alone
        ((8, 2, 2), 4, [[8], [2, 2]]),
    ],
)
def test_micro_batches_are_sorted_by_length(lengths, max_tokens, expected):
    examples = [Example([1] * (length - 1), [2]) for length in lengths]
    batches = list(sft_data.micro_batches(examples, max_tokens))
    found = [[len(e.token_ids) for e in batch.examples] for batch in batches]
    assert found == expected
    for batch, rows in zip(batches, found, strict=True):
        assert batch.token_ids.shape == (len(rows), max(rows))
