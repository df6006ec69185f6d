"""Evaluation: verdicts, failures, the same records after a kill."""

from dataclasses import replace

import pytest
from commands import record_of
from scripted import play

from reasoning_from_scratch.evaluation import (
    MethodOutput,
    Problem,
    evaluate,
    load_problems,
    wilson_interval,
)
from reasoning_from_scratch.evaluation.evaluate import generate_answers
from reasoning_from_scratch.evaluation.records import (
    read_records,
    regrade,
    summarize,
)
from reasoning_from_scratch.llm import SamplingConfig, load_model
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import SETTINGS

PROBLEMS = [
    Problem(f"What is {n} + 1?", str(n + 1), "sums", 1 + n % 2, f"p{n}")
    for n in range(10)
]
WARM = SamplingConfig(temperature=1.0)


def answer_below(limit):
    """Write completions that are right for n < limit and wrong above."""

    def write(prompt, number):
        n = int(prompt.split("is ")[1].split(" +")[0])
        return rf"So \boxed{{{n + 1 if n < limit else 'x'}}}"

    return write


def measure(problems=PROBLEMS, **options):
    return evaluate(
        None, None, problems, **{"progress": False, "batch_size": 4, **options}
    )


def new_run(name, **options):
    return RunFolder.create(name, {"command": "evaluate"}, **options)


def test_accuracy_is_the_share_of_right_answers_with_its_interval(monkeypatch):
    play(monkeypatch, answer_below(6))
    result = measure()
    assert result.accuracy == 0.6
    assert result.interval == wilson_interval(6, 10)
    assert (result.num_problems, result.num_errors) == (10, 0)
    # levels alternate 1 2 1 2 …, the first six are right
    assert result.by_level["1"]["accuracy"] == 0.6
    assert result.by_level["2"]["num_problems"] == 5
    assert list(result.by_subject) == ["sums"]


def test_a_record_holds_what_regrading_needs(monkeypatch):
    play(monkeypatch, lambda prompt, number: r"\boxed{1}")
    (record,) = measure(PROBLEMS[:1]).records
    assert record == {
        "id": "p0",
        "subject": "sums",
        "level": 1,
        "prompt_hash": record["prompt_hash"],
        "reference": "1",
        "response": r"\boxed{1}",
        "num_tokens": 10,  # nine bytes and the end token
        "stop_reason": "stop",
        "answer": "1",
        "correct": True,
        "verifier": record["verifier"],
    }
    assert len(record["prompt_hash"]) == len(record["verifier"]) == 12


def test_responses_cut_short_are_counted(monkeypatch):
    play(
        monkeypatch,
        lambda prompt, number: "and so on…" if "is 3" in prompt else "1",
    )
    assert measure().truncated == 0.1


def test_the_prompt_and_the_problem_ids_reach_the_generator(monkeypatch):
    script = play(monkeypatch, answer_below(10))
    measure(PROBLEMS[:2], prompt="step-by-step", seed=7, max_new_tokens=5)
    (call,) = script.calls
    assert call["prompts"][1] == (
        "Problem: What is 1 + 1?\nAnswer: Let's think step by step."
    )
    assert (call["seed"], call["max_new_tokens"]) == (7, 5)


