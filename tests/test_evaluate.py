"""Evaluation: verdicts, failures, the same records after a kill."""

from dataclasses import replace

import pytest
from commands import record_of
from scripted import play

from reasoning_from_scratch.evaluation import (
    MethodOutput,
    Problem,
    evaluate,
    wilson_interval,
)
from reasoning_from_scratch.evaluation.evaluate import generate_answers
from reasoning_from_scratch.evaluation.records import summarize
from reasoning_from_scratch.llm import SamplingConfig, load_model
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import SETTINGS

PROBLEMS = [
    Problem(f"What is {n} + 1?", str(n + 1), "sums", 1 + n % 2, f"p{n}")
    for n in range(10)
]
WARM = SamplingConfig(temperature=0.7)


def right_below_6(prompt, number):
    """Completions that are right for n < 6 and wrong above; 9's is cut."""
    n = int(prompt.split("is ")[1].split(" +")[0])
    return rf"So \boxed{{{n + 1 if n < 6 else 'x'}}}{'…' * (n == 9)}"


def measure(problems=PROBLEMS, **options):
    return evaluate(
        None, None, problems, **{"progress": False, "batch_size": 4, **options}
    )


def new_run(name, **options):
    return RunFolder.create(name, {"command": "evaluate"}, **options)


def test_accuracy_is_the_share_of_right_answers(monkeypatch, capfd):
    calls = play(monkeypatch, right_below_6)
    options = {"prompt": "step-by-step", "seed": 7, "max_new_tokens": 5}
    result = measure(progress=True, **options)
    assert (result.accuracy, result.interval) == (0.6, wilson_interval(6, 10))
    assert (result.num_problems, result.num_errors) == (10, 0)
    assert result.truncated == 0.1
    # levels alternate 1 2 1 2 …, the first six are right
    assert result.by_level["1"]["accuracy"] == 0.6
    assert result.by_level["2"]["num_problems"] == 5
    assert list(result.by_subject) == ["sums"]
    # What reached the generator, and what the bar showed
    assert calls[0]["prompts"][1] == (
        "Problem: What is 1 + 1?\nAnswer: Let's think step by step."
    )
    assert (calls[0]["seed"], calls[0]["max_new_tokens"]) == (7, 5)
    error = capfd.readouterr().err
    assert "10/10" in error and "accuracy 60.0 %" in error
    # A record holds what regrading needs
    needed = "id subject level reference response num_tokens stop_reason"
    needed += " answer correct prompt_hash verifier"
    assert result.records[0].keys() == set(needed.split())


