"""The methods: one shape for all; those that write text of their own."""

import pytest
from scripted import play, sample_of
from tiny import ByteTokenizer, table, tiny_model, write_verifier

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import METHODS, budget_forcing, self_refine
from reasoning_from_scratch.scaling.samples import read_samples
from reasoning_from_scratch.scaling.stopping import (
    WINDOW,
    keep_most_confident,
    lowest_window_score,
    warmup_threshold,
    window_means,
)

PROBLEMS = [Problem("a?", "7", id="a"), Problem("bb?", "8", id="b")]
PROMPTS = ["a?", "bb?"]
WARM = SamplingConfig(temperature=0.7)
CHOOSERS = [name for name in METHODS if "vote" in name or "best" in name]
THINK_ID = 1


class Tokenizer(ByteTokenizer):
    """A byte tokenizer in which byte 1 ends a think block."""

    def token_to_id(self, token):
        return {"</think>": THINK_ID}.get(token)


@pytest.fixture(autouse=True)
def verifier(runs_folder):
    write_verifier(runs_folder / "verifier")


def ask(method, model=None, prompts=PROMPTS, **options):
    """Let a method, or that of a name, answer as many of the problems."""
    question = (Tokenizer(), PROBLEMS[: len(prompts)], prompts)
    return METHODS.get(method, method)(model, *question, **options)


def run_tiny(method, num_samples, **options):
    options = {"max_new_tokens": 6, "seed": 5, **options}
    return ask(method, tiny_model(), num_samples=num_samples, **options)


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
    # Numbers of samples that make no sense are refused
    for number in (0, -1):
        with pytest.raises(ValueError, match=f"must be >= 1, got {number}"):
            run_tiny(name, number)
    if not METHODS[name].is_sequential:
        with pytest.raises(ValueError, match="greedy samples would all be"):
            run_tiny(name, 2, sampling=SamplingConfig())


def test_what_the_caller_says_goes_before_a_methods_defaults(monkeypatch):
    calls = play(monkeypatch, lambda prompt, number: r"\boxed{7}")
    narrow = SamplingConfig(temperature=0.3, top_p=0.9)
    ask("best-of-n")
    ask("best-of-n", num_samples=3, sampling=narrow)
    found = [(call["num_samples"], call["sampling"]) for call in calls]
    assert found == [(16, WARM), (3, narrow)]


# ---- Recorded samples ----


@pytest.mark.parametrize("name", CHOOSERS)
def test_a_method_chooses_the_same_among_recorded_samples(name, monkeypatch):
    samples = recorded(run_tiny("self-consistency", 4))
    fresh = run_tiny(name, 4)
    calls = play(monkeypatch, lambda prompt, number: "drawn again")
    again = run_tiny(METHODS[name].reusing(samples), 4)
    for one, other in zip(again, fresh, strict=True):
        assert one.response == other.response
        assert one.num_tokens == other.num_tokens
    assert calls == []


def test_samples_not_recorded_are_drawn_or_it_is_said_why(monkeypatch):
    full = run_tiny("self-consistency", 4)
    two = recorded(run_tiny("self-consistency", 2))
    method = METHODS["self-consistency"].reusing(two)
    assert texts_of(run_tiny(method, 4)) == texts_of(full)
    calls = play(monkeypatch, lambda prompt, number: f"number {number}")
    assert texts_of(run_tiny(method, 3))[0][-1] == "number 2"
    assert calls[0]["num_samples"] == 1
    for name in ("self-refine", "confidence-stop", "budget-cap", "sample"):
        with pytest.raises(ValueError, match="leave --samples-of out"):
            METHODS[name].reusing({})
    with pytest.raises(ValueError, match="no samples to choose from"):
        read_samples([{"id": "a", "response": "7"}])


# ---- Thinking budgets ----

BUDGETS = table("thinking_budgets")


@pytest.mark.parametrize(
    ("texts", "budget", "num_extensions", "response"),
    BUDGETS.values(),
    ids=BUDGETS,
)
def test_the_end_of_thinking_is_forced_or_taken_back(
    monkeypatch, texts, budget, num_extensions, response
):
    def write(prompt, number):  # by the first ending that the prompt has
        return next(t for end, t in texts.items() if prompt.endswith(end))

    calls = play(monkeypatch, write)
    limits = {"max_thinking_tokens": budget or None}
    (output,) = ask(
        budget_forcing, prompts=["a?"], num_extensions=num_extensions, **limits
    )
    assert output.response == response
    assert calls[0]["stop_ids"] == [0, THINK_ID]
    assert calls[0]["max_new_tokens"] == (budget or 512)
    assert len(calls) == len(texts) + (num_extensions == 2)
    if texts[""] == "3+4=7…":  # only what was generated is counted
        assert output.num_tokens == len(response) - len(r" \boxed{") + 1


def test_a_budget_holds_for_every_sample_and_may_not_be_nothing(monkeypatch):
    with pytest.raises(ValueError, match="max_new_tokens must be"):
        ask(budget_forcing, tiny_model(), max_thinking_tokens=0)
    play(monkeypatch, lambda prompt, number: r" \boxed{7}")
    outputs = ask(budget_forcing, num_samples=3, sampling=WARM)
    answers = [[s["answer"] for s in output.samples] for output in outputs]
    assert answers == [["7"] * 3] * 2


# ---- Self-refinement ----

SIX, SEVEN = r"\boxed{6}", r"\boxed{7}"
CHAT = "<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\n"


