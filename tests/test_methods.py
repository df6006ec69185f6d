"""The table of methods: one shape for all, and what they cost."""

import pytest
from scripted import play
from tiny import ByteTokenizer, tiny_model, write_verifier

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import METHODS
from reasoning_from_scratch.scaling.samples import read_samples

PROBLEMS = [Problem("a?", "7", id="a"), Problem("bb?", "8", id="b")]
PROMPTS = ["a?", "bb?"]
NARROW = SamplingConfig(temperature=0.3, top_p=0.9)
CHOOSERS = [name for name in METHODS if "vote" in name or "best" in name]


class Tokenizer(ByteTokenizer):
    def token_to_id(self, token):
        return None


@pytest.fixture(autouse=True)
def verifier(runs_folder):
    write_verifier(runs_folder / "verifier")


def run_tiny(method, num_samples, **decoding):
    """Let a method, or that of a name, answer two problems."""
    options = {"num_samples": num_samples, "max_new_tokens": 6, "seed": 5}
    return METHODS.get(method, method)(
        tiny_model(), Tokenizer(), PROBLEMS, PROMPTS, **options | decoding
    )


def texts_of(outputs):
    return [[sample["text"] for sample in each.samples] for each in outputs]


def recorded(outputs):
    """What an evaluation would have written down of the samples."""
    pairs = zip(PROBLEMS, outputs, strict=True)
    rows = [{"id": p.id, "samples": output.samples} for p, output in pairs]
    return read_samples(rows)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_every_problem_and_repeats_itself(name):
    num_samples = min(2, METHODS[name].num_samples)
    outputs, again = (
        run_tiny(name, num_samples, batch_size=8, progress=None)
        for _ in range(2)
    )
    assert outputs == again
    assert len(outputs) == len(PROBLEMS)
    for output in outputs:
        tokens = [sample["num_tokens"] for sample in output.samples]
        assert not tokens or output.num_tokens == sum(tokens)
        assert output.stop_reason in ("stop", "length")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_numbers_of_samples_that_make_no_sense(name):
    for number in (0, -1):
        with pytest.raises(ValueError, match=f"must be >= 1, got {number}"):
            run_tiny(name, number)
    if not METHODS[name].is_sequential:
        with pytest.raises(ValueError, match="greedy samples would all be"):
            run_tiny(name, 2, sampling=SamplingConfig())


@pytest.mark.parametrize(
    ("own", "num_samples", "sampling"),
    [
        ({}, 16, SamplingConfig(temperature=0.7)),
        ({"num_samples": 3, "sampling": NARROW}, 3, NARROW),
    ],
)
def test_what_the_caller_says_goes_before_the_defaults_of_a_method(
    monkeypatch, own, num_samples, sampling
):
    calls = play(monkeypatch, lambda prompt, number: r"\boxed{7}")
    METHODS["best-of-n"](None, Tokenizer(), PROBLEMS, PROMPTS, **own)
    (call,) = calls
    assert (call["num_samples"], call["sampling"]) == (num_samples, sampling)


@pytest.mark.parametrize("name", CHOOSERS)
def test_a_method_chooses_the_same_among_recorded_samples(name, monkeypatch):
    samples = recorded(run_tiny("self-consistency", 4))
    fresh = run_tiny(name, 4)
    calls = play(monkeypatch, lambda prompt, number: "drawn again")
    again = run_tiny(METHODS[name].reusing(samples), 4)
    assert [o.response for o in again] == [o.response for o in fresh]
    assert [o.num_tokens for o in again] == [o.num_tokens for o in fresh]
    assert calls == []


def test_samples_that_are_not_recorded_are_drawn(monkeypatch):
    full = run_tiny("self-consistency", 4)
    two = recorded(run_tiny("self-consistency", 2))
    method = METHODS["self-consistency"].reusing(two)
    assert texts_of(run_tiny(method, 4)) == texts_of(full)
    calls = play(monkeypatch, lambda prompt, number: f"number {number}")
    assert texts_of(run_tiny(method, 3))[0][-1] == "number 2"
    assert calls[0]["num_samples"] == 1


def test_what_holds_or_takes_no_recorded_samples_says_so():
    for name in ("self-refine", "confidence-stop", "budget-cap", "sample"):
        with pytest.raises(ValueError, match="leave --samples-of out"):
            METHODS[name].reusing({})
    with pytest.raises(ValueError, match="no samples to choose from"):
        read_samples([{"id": "a", "response": "7"}])
