"""Self-refinement: what is asked, what is accepted, when it ends."""

from scripted import play
from tiny import ByteTokenizer

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.scaling import self_refine

PROBLEMS = [Problem("a?", "7", id="a")]


def refine(monkeypatch, texts, prompt="a?", **arguments):
    """Refine one problem whose successive completions are these texts."""
    script = play(monkeypatch, lambda prompt, number: texts[number])
    (output,) = self_refine(
        None, ByteTokenizer(), PROBLEMS, [prompt], **arguments
    )
    return output, script


def test_a_revision_replaces_the_draft_and_all_is_paid_for(monkeypatch):
    texts = [r"\boxed{6}", "no", r"\boxed{7}", "ok", r"\boxed{7}"]
    output, _ = refine(monkeypatch, texts, num_samples=3)
    assert output.response == r"\boxed{7}"
    roles = [sample["role"] for sample in output.samples]
    assert roles == ["draft", *["critique", "revision"] * 2]
    assert output.num_tokens == 10 + 3 + 10 + 3 + 10


def test_a_stable_answer_ends_the_refining(monkeypatch):
    texts = [r"\boxed{0.5}", "fine", r"\boxed{1/2}"]
    output, script = refine(monkeypatch, texts, num_samples=9)
    assert len(script.calls) == 3


def test_the_model_reads_its_draft_and_its_critique(monkeypatch):
    texts = [r"\boxed{6}", "no", r"\boxed{7}"]
    _, script = refine(monkeypatch, texts, num_samples=2)
    (asked,) = script.calls[2]["prompts"]
    assert asked == (
        "a?\\boxed{6}\nCheck:no\nAnswer: Let's think step by step."
    )


def test_a_chat_is_asked_in_turns(monkeypatch):
    prompt = "<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\n"
    texts = [r"\boxed{6}", "no", r"\boxed{7}"]
    _, script = refine(monkeypatch, texts, prompt=prompt, num_samples=2)
    (asked,) = script.calls[2]["prompts"]
    assert asked.count("<|im_start|>assistant\n") == 3
    assert asked.count("<|im_end|>") == 5


def test_a_revision_without_an_answer_is_refused(monkeypatch):
    texts = [r"\boxed{6}", "no", "hm"]
    output, _ = refine(monkeypatch, texts, num_samples=5)
    assert output.response == r"\boxed{6}"


def test_a_scorer_may_refuse_a_revision(monkeypatch):
    texts = [r"\boxed{7}", "no", r"\boxed{123}"]
    output, script = refine(
        monkeypatch,
        texts,
        num_samples=5,
        scorer=lambda sample, problem: -sample.num_tokens,
    )
    assert output.response == r"\boxed{7}"
    assert len(script.calls) == 3