def test_several_samples_give_avg_pass_and_majority(monkeypatch):
    # answers 1 1 2 3: problem p0 has the reference 1, p1 the reference 2
    play(monkeypatch, lambda prompt, n: rf"\boxed{{{(1, 1, 2, 3)[n]}}}")
    result = measure(PROBLEMS[:2], num_samples=4, sampling=WARM)
    assert result.avg_at_n == (2 + 1) / 8
    # p0: C(2,2)/C(4,2) = 1/6 fail, p1: C(3,2)/6 = 1/2 fail
    assert result.pass_at_k["2"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    # all four: 1 wins, right for p0 only
    assert list(result.majority_at_k) == ["1", "2", "4"]
    assert result.majority_at_k["1"] == pytest.approx(3 / 8)
    assert result.majority_at_k["4"] == pytest.approx(1 / 2)
    # the first sample is the response
    assert [r["correct"] for r in result.records] == [True, False]


def test_a_method_answers_and_what_it_fails_on_is_recorded_alone():
    def method(model, tokenizer, problems, prompts, **decoding):
        assert decoding["num_samples"] == 3
        for problem in problems:
            if problem.id in bad:
                raise RuntimeError(f"stumbled over {problem.id}")
        return [MethodOutput(p.answer, 5, "stop") for p in problems]

    bad = {"p2", "p9"}
    result = measure(method=method, num_samples=3)
    assert (result.accuracy, result.num_errors) == (0.8, 2)
    assert result.mean_tokens == 8 * 5 / 10
    record = result.records[2]
    assert record["error"] == "RuntimeError: stumbled over p2"
    assert (record["correct"], record["stop_reason"]) == (False, "error")
    # where all fail, the error is no problem's
    bad = {problem.id for problem in PROBLEMS}
    with pytest.raises(RuntimeError, match="stumbled over p0"):
        measure(method=method, num_samples=3)


def test_an_evaluation_resumes_to_the_same_records(monkeypatch, runs_folder):
    def interrupted(model, tokenizer, problems, prompts, **decoding):
        if any(problem.id == "p5" for problem in problems):
            raise KeyboardInterrupt
        return generate_answers(
            model, tokenizer, problems, prompts, **decoding
        )

    calls = play(monkeypatch, right_below_6)
    whole, cut = new_run("whole"), new_run("cut")
    expected = measure(run=whole)
    with pytest.raises(KeyboardInterrupt):
        measure(run=cut, method=interrupted)
    assert len(cut.read("records.jsonl")) == 4
    # a kill may also leave a part of the second block behind
    cut.append("records.jsonl", expected.records[4])
    calls.clear()
    result = measure(run=new_run("cut", resume=True))
    assert [len(call["prompts"]) for call in calls] == [4, 2]
    files = [run.path / "records.jsonl" for run in (whole, cut)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert result.records == expected.records
    assert len(cut.read("timings.jsonl")) == 3
    # What is finished is not done again
    calls.clear()
    assert measure(run=new_run("whole", resume=True)) == expected
    assert calls == []
    saved = whole.read_json("result.json")
    assert saved == expected.summary() and "records" not in saved


def test_records_of_other_problems_are_refused(monkeypatch, runs_folder):
    play(monkeypatch, right_below_6)
    measure(PROBLEMS[:5], run=new_run("other"))
    changed = [*PROBLEMS[:4], replace(PROBLEMS[4], answer="6")]
    reworded = [*PROBLEMS[:4], replace(PROBLEMS[4], problem="Is 4 + 1 odd?")]
    for problems in (PROBLEMS[5:], PROBLEMS[:4], changed, reworded):
        with pytest.raises(ValueError, match="records of other problems"):
            measure(problems, run=new_run("other", resume=True))
    other = {"prompt": "step-by-step", "run": new_run("other", resume=True)}
    with pytest.raises(ValueError, match="of another prompt"):
        measure(PROBLEMS[:5], **other)


def test_limits_are_those_of_the_model_and_not_of_the_environment(monkeypatch):
    calls = play(monkeypatch, right_below_6)
    monkeypatch.setenv("RFS_MODEL", "qwen3-0.6b")
    model, tokenizer = load_model("pocket-teacher", device="cpu")
    evaluate(model, tokenizer, PROBLEMS, progress=False)
    row = SETTINGS["pocket-teacher"]
    assert calls[0]["max_new_tokens"] == row.max_new_tokens
    assert calls[0]["batch_size"] == row.batch_size
    measure(PROBLEMS[:1], batch_size=None)  # no model: the environment's
    assert calls[1]["batch_size"] == SETTINGS["qwen3-0.6b"].batch_size


@pytest.mark.parametrize(
    ("problems", "options", "message"),
    [
        ([], {}, "no problems"),
        ("pocketmath", {}, "'pocketmath'; load it first"),
        (["1 + 1"], {}, r"expected Problem\(.*got '1 \+ 1'"),
        (PROBLEMS[:1] * 2, {}, "id of its own"),
        ([Problem("1 + 1", "2")], {}, "id of its own"),
        *(
            (PROBLEMS, {name: count}, f"{name} must be >= 1, got {count}")
            for name in ("batch_size", "max_new_tokens", "num_samples")
            for count in (0, -4)
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(problems, options, message):
    with pytest.raises(ValueError, match=message):
        measure(problems, **options)


# ---- Records ----


def boxed(*answers):
    return [{"text": rf"\boxed{{{answer}}}"} for answer in answers]


def test_samples_are_judged_by_value_and_give_curves_or_not():
    samples = [*boxed("0.5"), {"text": "I do not know"}, *boxed("0.6", "1/2")]
    record = record_of("p", r"\boxed{0.5}", r"\frac12", samples=samples)
    assert record["correct"]
    answers = [sample["answer"] for sample in record["samples"]]
    assert answers == ["0.5", None, "0.6", "1/2"]
    verdicts = [sample["correct"] for sample in record["samples"]]
    assert verdicts == [True, False, False, True]
    assert summarize([record]).majority_at_k["4"] == pytest.approx(1.0)
    roles = [{"text": "2", "role": role} for role in ("draft", "revision")]
    for pools in ([boxed(2, 2), boxed(2, 2, 2)], [roles]):
        records = [record_of("p", "2", "2", samples=pool) for pool in pools]
        result = summarize(records, 4.0)
        assert (result.pass_at_k, result.avg_at_n) == ({}, None)
        assert result.tokens_per_second == 10 * len(pools) / 4
        assert summarize(records).tokens_per_second == 0.0
