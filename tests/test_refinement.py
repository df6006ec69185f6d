"""Self-refinement: what is asked, what is accepted, when it ends."""

import pytest
from scripted import play
from tiny import ByteTokenizer

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.scaling import self_refine

CHAT = "<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\n"
SIX, SEVEN = r"\boxed{6}", r"\boxed{7}"


def refine(monkeypatch, texts, prompt="a?", **arguments):
    """Refine one problem whose successive completions are these texts."""
    calls = play(monkeypatch, lambda prompt, number: texts[number])
    problems = [Problem("a?", "7", id="a")]
    (output,) = self_refine(
        None, ByteTokenizer(), problems, [prompt], **arguments
    )
    return output, calls


def shorter(sample, problem):
    return -sample.num_tokens


@pytest.mark.parametrize(
    ("texts", "scorer", "response", "num_calls"),
    [
        ([SIX, "no", SEVEN, "ok", SEVEN], None, SEVEN, 5),
        ([SIX, "no", SEVEN, "ok", r"\boxed{14/2}"], None, r"\boxed{14/2}", 5),
        ([r"\boxed{0.5}", "fine", r"\boxed{1/2}"], None, r"\boxed{1/2}", 3),
        ([SIX, "no", "hm"], None, SIX, 3),  # no answer: refused
        ([SEVEN, "no", r"\boxed{123}"], shorter, SEVEN, 3),  # by the scorer
        ([r"\boxed{123}", "no", SEVEN, "", SEVEN], shorter, SEVEN, 5),
    ],
)
def test_revisions_are_taken_until_one_repeats_the_answer_or_is_refused(
    monkeypatch, texts, scorer, response, num_calls
):
    output, calls = refine(monkeypatch, texts, num_samples=9, scorer=scorer)
    assert (output.response, len(calls)) == (response, num_calls)
    roles = [sample["role"] for sample in output.samples]
    assert roles == ["draft", *["critique", "revision"] * (num_calls // 2)]
    tokens = [len(text) + 1 for text in texts]  # one a byte, and the end
    assert output.num_tokens == sum(tokens)


def test_the_model_reads_its_draft_and_its_critique(monkeypatch):
    texts = [SIX, "no", SEVEN]
    _, calls = refine(monkeypatch, texts, num_samples=2)
    assert calls[2]["prompts"] == [
        "a?\\boxed{6}\nCheck:no\nAnswer: Let's think step by step."
    ]
    _, calls = refine(monkeypatch, texts, prompt=CHAT, num_samples=2)
    (asked,) = calls[2]["prompts"]  # a chat is asked in turns
    assert asked.count("<|im_start|>assistant\n") == 3
    assert asked.count("<|im_end|>") == 5
