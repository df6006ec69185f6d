"""Wrong values at the command line: one clear line, and nothing happened.

Each row is a command that must fail and what its one line of complaint says.
All of them start from the same working folder and must leave it as it was.
"""

import gzip
import hashlib
import os
import shlex
import shutil

import pytest
from commands import record_of, trace_of, write_rows

from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.runs import RunFolder

WRONG = r"""
check nope                                 | no notebook at nope
check runs/direct/config.json              | is no notebook: it has no cells
check empty.jsonl                          | is not JSON
ask ""                                     | the question is empty
ask "  "                                   | the question is empty
ask                                        | required: question
ask 1+1 -n 0                               | must be 1 or more, got 0
ask 1+1 -n x                               | invalid whole number value: 'x'
ask 1+1 -n 3 --temperature 0               | would be the same answer
ask 1+1 --temperature -1                   | temperature must be >= 0
ask 1+1 --temperature nan                  | temperature must be >= 0
ask 1+1 --temperature inf                  | temperature must be >= 0
ask 1+1 --max-new-tokens 0                 | must be 1 or more, got 0
ask 1+1 --max-new-tokens 9999              | leave no room
evaluate --max-new-tokens 9999             | leave no room
teach --run t --max-new-tokens 9999        | leave no room
ask 1+1 --seed -1                          | must be 0 or more, got -1
ask 1+1 --prompt nope                      | has no place for the problem
ask 1+1 --model ./nowhere                  | no model or run folder at
ask 1+1 --model runs/nowhere               | no run 'runs/nowhere'
ask 1+1 --model runs/direct                | rfs
ask 1+1 --model pokcet                     | pokcet
ask 1+1 --device meta                      | no device 'meta' here
ask 1+1 --device tpu9                      | no device 'tpu9' here
ask 1+1 --dtype int3                       | int3
ask 1+1 --nonsense                         | unrecognized arguments: --nonsense
chat --max-new-tokens -5                   | must be 1 or more, got -5
chat --temperature nan                     | temperature must be >= 0
chat --system Hello                        | --system is for chat models
chat --think                               | --think is for chat models
chat --model ./nowhere                     | no model or run folder
evaluate --samples 0                       | must be 1 or more, got 0
evaluate --samples 4                       | greedy samples would all
evaluate --max-new-tokens 0                | must be 1 or more, got 0
evaluate --batch-size 0                    | must be 1 or more, got 0
evaluate --limit 0                         | must be 1 or more, got 0
evaluate --limit -3                        | must be 1 or more, got -3
evaluate --top-p 0.5                       | change nothing at temperature 0
evaluate --top-k 5                         | change nothing at temperature 0
evaluate --top-p 1.5 --method sample       | top_p must be in (0, 1]
evaluate --top-p nan --method sample       | top_p must be in (0, 1]
evaluate --temperature -0.1                | temperature must be >= 0
evaluate --method guess                    | no method 'guess'
evaluate --prompt nope                     | has no place for the problem
evaluate --problems nope                   | no problem set or file 'nope'
evaluate --problems empty.jsonl            | empty.jsonl
evaluate --problems corrupt.jsonl          | corrupt.jsonl
evaluate --problems broken.jsonl.gz        | broken.jsonl.gz
evaluate --problems records.jsonl          | records.jsonl
evaluate --split nope                      | invalid choice: 'nope'
evaluate --model ./nowhere                 | no model or run folder
evaluate --model runs/direct               | rfs
evaluate --model broken                    | broken
evaluate --device meta                     | no device 'meta' here
evaluate --run a/b                         | a run is named by letters
evaluate --run ""                          | a run is named by letters
evaluate --run direct                      | exists; add --resume
evaluate --run direct --resume             | other settings
evaluate --resume                          | --resume needs --run NAME
evaluate --samples-of nowhere              | no run 'nowhere'
evaluate --samples-of trained              | holds no records.jsonl
evaluate --method best-of-n-verifier --verifier nowhere | nowhere
evaluate --method best-of-n-verifier       | verifier
compare direct                             | required: RUN
compare direct nowhere                     | no run 'nowhere'
compare /nonexistent/direct steps          | no run '/nonexistent/direct'
compare direct trained                     | holds no records.jsonl
compare direct other                       | the runs share 0 problems
compare direct twice                       | has the id
compare direct strange                     | lacks
regrade nowhere                            | no run 'nowhere'
regrade /nonexistent/direct                | no run '/nonexistent/direct'
regrade trained                            | holds no records.jsonl
regrade begun                              | no whole record yet
regrade twice                              | has the id
report nowhere                             | nowhere
report /nonexistent/trained                | /nonexistent/trained
report direct                              | rfs
report trained --output runs/direct        | runs/direct
export nowhere out                         | nowhere
export ./nowhere out                       | no model or run folder
export model sums.jsonl                    | sums.jsonl
export model out --push-to nobody          | --push-to takes OWNER/NAME
export model out --dtype int3              | int3
export model                               | required: FOLDER
grpo                                       | required: --run
grpo --run g --steps 0                     | steps must be > 0
grpo --run g --steps 1.5                   | invalid int value: '1.5'
grpo --run g --group-size 1                | group_size must be >= 2
grpo --run g --learning-rate inf           | learning_rate must be a finite
grpo --run g --learning-rate nan           | learning_rate must be a finite
grpo --run g --learning-rate -1            | learning_rate must be > 0
grpo --run g --temperature 0               | temperature must be > 0
grpo --run g --max-new-tokens 0            | max_new_tokens must be > 0
grpo --run g --max-new-tokens 9999         | leave no room
grpo --run g --top-p 0.5                   | need keep_sampling_mask
grpo --run g --minibatches 3               | must divide
grpo --run g --moments float8              | invalid choice: 'float8'
grpo --run g --eval-every -1               | eval_every must be >= 0
grpo --run g --curriculum 2                | curriculum must be < 1
grpo --run g --variant ppo                 | invalid choice: 'ppo'
grpo --run g --reward nope                 | invalid choice: 'nope'
grpo --run g --reward code                 | --allow-code-execution
grpo --run g --split test                  | test split
grpo --run g --split nope                  | invalid choice: 'nope'
grpo --run g --prompt nope                 | has no place for the problem
grpo --run g --problems nope               | no problem set or file 'nope'
grpo --run g --problems empty.jsonl        | empty.jsonl
grpo --run g --model pokcet                | pokcet
grpo --run g --model runs/begun            | no checkpoint
grpo --run g --device meta                 | no device 'meta' here
grpo --run trained                         | exists; add --resume
grpo --run trained --resume                | other settings
grpo --run ../g                            | a run is named by letters
teach --run t --samples -1                 | must be 1 or more, got -1
teach --run t --limit 0                    | must be 1 or more, got 0
teach --run t --max-new-tokens 0           | must be 1 or more, got 0
teach --run t --temperature nan            | temperature must be >= 0
teach --run t --split test                 | test split
teach --run t --prompt nope                | has no place for the problem
teach --run t --problems nope              | no problem set or file 'nope'
teach --run t --model pokcet               | pokcet
teach --run t --endpoint localhost         | http://
teach --run t --endpoint http://x --endpoint-timeout 0 | timeout must be > 0
teach --run t --endpoint http://x --endpoint-max-requests 0 | max_requests
teach --run direct                         | exists; add --resume
distill --run d                            | one of the arguments
distill --run d --from-self --on-policy    | not allowed with
distill --run d --traces traces.jsonl --limit -230 | must be 1 or more
distill --run d --traces traces.jsonl --skip -20 | must be 0 or more, got -20
distill --run d --traces traces.jsonl --skip 20 | no trace is left
distill --run d --traces traces.jsonl --ngram -1 | must be 0 or more, got -1
distill --run d --traces traces.jsonl --epochs 0 | epochs must be > 0
distill --run d --traces traces.jsonl --batch-size 0 | batch_size must be > 0
distill --run d --traces traces.jsonl --max-tokens 1 | none of
distill --run d --traces traces.jsonl --loss forward | need one
distill --run d --traces traces.jsonl --loss sampled | loss must be one of
distill --run d --traces traces.jsonl --loss kl | invalid choice: 'kl'
distill --run d --traces traces.jsonl --thinking loud | invalid choice: 'loud'
distill --run d --traces traces.jsonl --learning-rate nan | finite
distill --run d --traces traces.jsonl --teacher pokcet --loss jsd | pokcet
distill --run d --traces traces.jsonl --prompt nope | has no place
distill --run d --traces nowhere.jsonl     | nowhere.jsonl
distill --run d --traces runs/direct       | traces
distill --run d --traces empty.jsonl       | empty.jsonl
distill --run d --traces corrupt.jsonl     | corrupt.jsonl
distill --run d --traces sums.jsonl        | sums.jsonl
distill --run d --from-self --samples 0    | must be 1 or more, got 0
distill --run d --from-self --split test   | test split
distill --run d --from-self --teacher-prompt nope | has no place
distill --run d --on-policy                | --on-policy needs --teacher
verifier --run v --traces nowhere --validation traces.jsonl | nowhere
verifier --run v --traces traces.jsonl --validation nowhere | nowhere
verifier --run v --traces empty.jsonl --validation traces.jsonl | empty.jsonl
verifier --run v --traces traces.jsonl --validation traces.jsonl | one sample
verifier --run v --traces mixed.jsonl --validation mixed.jsonl --epochs 0 | > 0
verifier --traces a --validation b         | required: --run
pretrain                                   | required: --run
pretrain --run p --steps 0                 | steps must be > 0
pretrain --run p --steps -3                | steps must be > 0
pretrain --run p --init-from pokcet        | pokcet
pretrain --run p --model-config big        | invalid choice: 'big'
pretrain --run direct                      | exists; add --resume
tour --fast                                | unrecognized arguments: --fast
doctor now                                 | unrecognized arguments: now
evalute                                    | did you mean `rfs evaluate`?
"""
ROWS = [line.partition("|")[::2] for line in WRONG.strip().splitlines()]
# What a row leaves out: small things, so that it ends soon if it goes on
DEFAULTS = (
    ("--model", "model", "ask chat evaluate grpo teach distill verifier"),
    ("--problems", "sums.jsonl", "evaluate grpo teach distill"),
)