def test_several_samples_give_avg_pass_and_majority(monkeypatch):
    # answers 1 1 2 3: problem p0 has the reference 1, p1 the reference 2
    answers = [r"\boxed{1}", r"\boxed{1}", r"\boxed{2}", r"\boxed{3}"]
    play(monkeypatch, lambda prompt, number: answers[number])
    result = measure(PROBLEMS[:2], num_samples=4, sampling=WARM)
    assert result.avg_at_n == (2 + 1) / 8
    # p0: C(2,2)/C(4,2) = 1/6 fail, p1: C(3,2)/6 = 1/2 fail
    assert result.pass_at_k["2"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    # all four: 1 wins, right for p0 only
    assert result.majority_at_k == pytest.approx(
        {"1": 3 / 8, "2": result.majority_at_k["2"], "4": 0.5}
    )
    # the first sample is the response
    assert [r["correct"] for r in result.records] == [True, False]


def test_a_method_decides_how_problems_are_answered():
    def method(model, tokenizer, problems, prompts, **decoding):
        assert decoding["num_samples"] == 3
        return [MethodOutput(p.answer, 5, "stop") for p in problems]

    result = measure(method=method, num_samples=3)
    assert (result.accuracy, result.mean_tokens) == (1.0, 5)


def stumbling(*bad_ids):
    """A method that is right, but fails on whole batches with a bad id."""

    def method(model, tokenizer, problems, prompts, **decoding):
        for problem in problems:
            if problem.id in bad_ids:
                raise RuntimeError(f"stumbled over {problem.id}")
        return [MethodOutput(p.answer, 5, "stop") for p in problems]

    return method


def test_a_failing_problem_is_recorded_and_the_others_are_answered():
    result = measure(method=stumbling("p2", "p9"))
    assert (result.accuracy, result.num_errors) == (0.8, 2)
    record = result.records[2]
    assert record["error"] == "RuntimeError: stumbled over p2"
    assert (record["correct"], record["stop_reason"]) == (False, "error")
    # where all fail, the error is no problem's
    with pytest.raises(RuntimeError, match="stumbled over p0"):
        measure(method=stumbling(*(problem.id for problem in PROBLEMS)))


def test_an_evaluation_cut_short_resumes_to_the_same_records(
    monkeypatch, runs_folder
):
    def interrupted(model, tokenizer, problems, prompts, **decoding):
        if any(problem.id == "p5" for problem in problems):
            raise KeyboardInterrupt
        return generate_answers(
            model, tokenizer, problems, prompts, **decoding
        )

    play(monkeypatch, answer_below(6))
    whole, cut = new_run("whole"), new_run("cut")
    expected = measure(run=whole)
    with pytest.raises(KeyboardInterrupt):
        measure(run=cut, method=interrupted)
    assert len(cut.read("records.jsonl")) == 4
    # a kill may also leave a part of the second block behind
    cut.append("records.jsonl", expected.records[4])
    script = play(monkeypatch, answer_below(6))
    result = measure(run=new_run("cut", resume=True))
    assert [len(call["prompts"]) for call in script.calls] == [4, 2]
    files = [run.path / "records.jsonl" for run in (whole, cut)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert result.records == expected.records
    assert len(cut.read("timings.jsonl")) == 3


def test_batches_of_any_size_give_the_records_of_one_by_one():
    model, tokenizer = load_model("pocket", device="cpu")
    problems = load_problems("pocketmath", limit=5)
    one, many = (
        evaluate(
            model,
            tokenizer,
            problems,
            prompt="step-by-step",
            num_samples=2,
            sampling=SamplingConfig(temperature=0.7),
            max_new_tokens=24,
            batch_size=batch_size,
            progress=False,
        )
        for batch_size in (1, 5)
    )
    assert one.records == many.records


def test_a_finished_evaluation_is_not_done_again(monkeypatch, runs_folder):
    play(monkeypatch, answer_below(6))
    first = measure(run=new_run("done"))
    script = play(monkeypatch, answer_below(0))
    again = measure(run=new_run("done", resume=True))
    assert script.calls == []
    assert again == first
    saved = RunFolder.open(runs_folder / "done").read_json("result.json")
    assert saved == first.summary()
    assert "records" not in saved


def test_records_of_other_problems_are_refused(monkeypatch, runs_folder):
    play(monkeypatch, answer_below(6))
    measure(PROBLEMS[:5], run=new_run("other"))
    changed = [*PROBLEMS[:4], replace(PROBLEMS[4], answer="6")]
    reworded = [*PROBLEMS[:4], replace(PROBLEMS[4], problem="Is 4 + 1 odd?")]
    for problems in (PROBLEMS[5:], PROBLEMS[:4], changed, reworded):
        with pytest.raises(ValueError, match="records of other problems"):
            measure(problems, run=new_run("other", resume=True))
    with pytest.raises(ValueError, match="of another prompt"):
        measure(
            PROBLEMS[:5],
            prompt="step-by-step",
            run=new_run("other", resume=True),
        )


def test_limits_are_those_of_the_model_and_not_of_the_environment(
    monkeypatch,
):
    script = play(monkeypatch, answer_below(10))
    monkeypatch.setenv("RFS_MODEL", "qwen3-0.6b")
    model, tokenizer = load_model("pocket-teacher", device="cpu")
    evaluate(model, tokenizer, PROBLEMS, progress=False)
    (call,) = script.calls  # one batch of ten: 256 fit
    row = SETTINGS["pocket-teacher"]
    assert call["max_new_tokens"] == row.max_new_tokens
    assert call["batch_size"] == row.batch_size
    measure(PROBLEMS[:1], batch_size=None)  # no model: the environment's
    assert script.calls[-1]["batch_size"] == SETTINGS["qwen3-0.6b"].batch_size


def test_problems_need_ids_of_their_own_and_counts_are_positive():
    with pytest.raises(ValueError, match="no problems"):
        measure([])
    with pytest.raises(ValueError, match="'pocketmath'; load it first"):
        measure("pocketmath")
    with pytest.raises(ValueError, match=r"expected Problem\(.*got '1 \+ 1'"):
        measure(["1 + 1"])
    for name in ("batch_size", "max_new_tokens", "num_samples"):
        with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
            measure(**{name: 0})
    with pytest.raises(ValueError, match="id of its own"):
        measure([PROBLEMS[0], PROBLEMS[0]])
    with pytest.raises(ValueError, match="id of its own"):
        measure([Problem("1 + 1", "2")])
    with pytest.raises(ValueError, match="batch_size must be >= 1"):
        measure(batch_size=-4)


def test_the_bar_shows_the_running_accuracy(monkeypatch, capfd):
    play(monkeypatch, answer_below(6))
    measure(progress=True)
    error = capfd.readouterr().err
    assert "10/10" in error
    assert "accuracy 60.0 %" in error


# ---- Records ----


def test_answers_are_judged_by_value_sample_by_sample():
    texts = [r"\boxed{0.5}", "I do not know", r"\boxed{0.6}"]
    samples = [{"text": text} for text in texts]
    record = record_of("p", texts[0], r"\frac12", samples=samples)
    assert record["correct"]
    assert [s["correct"] for s in record["samples"]] == [True, False, False]
    assert [s["answer"] for s in record["samples"]] == ["0.5", None, "0.6"]


def test_regrading_changes_nothing_but_verdicts_that_were_wrong():
    right = record_of("p", r"\boxed{2}", "2")
    misjudged = {**right, "id": "q", "correct": False, "verifier": "older"}
    graded, changes = regrade([right, misjudged])
    assert graded == [right, {**right, "id": "q"}]
    assert changes == [{**right, "id": "q"}]


def test_tokens_per_second_count_all_tokens():
    records = [record_of("p", "1", "1"), record_of("q", "2", "1")]
    result = summarize(records, 4.0)
    assert (result.mean_tokens, result.tokens_per_second) == (10, 5.0)
    assert summarize(records).tokens_per_second == 0.0


def test_samples_of_different_number_or_role_give_no_curve():
    two = [{"text": r"\boxed{2}"}] * 2
    three = [{"text": r"\boxed{2}"}] * 3
    mixed = [
        record_of("p", "2", "2", samples=two),
        record_of("p", "2", "2", samples=three),
    ]
    assert summarize(mixed).pass_at_k == {}
    roles = [{"text": "2", "role": "draft"}, {"text": "2", "role": "revision"}]
    assert (
        summarize([record_of("p", "2", "2", samples=roles)]).avg_at_n is None
    )


def test_equal_answers_spelled_differently_vote_together():
    texts = [r"\boxed{1/2}", r"\boxed{0.5}", r"\boxed{3}", r"\boxed{3.1}"]
    record = record_of(
        "p",
        texts[2],
        r"\frac{1}{2}",
        samples=[{"text": text} for text in texts],
    )
    assert summarize([record]).majority_at_k["4"] == pytest.approx(1.0)


def test_records_cut_or_written_twice_are_refused_with_their_line(
    runs_folder,
):
    run, record = new_run("two"), record_of("p", "2", "2")
    run.append("records.jsonl", record)
    assert read_records(run) == [record]
    run.append("records.jsonl", record)
    with pytest.raises(ValueError, match="jsonl, line 2 has the id 'p' of"):
        read_records(run)
    del record["correct"]
    run.rewrite("records.jsonl", [record])
    with pytest.raises(ValueError, match=r"jsonl, line 1 lacks \['correct'\]"):
        read_records(run)
