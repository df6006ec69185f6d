"""Run folders, atomic writes and state: what a kill may and may not do."""

import json
import os
import re
import socket
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from reasoning_from_scratch.files import (
    atomic_folder,
    atomic_write_json,
    atomic_write_text,
    load_state,
    save_state,
)
from reasoning_from_scratch.runs import (
    RunFolder,
    RunInUseError,
    find_run,
    resolve_checkpoint,
)


def save_text_model(text):
    """A stand-in for save_model: writes one file of the layout."""
    return lambda folder: (folder / "model.txt").write_text(text, "utf-8")


# ---- Atomic writes -------------------------------------------------------


def test_a_written_file_holds_the_text_and_leaves_no_temporary(tmp_path):
    atomic_write_text(tmp_path / "new" / "a.txt", "é\n")

    assert (tmp_path / "new" / "a.txt").read_bytes() == "é\n".encode()
    assert os.listdir(tmp_path / "new") == ["a.txt"]


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    atomic_write_json(tmp_path / "a.json", {"x": 1})

    with pytest.raises(TypeError, match="object cannot be written"):
        atomic_write_json(tmp_path / "a.json", {"x": object()})

    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"x": 1}


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    for name in ("first", "second"):
        with atomic_folder(tmp_path / "model") as folder:
            (folder / name).write_text(name, "utf-8")
    with (
        pytest.raises(RuntimeError),
        atomic_folder(tmp_path / "model") as folder,
    ):
        (folder / "third").write_text("half", "utf-8")
        raise RuntimeError("no space left")

    assert os.listdir(tmp_path / "model") == ["second"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_folder_half_replaced_by_a_kill_comes_back(tmp_path):
    # A kill between the two renames leaves only the hidden old folder.
    (tmp_path / ".model.old").mkdir()
    (tmp_path / ".model.old" / "weights").write_text("old", "utf-8")

    with (
        pytest.raises(RuntimeError),
        atomic_folder(tmp_path / "model"),
    ):
        raise RuntimeError("fails again")

    assert (tmp_path / "model" / "weights").read_text("utf-8") == "old"


# ---- State ---------------------------------------------------------------


def test_a_nested_state_comes_back_with_its_types(tmp_path):
    tree = {
        "step": 3,
        7: ("tuple", [None, True, 0.1, float("inf")]),
        "random": torch.get_rng_state(),
        "weights": {"a": torch.randn(2, 3).bfloat16(), "b": torch.tensor(5)},
        "empty": [{}, (), torch.zeros(0)],
    }

    save_state(tmp_path / "state", tree)
    loaded = load_state(tmp_path / "state")

    assert list(loaded) == ["step", 7, "random", "weights", "empty"]
    assert loaded[7] == tree[7]
    assert loaded["weights"]["a"].dtype == torch.bfloat16
    assert torch.equal(loaded["weights"]["a"], tree["weights"]["a"])
    assert torch.equal(loaded["random"], tree["random"])
    assert loaded["empty"][:2] == [{}, ()]


def test_tensors_that_share_memory_are_saved_apart(tmp_path):
    whole = torch.arange(4.0)
    save_state(tmp_path, {"whole": whole, "view": whole[1:]})

    assert load_state(tmp_path)["view"].tolist() == [1.0, 2.0, 3.0]


def test_an_optimizer_goes_on_as_if_never_stopped(tmp_path):
    def train(weights, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            (weights**2).sum().backward()
            optimizer.step()

    straight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    train(straight, torch.optim.AdamW([straight], lr=0.1), 5)

    first = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = torch.optim.AdamW([first], lr=0.1)
    train(first, optimizer, 3)
    save_state(tmp_path, {"w": first, "adamw": optimizer.state_dict()})
    state = load_state(tmp_path)
    second = torch.nn.Parameter(state["w"])
    resumed = torch.optim.AdamW([second], lr=0.7)
    resumed.load_state_dict(state["adamw"])
    train(second, resumed, 2)

    assert torch.equal(second, straight)


def test_a_type_that_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"a state holds .*, no set: \{2\}"):
        save_state(tmp_path, {"a": [1, {2}]})


# ---- Run folders ---------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    return RunFolder.create("a", {}, root=tmp_path)


def test_a_run_keeps_its_config(runs_folder):
    @dataclass(frozen=True)
    class Config:
        sizes: tuple = (1, 2)

    run = RunFolder.create("first", {"nested": Config()})

    assert run.path == runs_folder / "first"
    assert run.config == {"nested": {"sizes": [1, 2]}}
    assert RunFolder.open(run.path).config == run.config


def test_a_name_that_leaves_the_root_is_refused(tmp_path):
    # Windows keeps some names for devices and drops a dot at the end
    names = ("", "../a", "a/b", ".hidden", "/a", "con", "NUL.txt", "com1")
    names += ("COM¹", "lpt9.x.y", "a.", "a ", "a\\b", "C:a", "a?", "a\n")
    for name in names:
        with pytest.raises(ValueError, match="a run is named by"):
            RunFolder.create(name, {}, root=tmp_path)
    assert os.listdir(tmp_path) == []
    assert RunFolder.create("console.1", {}, root=tmp_path).path.is_dir()


def test_resume_with_other_settings_names_the_keys_that_differ(tmp_path):
    RunFolder.create("a", {"seed": 1, "steps": 5, "lr": 0.1}, root=tmp_path)

    with pytest.raises(ValueError) as error:
        RunFolder.create(
            "a", {"seed": 2, "steps": 5, "x": 0}, root=tmp_path, resume=True
        )

    assert "lr (was 0.1, now None)" in str(error.value)
    assert "seed (was 1, now 2)" in str(error.value)
    assert "steps" not in str(error.value)


def test_resume_of_a_run_that_never_began_begins_it(tmp_path):
    run = RunFolder.create("a", {"seed": 1}, root=tmp_path, resume=True)

    assert run.path.is_dir()


def test_numbered_runs_count_up(tmp_path):
    names = [
        RunFolder.numbered("tour", {}, root=tmp_path).path.name
        for _ in range(3)
    ]

    assert names == ["tour-1", "tour-2", "tour-3"]


@pytest.mark.parametrize("start", [RunFolder.numbered, RunFolder.create])
def test_runs_that_can_have_no_folder_are_refused(tmp_path, start):
    (tmp_path / "runs").write_text("a file", "utf-8")

    with pytest.raises(NotADirectoryError, match="set RFS_RUNS"):
        start("tour", {}, root=tmp_path / "runs")


def test_a_name_is_checked_without_creating_anything(runs_folder):
    assert RunFolder.check_name("a") == runs_folder / "a"
    assert not runs_folder.exists()
    RunFolder.create("a", {})
    message = "a exists; add --resume.*another --run"
    for refuse in (RunFolder.check_name, lambda a: RunFolder.create(a, {})):
        with pytest.raises(FileExistsError, match=message):
            refuse("a")
    assert RunFolder.check_name("a", resume=True) == runs_folder / "a"


# ---- Two processes -------------------------------------------------------

HOLD = """
import sys, time
from reasoning_from_scratch.runs import RunFolder
run = RunFolder.create("a", {}, root=sys.argv[1], resume=True)
print("holds", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works in run `a`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"holds\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_with_the_first_ones_name(
    tmp_path, holder
):
    who = f"process {holder.pid} on {socket.gethostname()} since 20"
    with pytest.raises(RunInUseError, match=who):
        RunFolder.create("a", {}, root=tmp_path, resume=True)

    assert RunFolder.open(tmp_path / "a").config == {}  # readers may
    assert RunFolder.create("a", {}, root=tmp_path, resume=True, shared=True)
    assert RunFolder.numbered("a", {}, root=tmp_path).path.name == "a-1"


def test_a_kill_leaves_no_lock(tmp_path, holder):
    holder.kill()
    holder.wait()

    assert RunFolder.create("a", {}, root=tmp_path, resume=True)


def test_a_process_may_open_its_run_again_and_lets_go_of_it(tmp_path):
    runs = [
        RunFolder.create("a", {}, root=tmp_path, resume=True) for _ in "ab"
    ]
    command = [sys.executable, "-c", HOLD.replace("60", "0"), str(tmp_path)]
    for status, said in ((1, ""), (1, ""), (0, "holds\n")):  # held twice, once
        process = subprocess.run(
            command, capture_output=True, encoding="utf-8"
        )
        assert (process.returncode, process.stdout) == (status, said)
        del runs[:1]


# ---- What may be broken --------------------------------------------------


@pytest.mark.parametrize("text", ["{", "[1]", "", "null"])
def test_a_broken_config_is_named_with_a_way_on(run, text):
    (run.path / "config.json").write_text(text, "utf-8")

    with pytest.raises(ValueError, match="a/config.json is no.*restore it"):
        RunFolder.open(run.path)


@pytest.mark.parametrize("text", ["{}", "{", '{"step": "x"}'])
def test_a_broken_best_is_named_with_a_way_on(run, text):
    run.save_checkpoint(1, save_text_model("w"), {})
    (run.path / "best.json").write_text(text, "utf-8")

    with pytest.raises(ValueError, match="a/best.json"):
        resolve_checkpoint(run.path)


@pytest.mark.parametrize("file", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("keep", [0, 9, None])
def test_a_broken_state_is_named_with_a_way_on(run, file, keep):
    state = {"weights": torch.zeros(100), "step": 1}
    folder = run.save_checkpoint(1, save_text_model("w"), state)
    path = folder / "training_state" / file
    content = path.read_bytes()
    path.unlink() if keep is None else path.write_bytes(content[:keep])

    with pytest.raises(ValueError, match="step_1/training_state.*delete .*"):
        run.load_checkpoint_state(1)


def test_rows_that_went_missing_stop_a_resume(run):
    rows = [{"step": n} for n in range(4)]
    run.rewrite("metrics.jsonl", rows)
    run.save_checkpoint(2, save_text_model("w"), {"x": 1})
    assert run.load_checkpoint_state(2) == {"x": 1}  # 3 will be done again

    for damaged in ([rows[0], *rows[2:]], []):
        run.rewrite("metrics.jsonl", damaged)
        with pytest.raises(ValueError, match="rows up to step 2, but 3 when"):
            run.load_checkpoint_state(2)


def test_a_run_without_a_model_or_checkpoint_says_so(run):
    run.append("records.jsonl", {"id": 1})
    for message in ("a is a run that holds no model", "no checkpoint yet"):
        with pytest.raises(FileNotFoundError, match=message):
            resolve_checkpoint(run.path)
        (run.path / "checkpoints").mkdir(exist_ok=True)


def test_a_line_torn_by_a_kill_is_dropped_and_written_over(run, tmp_path):
    run.append("rows.jsonl", {"id": 1, "text": "line\nbreak \u2028 \ud800"})
    with open(run.path / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write('{"id": 2, "te')

    assert [row["id"] for row in run.read("rows.jsonl")] == [1]
    resumed = RunFolder.create("a", {}, root=tmp_path, resume=True)
    resumed.append("rows.jsonl", {"id": 2})

    assert [row["id"] for row in resumed.read("rows.jsonl")] == [1, 2]
    assert resumed.read("rows.jsonl")[0]["text"].endswith("\u2028 \ud800")


def test_a_broken_line_in_the_middle_is_named(run):
    (run.path / "rows.jsonl").write_text(
        '{"id": 1}\n{"id"\n{"id": 3}\n', "utf-8"
    )

    message = "rows.jsonl, line 2 is not JSON.*restore it from a copy"
    with pytest.raises(ValueError, match=message):
        run.read("rows.jsonl")


def test_rows_never_written_read_as_none_at_all(run):
    assert run.read("rows.jsonl") == []

    run.rewrite("rows.jsonl", [{"id": 1}, {"id": 2}])
    assert run.read("rows.jsonl") == [{"id": 1}, {"id": 2}]


# ---- Checkpoints ---------------------------------------------------------


def test_checkpoints_are_listed_in_the_order_of_their_steps(run):
    for step in (9, 10, 100):
        run.save_checkpoint(step, save_text_model("w"), {"step": step})

    assert run.checkpoint_steps() == [9, 10, 100]
    assert run.load_checkpoint_state(10) == {"step": 10}
    run.prune_checkpoints(keep={100})
    assert run.checkpoint_steps() == [100]
    assert os.listdir(run.path / "checkpoints") == ["step_100"]


def test_a_run_means_its_best_checkpoint_else_its_last(run):
    run.save_checkpoint(1, save_text_model("w"), {})
    run.save_checkpoint(2, save_text_model("w"), {})

    assert resolve_checkpoint(run.path) == run.checkpoint_path(2)
    run.set_best(1, 0.5)
    assert run.best_step() == 1
    assert resolve_checkpoint(run.path) == run.checkpoint_path(1)
    run.prune_checkpoints(keep={2})
    assert resolve_checkpoint(run.path) == run.checkpoint_path(2)


def test_a_run_is_found_by_name_by_runs_slash_name_and_by_path(
    runs_folder, monkeypatch, tmp_path
):
    run = RunFolder.create("a", {})
    elsewhere = RunFolder.create("b", {}, root=tmp_path / "other")

    for name in ("a", "runs/a", run.path, str(run.path)):
        assert find_run(name) == run.path
    assert find_run(elsewhere.path) == elsewhere.path
    run.save_checkpoint(4, save_text_model("w"), {})
    assert resolve_checkpoint("runs/a") == run.checkpoint_path(4)
    assert resolve_checkpoint(run.checkpoint_path(4)).name == "step_4"
    monkeypatch.chdir(tmp_path / "other")
    assert find_run("b") == Path("b")  # a folder beside us


def test_a_run_that_is_not_there_is_named_with_what_was_tried(runs_folder):
    RunFolder.create("base", {})
    for name, tried in (
        ("mine", f"{runs_folder / 'mine'} nor at mine"),
        ("runs/mine", f"{runs_folder / 'mine'} nor at {Path('runs/mine')}"),
        ("/nonexistent/base", f"at {Path('/nonexistent/base')}"),
    ):
        tried = re.escape(tried)
        with pytest.raises(FileNotFoundError, match=tried):
            find_run(name)
        with pytest.raises(FileNotFoundError, match=f"no model .*{tried}"):
            resolve_checkpoint(name)


def test_a_kill_in_the_middle_of_a_checkpoint_leaves_the_old_ones(tmp_path):
    program = textwrap.dedent("""
        import os, sys
        from reasoning_from_scratch.runs import RunFolder
        run = RunFolder.create("a", {}, root=sys.argv[1])
        run.save_checkpoint(1, lambda f: (f / "w").write_text("whole"), {})
        def die(folder):
            (folder / "w").write_text("half")
            os._exit(9)  # as if killed: nothing is cleared up
        run.save_checkpoint(int(sys.argv[2]), die, {})
    """)
    for step in ("1", "2"):  # over the old checkpoint, and beside it
        root = tmp_path / step
        command = [sys.executable, "-c", program, str(root), step]
        killed = subprocess.run(command, check=False)

        assert killed.returncode == 9
        run = RunFolder.create("a", {}, root=root, resume=True)
        assert run.checkpoint_steps() == [1]
        assert (run.checkpoint_path(1) / "w").read_text("utf-8") == "whole"
        assert os.listdir(run.path / "checkpoints") == ["step_1"]
