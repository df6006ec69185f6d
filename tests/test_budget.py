"""Thinking budgets: what is forced, taken back, and paid for."""

import pytest
from scripted import play
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling.budget import budget_forcing

THINK_ID = 1


class ThinkTokenizer(ByteTokenizer):
    """A byte tokenizer in which byte 1 ends a think block."""

    def token_to_id(self, token):
        return {"</think>": THINK_ID}.get(token)


def force(monkeypatch, write, **arguments):
    script = play(monkeypatch, write)
    (output,) = budget_forcing(
        None,
        ThinkTokenizer(),
        [Problem("a?", "7", id="a")],
        ["a?"],
        **arguments,
    )
    return output, script


def test_plain_text_past_its_budget_is_led_to_a_box(monkeypatch):
    def write(prompt, number):
        return "7}" if prompt.endswith(r"\boxed{") else "3+4=7…"

    output, script = force(monkeypatch, write, max_thinking_tokens=5)
    assert output.response == r"3+4=7 \boxed{7}"
    assert script.calls[0]["max_new_tokens"] == 5


def test_a_think_block_past_its_budget_is_closed(monkeypatch):
    def write(prompt, number):
        if prompt.endswith("</think>"):
            return r" \boxed{7}"
        return "<think>3+4…"

    output, _ = force(monkeypatch, write, max_thinking_tokens=4)
    assert output.response == r"<think>3+4</think> \boxed{7}"


def test_thinking_that_ends_in_time_is_answered_as_usual(monkeypatch):
    def write(prompt, number):
        if prompt.endswith("</think>"):
            return r" \boxed{7}"
        return "<think>3+4=7"  # its last token is </think>

    output, script = force(monkeypatch, write, max_thinking_tokens=99)
    assert output.response == r"<think>3+4=7</think> \boxed{7}"
    assert script.calls[0]["stop_ids"] == [0, THINK_ID]


def test_plain_text_that_ends_in_time_is_left_alone(monkeypatch):
    output, script = force(
        monkeypatch, lambda *_: r"3+4=7 \boxed{7}", max_thinking_tokens=99
    )
    assert output.response == r"3+4=7 \boxed{7}"
    assert len(script.calls) == 1


def test_a_budget_that_ends_inside_the_box_opens_no_second_one(monkeypatch):
    def write(prompt, number):
        return "7}" if prompt.endswith("1") else r"3+14=17 \boxed{1…"

    output, _ = force(monkeypatch, write, max_thinking_tokens=5)
    assert output.response == r"3+14=17 \boxed{17}"


def test_only_generated_tokens_are_counted(monkeypatch):
    def write(prompt, number):
        return "7}" if prompt.endswith(r"\boxed{") else "3+4=7…"

    output, _ = force(monkeypatch, write, max_thinking_tokens=5)
    assert output.num_tokens == 5 + 3  # " \boxed{" was forced


def test_wait_takes_the_place_of_the_box(monkeypatch):
    def write(prompt, number):
        return r" no: \boxed{7}" if "Wait" in prompt else r"3+4=8 \boxed{8}"

    output, _ = force(monkeypatch, write, num_extensions=1)
    assert output.response == r"3+4=8 Wait, no: \boxed{7}"


def test_wait_takes_the_place_of_the_end_of_a_think_block(monkeypatch):
    def write(prompt, number):
        if prompt.endswith("</think>"):
            return r" \boxed{7}"
        return " no, 7" if prompt.endswith("Wait,") else "<think>3+4=8"

    output, _ = force(monkeypatch, write, num_extensions=2)
    assert output.response == (
        r"<think>3+4=8 Wait, no, 7 Wait, no, 7</think> \boxed{7}"
    )


def test_every_sample_of_a_problem_gets_its_budget(monkeypatch):
    output, _ = force(
        monkeypatch,
        lambda *_: r"3+4=7 \boxed{7}",
        num_samples=3,
        sampling=SamplingConfig(temperature=0.7),
    )
    assert [sample["answer"] for sample in output.samples] == ["7"] * 3


def test_a_budget_of_no_tokens_is_not_taken_for_no_budget():
    with pytest.raises(ValueError, match="max_new_tokens must be"):
        budget_forcing(
            tiny_model(),
            ThinkTokenizer(),
            [Problem("a?", "7", id="a")],
            ["a?"],
            max_thinking_tokens=0,
        )