@pytest.fixture(scope="module")
def made(model_folder, tmp_path_factory):
    """A folder with a model, problems, traces and runs."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("model", "broken"):
        shutil.copytree(model_folder, folder / name)
    (folder / "broken" / "model.safetensors").write_bytes(b"not weights")
    problems = [Problem(f"What is {n}?", str(n), id=f"p{n}") for n in range(8)]
    write_rows(folder / "sums.jsonl", problems)
    traces = [
        trace_of(p, rf"\boxed{{{p.answer}}}", prompt="direct")
        for p in problems
    ]
    write_rows(folder / "traces.jsonl", traces)
    wrong = [trace_of(p, "no", prompt="direct") for p in problems[:4]]
    write_rows(folder / "mixed.jsonl", [*wrong, *traces[4:]])
    write_rows(folder / "records.jsonl", [{"id": "p0", "correct": True}])
    (folder / "empty.jsonl").write_text("", "utf-8")
    (folder / "corrupt.jsonl").write_text('{"problem": "1 + 1", "ans', "utf-8")
    whole = gzip.compress((folder / "sums.jsonl").read_bytes())
    (folder / "broken.jsonl.gz").write_bytes(whole[:-20])
    write_runs(folder / "runs", model_folder)
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy of it to work in."""
    folder = shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RFS_RUNS", raising=False)
    return folder


