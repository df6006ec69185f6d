"""Self-consistency: the vote over drawn samples, and drawing in rounds."""

from scripted import play
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling.choosing import self_consistency
from reasoning_from_scratch.scaling.votes import is_decided

TOKENIZER = ByteTokenizer()
PROBLEMS = [
    Problem("a?", "1/2", id="a"),
    Problem("b?", "7", id="b"),
]
PROMPTS = ["a?", "b?"]


def boxed(answer):
    return f"so \\boxed{{{answer}}}"


def vote(monkeypatch, answers, **arguments):
    """Run a vote in which each prompt's samples have these answers."""
    script = play(
        monkeypatch, lambda prompt, number: boxed(answers[prompt][number])
    )
    outputs = self_consistency(None, TOKENIZER, PROBLEMS, PROMPTS, **arguments)
    return outputs, script


def test_the_response_is_the_first_sample_with_the_winning_value(monkeypatch):
    answers = {"a?": ["3", "0.5", "3", r"\frac12", "1/2"], "b?": "77788"}
    outputs, _ = vote(monkeypatch, answers, num_samples=5)
    assert [output.response for output in outputs] == [
        boxed("0.5"),
        boxed("7"),
    ]


def test_all_samples_are_drawn_in_one_call_and_kept(monkeypatch):
    answers = {"a?": "1234", "b?": "5678"}
    outputs, script = vote(monkeypatch, answers, num_samples=4)
    assert len(script.calls) == 1
    assert [s["answer"] for s in outputs[1].samples] == list("5678")


def test_the_tokens_of_every_sample_are_paid_for(monkeypatch):
    answers = {"a?": ["1", "23"], "b?": "77"}
    outputs, _ = vote(monkeypatch, answers, num_samples=2)
    # "so \boxed{1}" is 12 bytes and an end token, "so \boxed{23}" one more.
    assert [output.num_tokens for output in outputs] == [13 + 14, 13 + 13]


def test_without_any_answer_the_first_sample_is_the_response(monkeypatch):
    play(monkeypatch, lambda prompt, number: f"no idea {'ab'[number]}")
    (output,) = self_consistency(
        None, TOKENIZER, PROBLEMS[:1], PROMPTS[:1], num_samples=2
    )
    assert output.response == "no idea a"
    assert [s["answer"] for s in output.samples] == [None, None]


def test_weights_come_from_a_plain_callable(monkeypatch):
    answers = {"a?": ["3", "3", "long"], "b?": "778"}
    outputs, _ = vote(
        monkeypatch,
        answers,
        num_samples=3,
        weigh=lambda sample, problem: sample.num_tokens - 12,
    )
    # Problem a: 1 + 1 tokens of weight for "3", 4 for "long".
    assert outputs[0].response == boxed("long")


def test_decided_problems_leave_the_batch(monkeypatch):
    answers = {"a?": "11111111", "b?": "12121212"}
    outputs, script = vote(
        monkeypatch,
        answers,
        num_samples=8,
        stop_rule=is_decided,
        round_size=2,
    )
    # a: 2, then 4 equal votes of 8, at most tied; b: to the end.
    assert [call["prompts"] for call in script.calls] == [
        ["a?", "b?"],
        ["a?", "b?"],
        ["b?"],
        ["b?"],
    ]
    assert [len(output.samples) for output in outputs] == [4, 8]


def test_the_last_round_is_cut_to_the_number_of_samples(monkeypatch):
    answers = {"a?": "12345", "b?": "12345"}
    outputs, _ = vote(
        monkeypatch, answers, num_samples=5, stop_rule=is_decided
    )
    assert [len(output.samples) for output in outputs] == [5, 5]


def test_a_vote_drawn_in_rounds_is_a_beginning_of_the_full_one():
    model = tiny_model()
    arguments = {
        "num_samples": 6,
        "sampling": SamplingConfig(temperature=1.0),
        "max_new_tokens": 12,
        "seed": 3,
    }
    full, rounds = (
        self_consistency(
            model, TOKENIZER, PROBLEMS, PROMPTS, **arguments, **extra
        )
        for extra in (
            {},
            {"stop_rule": lambda groups, n: len(groups) >= 4, "round_size": 2},
        )
    )
    for whole, part in zip(full, rounds, strict=True):
        texts = [sample["text"] for sample in whole.samples]
        assert [sample["text"] for sample in part.samples] == texts[:4]
        assert len(set(texts)) > 1
