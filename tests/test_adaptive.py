"""Adaptive thinking: who answers twice, and what it costs."""

import pytest
from scripted import play
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import METHODS

PROBLEMS = [Problem("easy", "1", id="e"), Problem("hard", "2", id="h")]
PROMPTS = ["think easy", "think hard"]


def test_only_the_unsure_are_asked_to_think(monkeypatch):
    def write(prompt, number):
        if prompt.startswith("think"):
            return r"so \boxed{2}", -0.1
        return r"\boxed{1}", -0.1 if "easy" in prompt else -0.9

    # The direct prompt is that of the model asked, not the environment's
    monkeypatch.setenv("RFS_MODEL", "qwen3-0.6b-base")
    model = tiny_model()
    model.settings_name = "pocket"
    question = (model, ByteTokenizer(), PROBLEMS, PROMPTS)
    calls = play(monkeypatch, write)
    warm = SamplingConfig(temperature=0.7)
    easy, hard = METHODS["adaptive-think"](*question, sampling=warm)
    first, second = calls
    assert first["prompts"] == [
        f"Problem: {p.problem}\nAnswer:" for p in PROBLEMS
    ]
    assert second["prompts"] == ["think hard"]
    assert (easy.response, hard.response) == (r"\boxed{1}", r"so \boxed{2}")
    # One token a byte and the end: 9 + 1; then 12 + 1 on top
    assert (easy.num_tokens, hard.num_tokens) == (10, 23)
    # The first look is greedy whatever the second is
    assert first["sampling"].is_greedy and second["sampling"] == warm


@pytest.mark.parametrize(
    ("text", "logprob", "num_calls"),
    [
        (r"\boxed{2}", -0.01, 1),
        (r"\boxed{2}", -0.3, 2),
        (r"\boxed{2}…", -0.01, 2),
        ("no answer at all", -0.01, 2),
    ],
)
def test_a_solution_that_is_unsure_cut_or_without_an_answer_goes_to_a_vote(
    monkeypatch, text, logprob, num_calls
):
    calls = play(monkeypatch, lambda prompt, number: (text, logprob))
    question = (None, ByteTokenizer(), PROBLEMS[1:], PROMPTS[1:])
    (output,) = METHODS["adaptive-samples"](*question, num_samples=2)
    assert [c["num_samples"] for c in calls] == [1, 2][:num_calls]
    roles = [sample.get("role") for sample in output.samples]
    assert roles == ["draft", *[None] * (2 * num_calls - 2)]
    each = output.samples[0]["num_tokens"]
    assert output.num_tokens == each * len(roles)