def refine(monkeypatch, texts, prompt="a?", **options):
    """Refine one problem whose successive completions are these texts."""
    calls = play(monkeypatch, lambda prompt, number: texts[number])
    (output,) = ask(self_refine, prompts=[prompt], **options)
    return output, calls


def shorter(sample, problem):
    return -sample.num_tokens


@pytest.mark.parametrize(
    ("texts", "scorer", "response", "num_calls"),
    [
        ([SIX, "no", SEVEN, "ok", SEVEN], None, SEVEN, 5),
        ([r"\boxed{0.5}", "fine", r"\boxed{1/2}"], None, r"\boxed{1/2}", 3),
        ([SIX, "no", "hm"], None, SIX, 3),  # no answer: refused
        ([SEVEN, "no", r"\boxed{123}"], shorter, SEVEN, 3),  # by the scorer
    ],
)
def test_revisions_are_taken_until_one_repeats_the_answer_or_is_refused(
    monkeypatch, texts, scorer, response, num_calls
):
    output, calls = refine(monkeypatch, texts, num_samples=9, scorer=scorer)
    assert (output.response, len(calls)) == (response, num_calls)
    roles = [sample["role"] for sample in output.samples]
    assert roles == ["draft", *["critique", "revision"] * (num_calls // 2)]
    # All is paid for: one token a byte, and the end
    assert output.num_tokens == sum(len(text) + 1 for text in texts)


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


# ---- Adaptive thinking ----


def test_only_the_unsure_are_asked_to_think(monkeypatch):
    def write(prompt, number):
        if prompt.startswith("think"):
            return r"so \boxed{8}", -0.1
        return SEVEN, -0.9 if "bb" in prompt else -0.1

    # The direct prompt is that of the model asked, not the environment's
    monkeypatch.setenv("RFS_MODEL", "qwen3-0.6b-base")
    model = tiny_model()
    model.settings_name = "pocket"
    calls = play(monkeypatch, write)
    prompts = ["think a", "think bb"]
    easy, hard = ask("adaptive-think", model, prompts, sampling=WARM)
    first, second = calls
    assert first["prompts"] == [f"Problem: {p}\nAnswer:" for p in PROMPTS]
    assert second["prompts"] == ["think bb"]
    assert (easy.response, hard.response) == (SEVEN, r"so \boxed{8}")
    # One token a byte and the end: 9 + 1; then 12 + 1 on top
    assert (easy.num_tokens, hard.num_tokens) == (10, 23)
    # The first look is greedy whatever the second is
    assert first["sampling"].is_greedy and second["sampling"] == WARM


@pytest.mark.parametrize(
    ("text", "logprob", "is_sure"),
    [(SEVEN, 0.0, 1), (SEVEN, -0.3, 0), (SEVEN + "…", 0.0, 0), ("?", 0.0, 0)],
)
def test_a_solution_that_is_unsure_cut_or_without_an_answer_goes_to_a_vote(
    monkeypatch, text, logprob, is_sure
):
    calls = play(monkeypatch, lambda prompt, number: (text, logprob))
    (output,) = ask("adaptive-samples", prompts=["a?"], num_samples=2)
    assert [c["num_samples"] for c in calls] == ([1] if is_sure else [1, 2])
    roles = [sample.get("role") for sample in output.samples]
    assert roles == (["draft"] if is_sure else ["draft", None, None])
    each = output.samples[0]["num_tokens"]
    assert output.num_tokens == each * len(roles)


# ---- Confidence: windows, and samples dropped half-way ----


def test_windows_slide_and_the_filter_keeps_the_best_share():
    # (4+2)/2, (2+6)/2, (6+0)/2
    assert window_means([4.0, 2.0, 6.0, 0.0], window=2) == [3.0, 4.0, 3.0]
    sample = sample_of("…", topk_confidence=[1.0] * 16 + [9.0])
    assert lowest_window_score(sample) == 1.0
    assert window_means([1.0, 3.0], window=16) == [2.0]  # shorter: one
    assert keep_most_confident([1, 4, 3, 2], share=0.5) == [1, 2]
    assert keep_most_confident([1, 4, 3, 2], share=1.0) == [0, 1, 2, 3]
    assert keep_most_confident([1, 2], share=0.01) == [1]  # at least one
    # The least sure of the surer half of the warm-up is the threshold
    levels = (1.0, 5.0, 3.0, 2.0)
    samples = [sample_of("…", topk_confidence=[level]) for level in levels]
    assert warmup_threshold(samples, share=0.5) == 3.0


def test_samples_are_written_block_by_block_and_all_recorded():
    outputs = run_tiny("confidence-stop", 12, max_new_tokens=40)
    are_dropped = set()
    for pool in recorded(outputs).values():
        limit = warmup_threshold(pool[:4])
        for sample in pool[4:]:
            seen = sample.confidence
            blocks = range(WINDOW, len(seen) + 1, WINDOW)
            unsure = [min(window_means(seen[:n])) < limit for n in blocks]
            assert not any(unsure[: (len(seen) - 1) // WINDOW])
            is_dropped = sample.stop_reason == "length" and len(seen) < 40
            assert unsure[-1:] == [True] or not is_dropped
            are_dropped.add(is_dropped)
    assert are_dropped == {True, False}
    for name, longest in (("confidence-stop", 20), ("confidence-vote", 5)):
        outputs = run_tiny(name, 5, max_new_tokens=longest)
        for sample in sum((output.samples for output in outputs), []):
            assert 0 < sample["num_tokens"] <= longest
            assert len(sample["confidence"]) == sample["num_tokens"]
