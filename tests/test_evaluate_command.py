"""rfs evaluate, compare and regrade, on a random tiny model."""

import pytest
from commands import open_run, record_of, rfs, write_rows

from reasoning_from_scratch.cli.compare import describe_difference
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.runs import RunFolder


@pytest.fixture(scope="module")
def flags(model_folder, tmp_path_factory):
    """The flags of an evaluation: a tiny model on forty problems."""
    problems = [Problem(f"What is {n}?", str(n % 10)) for n in range(40)]
    path = tmp_path_factory.mktemp("evaluate") / "sums.jsonl"
    problems = write_rows(path, problems)
    return (
        f"--model {model_folder} --problems {problems} --max-new-tokens 48 "
        "--batch-size 8 --device cpu"
    )


def test_a_run_can_choose_among_anothers_samples(flags, runs_folder, capsys):
    few = f"evaluate {flags} --limit 4 --samples 4 --temperature 1"
    votes = f"{few} --method self-consistency-exact-stop --run"
    assert rfs(f"{few} --method best-of-n --run drawn") == 0
    drawn = open_run("drawn")
    records = drawn.read("records.jsonl")
    assert [len(r["samples"]) for r in records] == [4] * 4
    result = drawn.read_json("result.json")
    assert list(result["pass_at_k"]) == ["1", "2", "4"]
    assert rfs(f"{votes} fresh") == 0
    assert rfs(f"{votes} again --samples-of drawn") == 0
    fresh, again = (
        [r["response"] for r in open_run(name).read("records.jsonl")]
        for name in ("fresh", "again")
    )
    assert again == fresh
    other = "cool --samples-of drawn --temperature 0.1"
    assert rfs(f"{votes} {other}") == 1
    assert "drawn with sampling" in capsys.readouterr().err
    assert not (runs_folder / "cool").exists()


def write_run(name, verdicts, reference="1", **config):
    run = RunFolder.create(name, {"command": "evaluate", **config})
    for number, is_right in enumerate(verdicts):
        text = rf"\boxed{{{reference if is_right else 'x'}}}"
        record = record_of(f"p{number}", text, reference)
        run.append("records.jsonl", record)
    return run


def test_compare_says_what_is_better_or_left_out(runs_folder, capsys):
    write_run("weak", [0] * 15 + [1] * 25)
    write_run("strong", [1] * 12 + [0] * 3 + [1] * 25)
    assert rfs(f"compare weak {runs_folder}/strong") == 0
    # 12 wins, no loss: p = 2 / 2^12
    out = capsys.readouterr().out
    assert "B is better by 30.0 points" in out and "p < 0.001" in out
    assert "12 right only in B, 0 only in A" in out
    write_run("whole", [1, 0, 1, 0, 1])
    write_run("half", [1, 1, 0], num_problems=5)
    assert rfs("compare whole half") == 0
    out = capsys.readouterr().out
    assert "3 problems: " in out
    assert "left out: 2 problems that only A has" in out
    assert "B was interrupted after 3 of 5 problems" in out
    assert rfs("regrade half") == 0
    assert "interrupted after 3 of 5" in capsys.readouterr().out
    first, second = [1, 1, 0, 0] * 10, [1, 0, 0, 0] + [1, 1, 0, 0] * 9
    text = describe_difference("AB", first, second)
    assert text.startswith("no difference can be claimed: A leads by 2.5")
    assert "p = 1.000" in text
    assert "leads by 0.0 points" in describe_difference("AB", first, first)
    write_run("ones", [1] * 5)
    write_run("twos", [1] * 5, reference="2")
    assert rfs("compare ones twos") == 1
    assert "has the answer '1' in one run" in capsys.readouterr().err


def test_regrade_writes_a_new_file_and_tells_what_changed(runs_folder, capsys):
    run = write_run("graded", [1, 0])
    records = run.read("records.jsonl")
    records[0] |= {"correct": False}  # as an older verifier saw it
    run.rewrite("records.jsonl", records)
    for _ in range(2):
        assert rfs("regrade graded") == 0
    out = capsys.readouterr().out
    assert "1 of 2 verdicts changed" in out
    assert "p0: now right: 1 against 1" in out
    assert run.read("records.jsonl") == records
    verdicts = [r["correct"] for r in run.read("regraded-1.jsonl")]
    assert verdicts == [True, False]
    assert run.read("regraded-2.jsonl") == run.read("regraded-1.jsonl")
