"""The commands teach and distill, from flags to run folders."""

import pytest
from commands import open_run, rfs, trace_of, write_rows
from loopback import ChatServer, chat_answer

from reasoning_from_scratch.cli.distill import choose_filters
from reasoning_from_scratch.cli.main import read_arguments
from reasoning_from_scratch.evaluation import PROMPTS, load_problems
from reasoning_from_scratch.training.traces import (
    filter_traces,
    held_out_check,
)

pytestmark = pytest.mark.usefixtures("runs_folder")


@pytest.fixture
def traces(tmp_path):
    """Twelve right answers to training problems, and a wrong one."""
    problems = load_problems("pocketmath", split="train", limit=13)
    texts = [rf" so \boxed{{{p.answer}}}" for p in problems[:-1]]
    rows = map(trace_of, problems, [*texts, " no idea"])
    return write_rows(tmp_path / "traces.jsonl", rows)


def distill(folder, flags):
    common = f"--model {folder} --epochs 1 --batch-size 4 --eval-problems 2"
    return rfs(f"distill {common} {flags}")


def last_row(run):
    return open_run(run).read("metrics.jsonl")[-1]


def test_traces_make_a_student_that_loads(model_folder, traces, capsys):
    flags = f"--traces {traces} --run student"
    assert distill(model_folder, flags) == 0
    assert "12 of 13 traces kept" in capsys.readouterr().out
    run = open_run("student")
    steps = [row["step"] for row in run.read("metrics.jsonl")]
    assert steps == [0, 1, 2, 3]
    assert rfs(f"ask 1+1 --model {run.path} --max-new-tokens 2") == 0
    # A limit learns the first of the kept traces: one batch of four
    assert distill(model_folder, f"--traces {traces} --run few --limit 4") == 0
    assert last_row("few")["step"] == 1


@pytest.mark.parametrize(("flags", "num_kept"), [("", 1), ("--ngram 13", 0)])
def test_pocketmath_is_searched_for_whole_problems(
    runs_folder, flags, num_kept
):
    # Its problems share their wording: what is held out is the numbers
    test, train = (
        load_problems("pocketmath", split=split) for split in ("test", "train")
    )
    is_phrase_held_out = held_out_check(test)
    problems = [p for p in train if is_phrase_held_out(p.problem)][:1]
    traces = [
        trace_of(p, rf"\boxed{{{p.answer}}}") for p in [*problems, test[0]]
    ]
    words = f"--traces t --run r --problems pocketmath {flags}".split()
    args, _ = read_arguments("distill", words)
    kept, _ = filter_traces(traces, **choose_filters(args, []))
    assert kept == traces[:num_kept]


@pytest.mark.parametrize(
    "flags",
    ["--traces {} --loss jsd", "--on-policy --steps 3 --prompts-per-step 2"],
)
def test_a_student_that_is_its_teacher_learns_nothing(
    model_folder, traces, flags
):
    flags = flags.format(traces)
    assert (
        distill(model_folder, f"{flags} --teacher {model_folder} --run soft")
        == 0
    )
    assert last_row("soft")["step"] == 3 and "accuracy" in last_row("soft")
    _, row, *_ = open_run("soft").read("metrics.jsonl")
    assert row["loss"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("flags", "asked"),
    [("", "step by step."), ("--teacher-prompt direct", "Answer:")],
)
def test_a_student_learns_of_itself_what_is_right(
    model_folder, capsys, flags, asked
):
    # An untrained model is never right: the run stops there and says so
    assert (
        distill(model_folder, f"--from-self --limit 6 --run self {flags}") == 1
    )
    assert "0 of 6 traces kept" in capsys.readouterr().out
    rows = open_run("self").read("traces.jsonl")
    assert len(rows) == 6
    assert {PROMPTS[row["prompt"]][-len(asked) :] for row in rows} == {asked}


@pytest.mark.parametrize(
    "command",
    [
        "teach --max-new-tokens 2",
        "distill --from-self --unfiltered --max-tokens 999 --epochs 1",
        "grpo --steps 1 --prompts-per-step 2 --group-size 2 --eval-every 0",
    ],
)
def test_a_run_goes_on_with_no_other_problems(
    model_folder, tmp_path, capsys, command
):
    problems = [{"problem": f"{n}+1", "answer": "1"} for n in "12345"]
    path = write_rows(tmp_path / "sums.jsonl", problems)
    command += f" --model {model_folder} --run r --problems {path}"
    rfs(command)
    write_rows(path, problems[1:])

    assert rfs(f"{command} --resume") == 1
    assert "problems_hash" in capsys.readouterr().err
    write_rows(path, problems)
    assert rfs(f"{command} --split validation --resume") == 1
    assert "split" in capsys.readouterr().err


def test_an_endpoints_failures_are_told_and_asked_again(runs_folder, capsys):
    right = chat_answer(r"\boxed{5}")
    with ChatServer(401, right) as server:
        command = f"""teach --model big --problems pocketmath --limit 3 --run t
            --endpoint {server.base_url} --endpoint-max-concurrent 1"""
        assert rfs(f"{command} --endpoint-max-requests 2") == 1
        said = capsys.readouterr().out
        assert "1 failed, the first with" in said and "answered 401" in said
        assert "the budget is spent" in said and "(1 failed, 0 trunc" in said
        assert rfs(f"{command} --resume") == 0
        assert len(server.requests) == 4
        assert len(open_run("t").read("traces.jsonl")) == 3
        _, body = server.requests[0]
    assert "step by step" in body["messages"][0]["content"]
    assert body["max_tokens"] == 2048  # a chat model's row, not pocket's
