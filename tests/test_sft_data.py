"""Examples and batches: which tokens there are, and which are learned."""

import pytest
from tiny_checkpoints import write_tokenizer

from reasoning_from_scratch.llm import Qwen3Tokenizer
from reasoning_from_scratch.training import (
    DistillationConfig,
    Example,
    encode_example,
    encode_traces,
)
from reasoning_from_scratch.training.sft_data import (
    count_learned_tokens,
    make_batch,
    micro_batches,
    shorten_thinking,
)
from reasoning_from_scratch.training.traces import Trace


def trace_of(thinking="", response=" 5", **fields):
    fields = {"id": "a#0", "problem": "2+3?", "answer": "5", **fields}
    return Trace(
        thinking=thinking,
        response=response,
        finish_reason="stop",
        model="m",
        correct=True,
        **fields,
    )


def test_the_mask_of_a_batch_by_hand():
    # p prompt, c completion, E end, . padding; column t predicts t + 1
    #   p p p c E    columns 2 and 3
    #   p c c E .    columns 0, 1 and 2
    batch = make_batch(
        [Example([1, 2, 3], [4, 9]), Example([5], [6, 7, 9])], pad_id=0
    )
    assert batch.token_ids.tolist() == [[1, 2, 3, 4, 9], [5, 6, 7, 9, 0]]
    assert batch.mask.int().tolist() == [[0, 0, 1, 1], [1, 1, 1, 0]]
    assert batch.targets.tolist() == [4, 9, 6, 7, 9]


def test_a_completion_ends_with_the_end_token(tokenizer):
    example = encode_example(tokenizer, "2+3=", " 5")
    assert example.completion_ids == [
        *tokenizer.encode(" 5"),
        tokenizer.eos_id,
    ]
    assert example.prompt_ids == tokenizer.encode("2+3=")


@pytest.mark.parametrize("thinking", ["\nadd\n", "add\n", ""])
def test_a_think_block_that_the_prompt_opened_is_closed_once(
    tokenizer, thinking
):
    prompt = "2+3?<think>\n"
    example = encode_example(tokenizer, prompt, "\n\n5", thinking=thinking)
    written = tokenizer.decode(example.token_ids)
    thought = "add" if thinking else ""
    assert written.startswith(f"{prompt}{thought}\n</think>\n\n5")


def test_prompt_tokens_are_those_that_generate_would_read(tokenizer):
    # Tokenised together, "Answer" and ":" might share a token with what
    # follows; the model is asked with the prompt alone.
    prompt = "Problem: 12 + 7\nAnswer"
    example = encode_example(tokenizer, prompt, ": Let's")
    assert example.prompt_ids == tokenizer.encode(prompt)


def test_a_teacher_cannot_end_a_text_with_a_control_string(tokenizer):
    example = encode_example(tokenizer, "2+3=", " 5<|endoftext|> 6")
    assert example.completion_ids.count(tokenizer.eos_id) == 1
    text = tokenizer.decode(example.completion_ids[:-1])
    assert text == " 5<|endoftext|> 6"


def test_thinking_stands_between_its_tokens(tokenizer):
    example = encode_example(tokenizer, "2+3=", " 5", thinking="3+2")
    think, end_think = map(tokenizer.token_to_id, ("<think>", "</think>"))
    assert example.completion_ids == [
        think,
        *tokenizer.encode("3+2"),
        end_think,
        *tokenizer.encode(" 5"),
        tokenizer.eos_id,
    ]


def test_a_trace_is_learned_in_the_very_tokens_of_its_teacher(tokenizer):
    # Its distributions are of " ", "<think>", …: nothing may be missing
    config = DistillationConfig(prompt="{problem}")
    trace = trace_of("3+2", opening=" ")
    (example,), _ = encode_traces([trace], tokenizer, config)
    assert example.completion_ids[:-1] == tokenizer.encode(trace.text)


@pytest.mark.parametrize(
    ("thinking", "text"),
    [
        ("tags", "<think>3+2</think> 5"),
        ("short", "<think>3+2</think> 5"),
        ("plain", "3+2 5"),
        ("none", " 5"),
    ],
)
def test_thinking_can_be_kept_stripped_of_its_tags_or_left_out(
    tokenizer, thinking, text
):
    config = DistillationConfig(prompt="{problem}", thinking=thinking)
    (example,), _ = encode_traces([trace_of("3+2")], tokenizer, config)
    assert tokenizer.decode(example.completion_ids[:-1]) == text


def test_short_thinking_keeps_steps_and_drops_their_scratch_work():
    # 4*17 by digits, then the step; a list and a chain are steps too
    scratch = "4*7=28 4*1+2=6"
    steps = ["4*17=68", "15, 30, 45", "5x=65=60+5"]
    text = "\n".join(["", scratch, *steps, ""])
    assert shorten_thinking(text) == "\n".join(["", *steps, ""])


def test_thinking_needs_a_tokenizer_with_think_tokens(tmp_path):
    plain = Qwen3Tokenizer(write_tokenizer(tmp_path, think=False))
    with pytest.raises(ValueError, match="thinking='plain'"):
        encode_example(plain, "2+3=", " 5", thinking="3+2")


def test_long_traces_are_left_out_and_counted(tokenizer):
    config = DistillationConfig(prompt="{problem}", max_tokens=10)
    traces = [trace_of(), trace_of(response="9" * 50)]
    examples, num_too_long = encode_traces(traces, tokenizer, config)
    assert (len(examples), num_too_long) == (1, 1)
    with pytest.raises(ValueError, match="none of 1 traces fits"):
        encode_traces(traces[1:], tokenizer, config)


def test_a_teacher_asked_otherwise_scores_behind_its_own_prompt(tokenizer):
    config = DistillationConfig(prompt="{problem}")
    traces = [
        trace_of(prompt="{problem}"),
        trace_of(prompt="Think. {problem}"),
    ]
    (same, other), _ = encode_traces(traces, tokenizer, config)
    assert same.teacher_prompt_ids is None
    assert other.teacher_prompt_ids == tokenizer.encode("Think. 2+3?")


def test_micro_batches_hold_every_example_once_by_length():
    # Rows of 2 to 6 tokens in at most 9: 6, then 5 (two would be 10), then
    # 4 and 3 (8 with padding), then 2
    examples = [Example([1] * n, [2]) for n in (3, 1, 5, 2, 4)]
    batches = list(micro_batches(examples, 9))
    lengths = [[len(e.token_ids) for e in b.examples] for b in batches]
    assert lengths == [[6], [5], [4, 3], [2]]
    assert [b.token_ids.shape for b in batches] == [
        (1, 6),
        (1, 5),
        (2, 4),
        (1, 2),
    ]


def test_much_shorter_examples_make_another_micro_batch():
    # At least three quarters of 11 tokens are 9
    examples = [Example([1] * n, [2]) for n in (10, 3, 8, 7, 2)]
    batches = list(micro_batches(examples, 1000))
    lengths = [[len(e.token_ids) for e in b.examples] for b in batches]
    assert lengths == [[11, 9], [8], [4, 3]]


def test_an_example_longer_than_a_micro_batch_goes_alone():
    examples = [Example([1] * n, [2]) for n in (7, 1, 1)]
    batches = list(micro_batches(examples, 4))
    assert [b.token_ids.numel() for b in batches] == [8, 4]


def test_learned_tokens_are_the_completions():
    examples = [Example([1, 2, 3], [4, 9]), Example([5], [6, 7, 9])]
    assert count_learned_tokens(examples) == 5
    assert int(make_batch(examples).mask.sum()) == 5
