"""The calculator at work: when it is called, what it writes, what it costs."""

from fractions import Fraction

import pytest
import torch
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import generate
from reasoning_from_scratch.scaling.calculator import (
    CalculatorEdit,
    calculator,
    count_calls,
    decimal_text,
    result_behind,
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("47*6", "282"),
        (" 3*18=54\n-2*27", "-54"),
        ("first 5, then 5*9", None),  # words stand before it
        ("so: 5*9", "45"),
        ("9y=-78+42", "-36"),
        ("2+3+4=5+4", "9"),
        ("47 * 6 ", " 282"),
        ("3*(-2)", "-6"),
        ("1.5*4", "6"),
        ("0.5*0.5", "0.25"),
        ("300/20", "15"),
    ],
)
def test_the_result_stands_behind_arithmetic(text, result):
    assert result_behind(text) == result


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "4x+20",
        "-7",  # a sign makes no calculation
        "16",  # 16=2*2*2*2
        "14=1*14",  # 14=1*14=2*7
        "14=1*14=2*7",
        "3/4",  # 6/8 or 0.75?
        "1.0/3",  # no end of decimals
        "1/0",
        "",
    ],
)
def test_what_could_mean_several_things_is_left_to_the_model(text):
    assert result_behind(text) is None


def test_decimals_are_written_without_rounding():
    values = [Fraction(-7, 4), Fraction(5), Fraction(1, 1000), Fraction(0)]
    assert list(map(decimal_text, values)) == ["-1.75", "5", "0.001", "0"]
    assert decimal_text(Fraction(1200)) == "1200"


def test_calls_are_counted_where_a_result_was_written():
    text = " 3*18=54\n54+4x=9\n14=1*14=2*7\n54-4=50"
    assert count_calls(text) == 2


class Writer:
    """A model that always writes the same bytes, position by position."""

    def __init__(self, text):
        self.model = tiny_model()
        self.text = text.encode() + b"\0" * 64
        self.config = self.model.config
        self.device, self.dtype = self.model.device, self.model.dtype

    def __call__(self, token_ids, cache, key_mask=None, last_only=False):
        self.model(token_ids, cache, key_mask, last_only)
        wanted = self.text[cache.length - len("?")]
        logits = torch.zeros(len(token_ids), 1, 256)
        logits[..., wanted] = 5.0  # likely, not certain
        return logits


def write(text, max_new_tokens=20):
    """What comes of a text whose writer is helped by the calculator."""
    tokenizer = ByteTokenizer()
    (output,) = generate(
        Writer(text),
        tokenizer,
        ["?"],
        max_new_tokens=max_new_tokens,
        edit=CalculatorEdit(tokenizer),
    )
    return output


def test_a_wrong_result_is_replaced_by_the_right_one():
    # As many digits as it would have written: it goes on at "\n"
    assert write("47*6=272\n7+1=9\n").text == "47*6=282\n7+1=8\n"


def test_what_is_no_call_is_left_as_it_was_written():
    text = "x=3\n14=1*14=2*7\n"
    assert write(text).text == text


def test_the_calculators_tokens_count_and_nobody_drew_them():
    output = write("47*6=272\n")
    assert len(output.token_ids) == len("47*6=282\n") + 1  # and the end
    changed = output.text.index("8")
    assert output.logprobs[changed] == 0.0
    assert output.logprobs[0] != 0.0


def test_a_result_may_be_cut_at_the_last_token_allowed():
    output = write("47*6=272\n", max_new_tokens=6)
    assert (output.text, output.stop_reason) == ("47*6=2", "length")


def test_every_answer_of_a_batch_is_helped_alike():
    problems = [Problem("?", "8", id=name) for name in "ab"]
    outputs = calculator(
        Writer("3+4=9\n7+1=9\n"),
        ByteTokenizer(),
        problems,
        ["?", "?"],
        num_samples=2,
        max_new_tokens=16,
        seed=0,
        batch_size=2,
    )
    for output in outputs:
        assert output.response == "3+4=7\n7+1=8\n"
        assert [sample["num_calls"] for sample in output.samples] == [2, 2]


def test_a_model_that_writes_no_arithmetic_is_not_disturbed():
    model, tokenizer = tiny_model(), ByteTokenizer()
    options = {"max_new_tokens": 30, "num_samples": 3, "seed": 4}
    plain = generate(model, tokenizer, ["a", "bcd"], **options)
    edit = CalculatorEdit(tokenizer)
    assert generate(model, tokenizer, ["a", "bcd"], edit=edit, **options) == (
        plain
    )
