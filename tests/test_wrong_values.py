"""Wrong values at the command line: one clear line, and nothing happened.

Each entry of the table is what the one line of complaint says, then commands
that must end in it. All work in one folder and must leave it as it was.
"""

import gzip
import hashlib
import os
import re
import shlex
import shutil

import pytest
from commands import record_of, trace_of, write_rows

from reasoning_from_scratch.cli.main import COMMANDS, OUTSIDE, main
from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.runs import RunFolder

# "!": the command as it is, without the flags of DEFAULTS
WRONG = r"""
no notebook at nope | check nope
is no notebook: it has no cells | check runs/direct/config.json
is not JSON | check empty.jsonl
the question is empty | ask "" ; ask "  "
required: question | ! ask
must be 1 or more | ask 1+1 -n 0 ; ask 1+1 --max-new-tokens 0 ;
    chat --max-new-tokens -5 ; evaluate --samples 0 ;
    evaluate --max-new-tokens 0 ; evaluate --batch-size 0 ;
    evaluate --limit 0 ; evaluate --limit -3 ; teach --samples -1 ;
    teach --limit 0 ; teach --max-new-tokens 0 ; distill --limit -230 ;
    distill --from-self --samples 0
invalid whole number value: 'x' | ask 1+1 -n x
would be the same answer | ask 1+1 -n 3 --temperature 0
temperature must be >= 0 | ask 1+1 --temperature -1 ;
    ask 1+1 --temperature nan ; ask 1+1 --temperature inf ;
    chat --temperature nan ; evaluate --temperature -0.1 ;
    teach --temperature nan
leave no room | ask 1+1 --max-new-tokens 9999 ;
    evaluate --max-new-tokens 9999 ; teach --max-new-tokens 9999 ;
    grpo --max-new-tokens 9999
must be 0 or more | ask 1+1 --seed -1 ; distill --skip -20 ; distill --ngram -1
has no place for the problem | ask 1+1 --prompt nope ; evaluate --prompt nope ;
    grpo --prompt nope ; teach --prompt nope ; distill --prompt nope ;
    distill --from-self --teacher-prompt nope
no model or run folder | ask 1+1 --model ./nowhere ; chat --model ./nowhere ;
    evaluate --model ./nowhere ; export ./nowhere out
no run | ask 1+1 --model runs/nowhere ; evaluate --samples-of nowhere ;
    compare direct nowhere ; compare /nonexistent/direct steps ;
    regrade nowhere ; regrade /nonexistent/direct
rfs | ask 1+1 --model runs/direct ; evaluate --model runs/direct ;
    report direct
pokcet | ask 1+1 --model pokcet ; grpo --model pokcet ; teach --model pokcet ;
    distill --teacher pokcet --loss jsd ; pretrain --run p --init-from pokcet
no device | ask 1+1 --device meta ; ask 1+1 --device tpu9 ;
    evaluate --device meta ; grpo --device meta
int3 | ask 1+1 --dtype int3 ; export model out --dtype int3
unrecognized arguments: --nonsense | ask 1+1 --nonsense
--system is for chat models | chat --system Hello
--think is for chat models | chat --think
greedy samples would all | evaluate --samples 4
change nothing at temperature 0 | evaluate --top-p 0.5 ; evaluate --top-k 5
top_p must be in (0, 1] | evaluate --top-p 1.5 --method sample ;
    evaluate --top-p nan --method sample
no method 'guess' | evaluate --method guess
no problem set or file 'nope' | evaluate --problems nope ;
    grpo --problems nope ; teach --problems nope
empty.jsonl | evaluate --problems empty.jsonl ; grpo --problems empty.jsonl ;
    distill --traces empty.jsonl ;
    verifier --traces empty.jsonl --validation traces.jsonl
corrupt.jsonl | evaluate --problems corrupt.jsonl ;
    distill --traces corrupt.jsonl
broken.jsonl.gz | evaluate --problems broken.jsonl.gz
records.jsonl | evaluate --problems records.jsonl
invalid choice | evaluate --split nope ; grpo --moments float8 ;
    grpo --variant ppo ; grpo --reward nope ; grpo --split nope ;
    distill --loss kl ; distill --thinking loud ;
    pretrain --run p --model-config big
broken | evaluate --model broken
a run is named by letters | evaluate --run a/b ; evaluate --run "" ;
    grpo --run ../g
exists; add --resume | evaluate --run direct ; grpo --run trained ;
    teach --run direct ; pretrain --run direct
other settings | evaluate --run direct --resume ; grpo --run trained --resume
--resume needs --run NAME | evaluate --resume
holds no records.jsonl | evaluate --samples-of trained ;
    compare direct trained ; regrade trained
nowhere | evaluate --method best-of-n-verifier --verifier nowhere ;
    report nowhere ; export nowhere out ;
    verifier --traces nowhere --validation traces.jsonl ;
    verifier --traces traces.jsonl --validation nowhere
verifier | evaluate --method best-of-n-verifier
required: RUN | ! compare direct
the runs share 0 problems | compare direct other
has the id | compare direct twice ; regrade twice
lacks | compare direct strange
no whole record yet | regrade begun
/nonexistent/trained | report /nonexistent/trained
runs/direct | report trained --output runs/direct
sums.jsonl | export model sums.jsonl ; distill --traces sums.jsonl
--push-to takes OWNER/NAME | export model out --push-to nobody
required: FOLDER | ! export model
required: --run | ! grpo ; ! verifier --traces a --validation b ; ! pretrain
must be > 0 | grpo --steps 0 ; grpo --learning-rate -1 ; grpo --temperature 0 ;
    grpo --max-new-tokens 0 ; teach --endpoint http://x --endpoint-timeout 0 ;
    distill --epochs 0 ; distill --batch-size 0 ;
    verifier --traces mixed.jsonl --validation mixed.jsonl --epochs 0 ;
    pretrain --run p --steps 0 ; pretrain --run p --steps -3
invalid int value: '1.5' | grpo --steps 1.5
group_size must be >= 2 | grpo --group-size 1
must be a finite number | grpo --learning-rate inf ; grpo --learning-rate nan ;
    distill --learning-rate nan
need keep_sampling_mask | grpo --top-p 0.5
must divide | grpo --minibatches 3
eval_every must be >= 0 | grpo --eval-every -1
curriculum must be < 1 | grpo --curriculum 2
--allow-code-execution | grpo --reward code
test split | grpo --split test ; teach --split test ;
    distill --from-self --split test
http:// | teach --endpoint localhost
max_requests | teach --endpoint http://x --endpoint-max-requests 0
one of the arguments | ! distill --run d
not allowed with | distill --from-self --on-policy
no trace is left | distill --skip 20
none of | distill --max-tokens 1
need one | distill --loss forward
loss must be one of | distill --loss sampled
nowhere.jsonl | distill --traces nowhere.jsonl
traces | distill --traces runs/direct
--on-policy needs --teacher | distill --on-policy
one sample | verifier --traces traces.jsonl --validation traces.jsonl
unrecognized arguments: --fast | tour --fast
unrecognized arguments: now | doctor now
did you mean `rfs evaluate`? | evalute
"""
ROWS = [
    (command.strip(), complaint)
    for complaint, commands in re.findall(
        r"(?m)^(\S.*) \|((?:.*;\n)*.*)", WRONG
    )
    for command in commands.split(";")
]
# What a row leaves out: small things, so that it ends soon if it goes on
DEFAULTS = {
    "--model model": "ask chat evaluate grpo teach distill verifier",
    "--problems sums.jsonl": "evaluate grpo teach distill",
    "--run r": "grpo teach distill verifier",
    "--traces traces.jsonl": "distill",
}
SOURCES = {"--from-self", "--on-policy", "--traces"}


