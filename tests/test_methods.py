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


class Tokenizer(ByteTokenizer):
    def token_to_id(self, token):
        return None


@pytest.fixture(autouse=True)
def verifier(runs_folder):
    write_verifier(runs_folder / "verifier")


def run_tiny(method, num_samples, **decoding):
    return method(
        tiny_model(),
        Tokenizer(),
        PROBLEMS,
        PROMPTS,
        num_samples=num_samples,
        max_new_tokens=6,
        seed=5,
        **decoding,
    )


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_every_problem_and_repeats_itself(name):
    num_samples = min(2, METHODS[name].num_samples)
    outputs, again = (
        run_tiny(METHODS[name], num_samples, batch_size=8, progress=None)
        for _ in range(2)
    )
    assert outputs == again
    assert len(outputs) == len(PROBLEMS)
    for output in outputs:
        tokens = [sample["num_tokens"] for sample in output.samples]
        assert not tokens or output.num_tokens == sum(tokens)
        assert output.stop_reason in ("stop", "length")


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
    script = play(monkeypatch, lambda prompt, number: r"\boxed{7}")
    METHODS["best-of-n"](None, Tokenizer(), PROBLEMS, PROMPTS, **own)
    (call,) = script.calls
    assert call["num_samples"] == num_samples
    assert call["sampling"] == sampling


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("num_samples", [0, -1])
def test_no_method_takes_less_than_one_sample(name, num_samples):
    with pytest.raises(ValueError, match=f"must be >= 1, got {num_samples}"):
        run_tiny(METHODS[name], num_samples)


@pytest.mark.parametrize("name", METHODS)
def test_several_samples_without_a_temperature_are_refused(name):
    if "refine" in name:  # its samples follow from each other
        return
    with pytest.raises(ValueError, match="greedy samples would all be the"):
        run_tiny(METHODS[name], 2, sampling=SamplingConfig())


CHOOSERS = [name for name in METHODS if "vote" in name or "best" in name]


def as_records(outputs):
    """The part of an evaluation's records that holds the samples."""
    return [
        {"id": problem.id, "samples": output.samples}
        for problem, output in zip(PROBLEMS, outputs, strict=True)
    ]


@pytest.mark.parametrize("name", CHOOSERS)
def test_a_method_chooses_the_same_among_recorded_samples(name, monkeypatch):
    full = run_tiny(METHODS["self-consistency"], 4)
    fresh = run_tiny(METHODS[name], 4)
    script = play(monkeypatch, lambda prompt, number: "drawn again")
    recorded = read_samples(as_records(full))
    again = run_tiny(METHODS[name].reusing(recorded), 4)
    assert [o.response for o in again] == [o.response for o in fresh]
    assert [o.num_tokens for o in again] == [o.num_tokens for o in fresh]
    assert script.calls == []


def test_samples_that_are_not_recorded_are_drawn(monkeypatch):
    full = run_tiny(METHODS["self-consistency"], 4)
    two = run_tiny(METHODS["self-consistency"], 2)
    recorded = read_samples(as_records(two))
    method = METHODS["self-consistency"].reusing(recorded)
    texts = [[s["text"] for s in o.samples] for o in run_tiny(method, 4)]
    assert texts == [[s["text"] for s in output.samples] for output in full]
    script = play(monkeypatch, lambda prompt, number: f"number {number}")
    (first, _) = run_tiny(method, 3)
    assert script.calls[0]["num_samples"] == 1
    assert first.samples[-1]["text"] == "number 2"


def test_a_method_that_writes_its_own_text_refuses_recorded_samples():
    for name in ("self-refine", "confidence-stop", "budget-cap", "sample"):
        with pytest.raises(ValueError, match="leave --samples-of out"):
            METHODS[name].reusing({})


def test_records_without_samples_are_refused():
    with pytest.raises(ValueError, match="no samples to choose from"):
        read_samples([{"id": "a", "response": "7"}])
