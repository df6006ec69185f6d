"""Thinking budgets: what is forced, taken back, and paid for."""

import pytest
from scripted import play
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling.budget import budget_forcing

PROBLEMS = [Problem("a?", "7", id="a")]
THINK_ID = 1


class ThinkTokenizer(ByteTokenizer):
    """A byte tokenizer in which byte 1 ends a think block."""

    def token_to_id(self, token):
        return {"</think>": THINK_ID}.get(token)


def force(monkeypatch, texts, **arguments):
    """Answer with the text of the first ending that the prompt has."""

    def write(prompt, number):
        return next(t for end, t in texts.items() if prompt.endswith(end))

    script = play(monkeypatch, write)
    (output,) = budget_forcing(
        None, ThinkTokenizer(), PROBLEMS, ["a?"], **arguments
    )
    return output, script


@pytest.mark.parametrize(
    ("texts", "max_thinking_tokens", "num_extensions", "response"),
    [
        # past its budget, plain text is led to a box, a think block closed
        ({r"\boxed{": "7}", "": "3+4=7…"}, 5, 0, r"3+4=7 \boxed{7}"),
        (
            {"</think>": r" \boxed{7}", "": "<think>3+4…"},
            4,
            0,
            r"<think>3+4</think> \boxed{7}",
        ),
        # in time: the last token of the block is </think>; plain text is left
        (
            {"</think>": r" \boxed{7}", "": "<think>3+4=7"},
            99,
            0,
            r"<think>3+4=7</think> \boxed{7}",
        ),
        ({"": r"3+4=7 \boxed{7}"}, 99, 0, r"3+4=7 \boxed{7}"),
        # a budget that ends inside the box opens no second one
        ({"1": "7}", "": r"3+14=17 \boxed{1…"}, 5, 0, r"3+14=17 \boxed{17}"),
        # "Wait" takes the place of the box, or of the end of a think block
        (
            {"Wait,": r" no: \boxed{7}", "": r"3+4=8 \boxed{8}"},
            None,
            1,
            r"3+4=8 Wait, no: \boxed{7}",
        ),
        (
            {
                "</think>": r" \boxed{7}",
                "Wait,": " no, 7",
                "": "<think>3+4=8",
            },
            None,
            2,
            r"<think>3+4=8 Wait, no, 7 Wait, no, 7</think> \boxed{7}",
        ),
    ],
)
def test_the_end_of_thinking_is_forced_or_taken_back(
    monkeypatch, texts, max_thinking_tokens, num_extensions, response
):
    output, script = force(
        monkeypatch,
        texts,
        max_thinking_tokens=max_thinking_tokens,
        num_extensions=num_extensions,
    )
    assert output.response == response
    assert script.calls[0]["stop_ids"] == [0, THINK_ID]
    if max_thinking_tokens:
        assert script.calls[0]["max_new_tokens"] == max_thinking_tokens
    if len(texts) == 1:
        assert len(script.calls) == 1


def test_only_generated_tokens_are_counted(monkeypatch):
    texts = {r"\boxed{": "7}", "": "3+4=7…"}
    output, _ = force(monkeypatch, texts, max_thinking_tokens=5)
    assert output.num_tokens == 5 + 3  # " \boxed{" was forced


def test_every_sample_of_a_problem_gets_its_budget(monkeypatch):
    output, _ = force(
        monkeypatch,
        {"": r"3+4=7 \boxed{7}"},
        num_samples=3,
        sampling=SamplingConfig(temperature=0.7),
    )
    assert [sample["answer"] for sample in output.samples] == ["7"] * 3


def test_a_budget_of_no_tokens_is_not_taken_for_no_budget():
    with pytest.raises(ValueError, match="max_new_tokens must be"):
        budget_forcing(
            tiny_model(),
            ThinkTokenizer(),
            PROBLEMS,
            ["a?"],
            max_thinking_tokens=0,
        )
