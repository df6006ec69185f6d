"""rfs evaluate, compare and regrade, on a random tiny model."""

import time

import pytest
from commands import open_run, record_of, start_rfs, write_rows
from tiny import write_verifier

from reasoning_from_scratch.cli.compare import describe_difference
from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.scaling import METHODS

NUM_PROBLEMS = 40


@pytest.fixture(scope="module")
def flags(model_folder, tmp_path_factory):
    """The flags of an evaluation: a tiny model on a few problems."""
    problems = write_rows(
        tmp_path_factory.mktemp("evaluate") / "sums.jsonl",
        [
            {"problem": f"What is {n}?", "answer": str(n % 10)}
            for n in range(NUM_PROBLEMS)
        ],
    )
    return [
        *("--model", str(model_folder)),
        *("--problems", str(problems)),
        *("--max-new-tokens", "48", "--batch-size", "8", "--device", "cpu"),
    ]


def evaluate(flags, *more):
    return main(["evaluate", *flags, *more])


def wait_for_lines(path, count, process):
    """Wait until a file has so many lines."""
    for _ in range(6000):
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        assert process.poll() is None, "the evaluation ended too early"
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written in a minute")


def test_a_killed_evaluation_resumes_to_the_same_files(flags, runs_folder):
    assert evaluate(flags, "--run", "whole") == 0
    process = start_rfs(f"evaluate {' '.join(flags)} --run killed")
    wait_for_lines(runs_folder / "killed" / "records.jsonl", 8, process)
    process.kill()
    process.wait()
    assert not (runs_folder / "killed" / "result.json").exists()
    assert evaluate(flags, "--run", "killed", "--resume") == 0
    whole, killed = map(open_run, ("whole", "killed"))
    assert (killed.path / "records.jsonl").read_bytes() == (
        whole.path / "records.jsonl"
    ).read_bytes()
    for key in ("accuracy", "interval", "num_problems", "mean_tokens"):
        ends = [run.read_json("result.json")[key] for run in (whole, killed)]
        assert ends[0] == ends[1]


def test_a_run_is_never_overwritten_nor_mixed(flags, runs_folder, capsys):
    assert evaluate(flags, "--limit", "8", "--run", "first") == 0
    before = (runs_folder / "first" / "records.jsonl").read_bytes()
    assert evaluate(flags, "--limit", "8", "--run", "first") == 1
    assert "add --resume" in capsys.readouterr().err
    more = ("--limit", "8", "--run", "first", "--resume", "--seed", "1")
    assert evaluate(flags, *more) == 1
    assert "seed (was 0, now 1)" in capsys.readouterr().err
    assert (runs_folder / "first" / "records.jsonl").read_bytes() == before


def test_without_a_name_runs_are_numbered(flags, runs_folder, capsys):
    for _ in range(2):
        assert evaluate(flags, "--limit", "2") == 0
    names = sorted(path.name for path in runs_folder.iterdir())
    assert names == ["evaluate-1", "evaluate-2"]
    assert "95 % interval" in capsys.readouterr().out


@pytest.mark.parametrize("name", METHODS)
def test_every_method_evaluates(name, flags, runs_folder):
    write_verifier(runs_folder / "verifier")
    short = ("--limit", "4", "--max-new-tokens", "8", "--method", name)
    assert evaluate(flags, *short, "--run", "tried") == 0
    records = RunFolder.open(runs_folder / "tried").read("records.jsonl")
    assert len(records) == 4
    assert not any("error" in record for record in records)


def test_sampling_writes_the_samples_down(flags, runs_folder):
    more = ("--method", "sample", "--samples", "4", "--temperature", "1")
    assert evaluate(flags, "--limit", "4", "--run", "four", *more) == 0
    run = open_run("four")
    assert [len(r["samples"]) for r in run.read("records.jsonl")] == [4] * 4
    assert list(run.read_json("result.json")["pass_at_k"]) == ["1", "2", "4"]


