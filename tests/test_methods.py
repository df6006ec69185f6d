"""The table of methods: one shape for all, and what they cost."""

import pytest
from scripted import play
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import METHODS
from reasoning_from_scratch.scaling import self_consistency as by_name

PROBLEMS = [Problem("a?", "7", id="a"), Problem("bb?", "8", id="b")]
PROMPTS = ["a?", "bb?"]


class Tokenizer(ByteTokenizer):
    def token_to_id(self, token):
        return None


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_every_problem(name):
    outputs = METHODS[name](
        tiny_model(),
        Tokenizer(),
        PROBLEMS,
        PROMPTS,
        num_samples=min(2, METHODS[name].num_samples),
        max_new_tokens=6,
        seed=0,
        batch_size=8,
        progress=None,
    )
    assert len(outputs) == len(PROBLEMS)
    for output in outputs:
        tokens = [sample["num_tokens"] for sample in output.samples]
        assert not tokens or output.num_tokens == sum(tokens)
        assert output.stop_reason in ("stop", "length")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_repeats_itself_with_its_seed(name):
    first, second = (
        METHODS[name](
            tiny_model(),
            Tokenizer(),
            PROBLEMS,
            PROMPTS,
            num_samples=min(2, METHODS[name].num_samples),
            max_new_tokens=6,
            seed=5,
        )
        for _ in range(2)
    )
    assert first == second


def test_a_method_brings_its_own_defaults(monkeypatch):
    script = play(monkeypatch, lambda prompt, number: r"\boxed{7}")
    METHODS["best-of-n"](None, Tokenizer(), PROBLEMS, PROMPTS)
    (call,) = script.calls
    assert call["num_samples"] == METHODS["best-of-n"].num_samples
    assert call["sampling"].temperature == METHODS["best-of-n"].temperature


def test_what_the_caller_says_goes_before_the_defaults(monkeypatch):
    script = play(monkeypatch, lambda prompt, number: r"\boxed{7}")
    sampling = SamplingConfig(temperature=0.3, top_p=0.9)
    METHODS["self-consistency"](
        None, Tokenizer(), PROBLEMS, PROMPTS, num_samples=3, sampling=sampling
    )
    (call,) = script.calls
    assert call["num_samples"] == 3
    assert call["sampling"] == sampling


def test_a_name_shared_with_its_module_is_the_function():
    assert callable(by_name)
