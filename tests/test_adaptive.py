"""Adaptive thinking: who answers twice, and what it costs."""

from scripted import output_of
from tiny import ByteTokenizer

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.scaling import METHODS
from reasoning_from_scratch.scaling.adaptive import adaptive_thinking

PROBLEMS = [Problem("easy", "1", id="e"), Problem("hard", "2", id="h")]


def play(monkeypatch, write):
    """Let `llm.generate` say (text, log-probability) by prompt."""
    calls = []

    def generate(model, tokenizer, prompts, *, num_samples=1, **decoding):
        calls.append((prompts, num_samples, decoding))
        outputs = []
        for prompt in prompts:
            for number in range(num_samples):
                text, logprob = write(prompt, number)
                count = len(output_of(text).token_ids)
                outputs.append(output_of(text, [logprob] * count))
        return outputs

    monkeypatch.setattr(llm, "generate", generate)
    return calls


def test_only_the_unsure_are_asked_to_think(monkeypatch):
    def write(prompt, number):
        if prompt.startswith("think"):
            return r"so \boxed{2}", -0.1
        return r"\boxed{1}", -0.1 if "easy" in prompt else -0.9

    calls = play(monkeypatch, write)
    easy, hard = adaptive_thinking(
        None,
        ByteTokenizer(),
        PROBLEMS,
        ["think easy", "think hard"],
        threshold=-0.2,
        direct_prompt="{problem}:",
        sampling=llm.SamplingConfig(temperature=0.7),
    )
    assert [call[0] for call in calls] == [
        ["easy:", "hard:"],
        ["think hard"],
    ]
    assert (easy.response, hard.response) == (r"\boxed{1}", r"so \boxed{2}")
    # One token a byte and the end: 9 + 1; then 12 + 1 on top
    assert (easy.num_tokens, hard.num_tokens) == (10, 23)
    # The first look is greedy whatever the second is
    assert calls[0][2]["sampling"].is_greedy
    assert not calls[1][2]["sampling"].is_greedy


def test_an_unsure_solution_is_put_to_the_vote(monkeypatch):
    votes = [r"\boxed{2}", r"\boxed{7}", r"\boxed{2}"]

    def write(prompt, number):
        return votes[number], -0.3

    calls = play(monkeypatch, write)
    (output,) = METHODS["adaptive-samples"](
        None, ByteTokenizer(), PROBLEMS[1:], ["hard"], num_samples=3
    )
    assert [call[1] for call in calls] == [1, 3]
    assert [s.get("role") for s in output.samples] == ["draft", *[None] * 3]
    assert output.response == r"\boxed{2}"
    assert output.num_tokens == 4 * 10


def test_a_sure_answer_that_was_cut_or_is_none_does_not_stand(monkeypatch):
    for text in (r"\boxed{1}…", "no answer at all"):
        calls = play(monkeypatch, lambda prompt, number, t=text: (t, -0.01))
        METHODS["adaptive-samples"](
            None, ByteTokenizer(), PROBLEMS[:1], ["easy"], num_samples=2
        )
        assert len(calls) == 2


def test_when_all_are_sure_nobody_is_asked_twice(monkeypatch):
    calls = play(monkeypatch, lambda prompt, number: (r"\boxed{1}", -0.01))
    METHODS["adaptive-samples"](
        None, ByteTokenizer(), PROBLEMS, ["easy", "hard"]
    )
    assert len(calls) == 1