def test_a_run_can_choose_among_the_samples_of_another(flags, runs_folder):
    few = (*flags, "--limit", "4", "--samples", "4", "--temperature", "1")
    assert evaluate(few, "--method", "best-of-n", "--run", "drawn") == 0
    votes = ("--method", "self-consistency-exact-stop", "--run")
    assert evaluate(few, *votes, "drawn-votes") == 0
    assert evaluate(few, *votes, "votes", "--samples-of", "drawn") == 0
    fresh, again = (
        [row["response"] for row in open_run(name).read("records.jsonl")]
        for name in ("drawn-votes", "votes")
    )
    assert again == fresh


def test_samples_drawn_otherwise_are_refused(flags, runs_folder, capsys):
    vote = (*flags, "--limit", "2", "--method", "self-consistency")
    assert evaluate(vote, "--samples", "2", "--run", "warm") == 0
    more = ("--temperature", "0.1", "--samples-of", "warm", "--run", "cool")
    assert evaluate(vote, "--samples", "2", *more) == 1
    assert "drawn with sampling" in capsys.readouterr().err
    assert not (runs_folder / "cool").exists()


def write_run(name, verdicts, reference="1"):
    """A finished run with these verdicts."""
    run = RunFolder.create(name, {"command": "evaluate"})
    for number, is_right in enumerate(verdicts):
        text = rf"\boxed{{{reference if is_right else 'x'}}}"
        record = record_of(f"p{number}", text, reference)
        run.append("records.jsonl", record)
    return run


def test_compare_says_which_is_better_and_how_sure_that_is(
    runs_folder, capsys
):
    write_run("weak", [0] * 15 + [1] * 25)
    write_run("strong", [1] * 12 + [0] * 3 + [1] * 25)
    assert main(["compare", "weak", str(runs_folder / "strong")]) == 0
    # 12 wins, no loss: p = 2 / 2^12
    out = capsys.readouterr().out
    assert "B is better by 30.0 points" in out
    assert "p < 0.001" in out
    assert "12 right only in B, 0 only in A" in out


def test_compare_says_what_it_left_out_and_what_is_not_whole(
    runs_folder, capsys
):
    write_run("whole", [1, 0, 1, 0, 1])
    half = write_run("half", [1, 1, 0])
    half.write_json("config.json", {"command": "evaluate", "num_problems": 5})
    assert main(["compare", "whole", "half"]) == 0
    out = capsys.readouterr().out
    assert "3 problems: " in out
    assert "left out: 2 problems that only A has" in out
    assert "B was interrupted after 3 of 5 problems" in out
    assert main(["regrade", "half"]) == 0
    assert "interrupted after 3 of 5" in capsys.readouterr().out


def test_compare_claims_nothing_where_nothing_can_be_claimed():
    first, second = [1, 1, 0, 0] * 10, [1, 0, 0, 0] + [1, 1, 0, 0] * 9
    text = describe_difference("AB", first, second)
    assert text.startswith("no difference can be claimed: A leads by 2.5")
    assert "p = 1.000" in text
    equal = describe_difference("AB", first, first)
    assert "leads by 0.0 points" in equal


def test_compare_refuses_runs_of_other_problems(runs_folder, capsys):
    write_run("ones", [1] * 5)
    write_run("twos", [1] * 5, reference="2")
    assert main(["compare", "ones", "twos"]) == 1
    assert "has the answer '1' in one run" in capsys.readouterr().err


def test_regrade_writes_a_new_file_and_tells_what_changed(runs_folder, capsys):
    run = write_run("graded", [1, 0])
    records = run.read("records.jsonl")
    records[0] |= {"correct": False}  # as an older verifier saw it
    run.rewrite("records.jsonl", records)
    for _ in range(2):
        assert main(["regrade", "graded"]) == 0
        assert main(["regrade", "/nonexistent/graded"]) == 1
    out = capsys.readouterr().out
    assert "1 of 2 verdicts changed" in out
    assert "p0: now right: 1 against 1" in out
    assert run.read("records.jsonl") == records
    verdicts = [r["correct"] for r in run.read("regraded-1.jsonl")]
    assert verdicts == [True, False]
    assert run.read("regraded-2.jsonl") == run.read("regraded-1.jsonl")