@pytest.fixture(scope="module")
def made(model_folder, tmp_path_factory):
    """A folder with a model, problems, traces and runs."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("model", "broken"):
        shutil.copytree(model_folder, folder / name)
    (folder / "broken" / "model.safetensors").write_bytes(b"not weights")
    problems = [Problem(f"What is {n}?", str(n), id=f"p{n}") for n in range(8)]
    right, wrong = (
        [trace_of(p, text.format(p.answer), prompt="direct") for p in problems]
        for text in (r"\boxed{{{}}}", "no")
    )
    write_rows(folder / "sums.jsonl", problems)
    write_rows(folder / "traces.jsonl", right)
    write_rows(folder / "mixed.jsonl", [*wrong[:4], *right[4:]])
    write_rows(folder / "records.jsonl", [{"id": "p0", "correct": True}])
    (folder / "empty.jsonl").write_text("", "utf-8")
    (folder / "corrupt.jsonl").write_text('{"problem": "1 + 1", "ans', "utf-8")
    whole = gzip.compress((folder / "sums.jsonl").read_bytes())
    (folder / "broken.jsonl.gz").write_bytes(whole[:-20])
    runs = {  # evaluations, whole and faulty, and a training
        "direct": map(record_of, ["p0", "p1", "p2"]),
        "other": map(record_of, ["q0", "q1", "q2"]),
        "twice": map(record_of, ["p0", "p1", "p1"]),
        "strange": [{"id": "p0"}, {"id": "p1"}],
        "begun": [],
        "trained": None,
    }
    for name, records in runs.items():
        about = {"command": "grpo" if records is None else "evaluate"}
        run = RunFolder.create(name, about, root=folder / "runs")
        if records is not None:
            run.rewrite("records.jsonl", records)
    (folder / "runs" / "begun" / "checkpoints").mkdir()
    run.append("metrics.jsonl", {"step": 1, "reward": 0.5})
    shutil.copytree(model_folder, run.checkpoint_path(1))
    return folder


@pytest.fixture
def folder(made, monkeypatch):
    """The working folder, which a test must leave as it is."""
    monkeypatch.chdir(made)
    monkeypatch.delenv("RFS_RUNS", raising=False)
    before = contents(made)
    yield made
    assert contents(made) == before


def contents(folder):
    """Every file with its hash, locks apart, and every folder."""
    return {
        str(path): path.is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if not path.name.startswith(".")
    }


@pytest.mark.parametrize(("command", "complaint"), ROWS)
def test_a_wrong_value_is_one_line_and_changes_nothing(
    folder, capsys, command, complaint
):
    words = shlex.split(command.removeprefix("! "))
    for default, commands in DEFAULTS.items():
        flag, value = default.split()
        others = SOURCES if flag in SOURCES else {flag}
        if words[0] in commands.split() and not others & set(words):
            words += [flag, value] if command[0] != "!" else []
    try:
        status = main(words)
    except SystemExit as stop:
        status = stop.code
    (line,) = capsys.readouterr().err.strip().splitlines()

    assert status not in (0, None)
    assert line.startswith("rfs") and complaint in line


@pytest.mark.parametrize("root", [os.devnull, "sums.jsonl"])
@pytest.mark.parametrize("command", ["tour", "evaluate", "grpo --run g"])
def test_runs_that_cannot_be_anywhere_are_one_line(
    folder, monkeypatch, capsys, root, command
):
    monkeypatch.setenv("RFS_RUNS", root)
    monkeypatch.setenv("RFS_FAST", "1")

    assert main(command.split()) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert root in line and "set RFS_RUNS" in line


def test_the_table_is_long_enough_and_walks_every_command():
    tried = {command.removeprefix("! ").split()[0] for command, _ in ROWS}
    assert len(ROWS) >= 150
    assert tried >= COMMANDS.keys() - OUTSIDE.keys()