def write_runs(root, model_folder):
    """Evaluations, whole and faulty, and a training run."""
    ids = {
        "direct": ["p0", "p1", "p2"],
        "other": ["q0", "q1", "q2"],
        "twice": ["p0", "p1", "p1"],
        "begun": [],
    }
    for name, names in ids.items():
        run = RunFolder.create(name, {"command": "evaluate"}, root=root)
        run.rewrite("records.jsonl", map(record_of, names))
    strange = RunFolder.create("strange", {}, root=root)
    strange.rewrite("records.jsonl", [{"id": "p0"}, {"id": "p1"}])
    trained = RunFolder.create("trained", {"command": "grpo"}, root=root)
    trained.append("metrics.jsonl", {"step": 1, "reward": 0.5})
    trained.save_checkpoint(
        1,
        lambda path: shutil.copytree(model_folder, path, dirs_exist_ok=True),
        {},
    )
    (root / "begun" / "checkpoints").mkdir()


def contents(folder):
    """Every file with its hash, locks apart, and every folder."""
    return {
        str(path): path.is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if not path.name.startswith(".")
    }


@pytest.mark.parametrize(
    ("command", "complaint"), ROWS, ids=[row[0].strip() for row in ROWS]
)
def test_a_wrong_value_is_one_line_and_changes_nothing(
    folder, capsys, command, complaint
):
    words = shlex.split(command)
    for flag, value, commands in DEFAULTS:
        if words[0] in commands.split() and flag not in words:
            words += [flag, value]
    before = contents(folder)
    try:
        status = main(words)
    except SystemExit as stop:
        status = stop.code
    lines = capsys.readouterr().err.strip().splitlines()

    assert status not in (0, None)
    assert len(lines) == 1 and "Traceback" not in lines[0]
    assert lines[0].startswith("rfs") and complaint.strip() in lines[0]
    assert contents(folder) == before


@pytest.mark.parametrize("root", [os.devnull, "sums.jsonl"])
@pytest.mark.parametrize("command", ["tour", "evaluate", "grpo --run g"])
def test_runs_that_cannot_be_anywhere_are_one_line(
    folder, monkeypatch, capsys, root, command
):
    monkeypatch.setenv("RFS_RUNS", root)
    monkeypatch.setenv("RFS_FAST", "1")
    before = contents(folder)

    assert main(command.split()) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert root in line and "set RFS_RUNS" in line
    assert contents(folder) == before


def test_the_table_is_long_enough_and_walks_every_command():
    from reasoning_from_scratch.cli.main import COMMANDS, OUTSIDE

    assert len(ROWS) >= 80
    assert {row[0].split()[0] for row in ROWS} >= set(COMMANDS) - set(OUTSIDE)
