"""Adaptive thinking: who answers twice, and what it costs."""

import pytest
from scripted import play
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import METHODS
from reasoning_from_scratch.scaling.adaptive import adaptive_thinking

PROBLEMS = [Problem("easy", "1", id="e"), Problem("hard", "2", id="h")]


def vote_when_unsure(problems, num_samples=2):
    prompts = [problem.problem for problem in problems]
    method = METHODS["adaptive-samples"]
    arguments = (None, ByteTokenizer(), problems, prompts)
    return method(*arguments, num_samples=num_samples)


def test_only_the_unsure_are_asked_to_think(monkeypatch):
    def write(prompt, number):
        if prompt.startswith("think"):
            return r"so \boxed{2}", -0.1
        return r"\boxed{1}", -0.1 if "easy" in prompt else -0.9

    script = play(monkeypatch, write)
    easy, hard = adaptive_thinking(
        None,
        ByteTokenizer(),
        PROBLEMS,
        ["think easy", "think hard"],
        sampling=SamplingConfig(temperature=0.7),
    )
    first, second = script.calls
    assert first["prompts"] == [
        f"Problem: {p}\nAnswer:" for p in ("easy", "hard")
    ]
    assert second["prompts"] == ["think hard"]
    assert (easy.response, hard.response) == (r"\boxed{1}", r"so \boxed{2}")
    # One token a byte and the end: 9 + 1; then 12 + 1 on top
    assert (easy.num_tokens, hard.num_tokens) == (10, 23)
    # The first look is greedy whatever the second is
    assert first["sampling"].is_greedy
    assert not second["sampling"].is_greedy


def test_an_unsure_solution_is_put_to_the_vote(monkeypatch):
    votes = [r"\boxed{2}", r"\boxed{7}", r"\boxed{2}"]
    script = play(monkeypatch, lambda prompt, number: (votes[number], -0.3))
    (output,) = vote_when_unsure(PROBLEMS[1:], num_samples=3)
    assert [call["num_samples"] for call in script.calls] == [1, 3]
    assert [s.get("role") for s in output.samples] == ["draft", *[None] * 3]
    assert output.response == r"\boxed{2}"
    assert output.num_tokens == 4 * 10


@pytest.mark.parametrize(
    ("text", "num_calls"),
    [(r"\boxed{1}", 1), (r"\boxed{1}…", 2), ("no answer at all", 2)],
)
def test_a_sure_answer_stands_unless_it_was_cut_or_is_none(
    monkeypatch, text, num_calls
):
    script = play(monkeypatch, lambda prompt, number: (text, -0.01))
    vote_when_unsure(PROBLEMS)
    assert len(script.calls) == num_calls


def test_the_direct_prompt_is_that_of_the_model_asked(monkeypatch):
    monkeypatch.setenv("RFS_MODEL", "qwen3-0.6b-base")
    model = tiny_model()
    model.settings_name = "pocket"
    script = play(monkeypatch, lambda prompt, number: (r"\boxed{1}", -0.01))
    adaptive_thinking(model, ByteTokenizer(), PROBLEMS[:1], ["think easy"])
    assert script.calls[0]["prompts"] == ["Problem: easy\nAnswer:"]
