"""Thinking budgets: what is forced, taken back, and paid for."""

import pytest
from scripted import play
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import budget_forcing

THINK_ID = 1
SEVEN = r" \boxed{7}"


class ThinkTokenizer(ByteTokenizer):
    """A byte tokenizer in which byte 1 ends a think block."""

    def token_to_id(self, token):
        return {"</think>": THINK_ID}.get(token)


def force(model=None, **arguments):
    problems = [Problem("a?", "7", id="a")]
    (output,) = budget_forcing(
        model, ThinkTokenizer(), problems, ["a?"], **arguments
    )
    return output


@pytest.mark.parametrize(
    ("texts", "budget", "num_extensions", "response"),
    [
        # past its budget, plain text is led to a box, a think block closed
        ({r"\boxed{": "7}", "": "3+4=7…"}, 5, 0, r"3+4=7 \boxed{7}"),
        (
            {"</think>": SEVEN, "": "<think>3+4…"},
            4,
            0,
            r"<think>3+4</think> \boxed{7}",
        ),
        # in time: the last token of the block is </think>; plain text is left
        (
            {"</think>": SEVEN, "": "<think>3+4=7"},
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
            {"</think>": SEVEN, "Wait,": " no, 7", "": "<think>3+4=8"},
            None,
            2,
            r"<think>3+4=8 Wait, no, 7 Wait, no, 7</think> \boxed{7}",
        ),
    ],
)
def test_the_end_of_thinking_is_forced_or_taken_back(
    monkeypatch, texts, budget, num_extensions, response
):
    def write(prompt, number):  # by the first ending that the prompt has
        return next(t for end, t in texts.items() if prompt.endswith(end))

    calls = play(monkeypatch, write)
    output = force(max_thinking_tokens=budget, num_extensions=num_extensions)
    assert output.response == response
    assert calls[0]["stop_ids"] == [0, THINK_ID]
    assert calls[0]["max_new_tokens"] == (budget or 512)
    assert len(calls) == len(texts) + (num_extensions == 2)


def test_only_what_was_generated_is_counted(monkeypatch):
    texts = {True: "7}", False: "3+4=7…"}
    play(monkeypatch, lambda prompt, number: texts[prompt.endswith("{")])
    assert force(max_thinking_tokens=5).num_tokens == 5 + 3  # no " \boxed{"


def test_every_sample_of_a_problem_gets_its_budget(monkeypatch):
    play(monkeypatch, lambda prompt, number: SEVEN)
    output = force(num_samples=3, sampling=SamplingConfig(temperature=0.7))
    assert [sample["answer"] for sample in output.samples] == ["7"] * 3


def test_a_budget_of_no_tokens_is_not_taken_for_no_budget():
    with pytest.raises(ValueError, match="max_new_tokens must be"):
        force(tiny_model(), max_thinking_tokens=0)
