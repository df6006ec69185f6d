"""Run folders, atomic writes and state: what a kill may and may not do."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import make_dataclass
from pathlib import Path

import pytest
import torch

from reasoning_from_scratch import files
from reasoning_from_scratch.runs import RunFolder, find_run, resolve_checkpoint


@pytest.fixture
def run(runs_folder):
    return RunFolder.create("a", {})


def resume(name="a", config=None):
    return RunFolder.create(name, config or {}, resume=True)


def save(run, step, state=None):
    """A checkpoint whose model is one file."""

    def save_model(folder):
        (folder / "w").write_text("whole", "utf-8")

    return run.save_checkpoint(step, save_model, state or {})


# ---- Atomic writes -------------------------------------------------------


def test_a_written_file_holds_the_text_and_leaves_no_temporary(tmp_path):
    path = tmp_path / "new" / "a.json"
    files.atomic_write_text(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    files.atomic_write_json(path, {"x": 1})
    with pytest.raises(TypeError, match="object cannot be written"):
        files.atomic_write_json(path, {"x": object()})
    assert json.loads(path.read_text("utf-8")) == {"x": 1}
    assert os.listdir(path.parent) == ["a.json"]


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    for name in ("first", "second", "half"):
        with (
            contextlib.suppress(RuntimeError),
            files.atomic_folder(tmp_path / "model") as folder,
        ):
            (folder / name).write_text(name, "utf-8")
            if name == "half":
                raise RuntimeError("no space left")
    assert os.listdir(tmp_path / "model") == ["second"]
    assert os.listdir(tmp_path) == ["model"]
    # A kill between the two renames leaves only the hidden old folder
    (tmp_path / "model").rename(tmp_path / ".model.old")
    with pytest.raises(RuntimeError), files.atomic_folder(tmp_path / "model"):
        raise RuntimeError("fails again")
    assert os.listdir(tmp_path / "model") == ["second"]


# ---- State ---------------------------------------------------------------


def test_a_nested_state_comes_back_with_its_types(tmp_path):
    whole = torch.arange(4.0)
    tree = {
        "step": 3,
        7: ("tuple", [None, True, 0.1, float("inf")]),
        "random": torch.get_rng_state(),
        "weights": {"a": torch.randn(2, 3).bfloat16(), "b": torch.tensor(5)},
        "shared": [whole, whole[1:]],
        "empty": [{}, (), torch.zeros(0)],
    }
    files.save_state(tmp_path / "state", tree)
    loaded = files.load_state(tmp_path / "state")
    assert list(loaded) == list(tree)
    assert loaded[7] == tree[7]
    assert loaded["weights"]["a"].dtype == torch.bfloat16
    assert torch.equal(loaded["weights"]["a"], tree["weights"]["a"])
    assert torch.equal(loaded["random"], tree["random"])
    assert loaded["shared"][1].tolist() == [1.0, 2.0, 3.0]
    assert loaded["empty"][:2] == [{}, ()]
    with pytest.raises(TypeError, match=r"set cannot be written .*\{2\}"):
        files.save_state(tmp_path, {"a": [1, {2}]})


# ---- Run folders ---------------------------------------------------------


def test_a_run_keeps_its_config_and_names_what_differs(runs_folder):
    nested = make_dataclass("Config", ["sizes"])((1, 2))
    run = resume("first", {"nested": nested})  # begun, if it never was
    assert run.path == runs_folder / "first"
    assert run.config == {"nested": {"sizes": [1, 2]}}
    assert RunFolder.open(run.path).config == run.config
    RunFolder.create("a", {"seed": 1, "steps": 5, "lr": 0.1})
    with pytest.raises(ValueError) as error:
        resume("a", {"seed": 2, "steps": 5, "x": 0})
    assert "lr (was 0.1, now None), seed (was 1, now 2)" in str(error.value)
    assert "steps" not in str(error.value)


def test_a_name_that_leaves_the_root_is_refused(tmp_path):
    # Windows keeps some names for devices and drops a dot at the end
    names = ("", "../a", "a/b", ".hidden", "/a", "con", "NUL.txt", "com1")
    names += ("COM¹", "lpt9.x.y", "a.", "a ", "a\\b", "C:a", "a?", "a\n")
    for name in names:
        with pytest.raises(ValueError, match="a run is named by"):
            RunFolder.create(name, {}, root=tmp_path)
    assert os.listdir(tmp_path) == []
    assert RunFolder.create("console.1", {}, root=tmp_path).path.is_dir()


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
run = RunFolder.create("a", {}, resume=True)
print("holds", flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def holder(runs_folder):
    """Another process that works in run `a`."""
    command = [sys.executable, "-c", HOLD, "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"holds\n"
        yield process
        process.kill()


def test_a_second_process_waits_until_the_first_has_ended(holder):
    who = f"process {holder.pid} on {socket.gethostname()} since 20"
    with pytest.raises(FileExistsError, match=who):
        resume()
    assert RunFolder.open(find_run("a")).config == {}  # readers may
    assert RunFolder.create("a", {}, resume=True, shared=True)
    runs = [RunFolder.numbered("a", {}) for _ in range(2)]
    assert [run.path.name for run in runs] == ["a-1", "a-2"]
    holder.kill()
    holder.wait()
    assert resume()  # a kill leaves no lock


def test_a_process_may_open_its_run_again_and_lets_go_of_it(runs_folder):
    runs = [resume() for _ in "ab"]
    command = [sys.executable, "-c", HOLD, "0"]
    for status in (1, 1, 0):  # held twice, once, no more
        assert (
            subprocess.run(command, stderr=subprocess.DEVNULL).returncode
            == status
        )
        del runs[:1]


# ---- What may be broken --------------------------------------------------


@pytest.mark.parametrize("text", ["{", "[1]", "", "null"])
@pytest.mark.parametrize("file", ["config.json", "best.json"])
def test_a_broken_file_is_named_with_a_way_on(run, file, text):
    save(run, 1)
    (run.path / file).write_text(text, "utf-8")
    message = rf"a/{file}.* (restore|delete) it"
    with pytest.raises(ValueError, match=message):
        RunFolder.open(run.path).best_step()
    run.set_best("x", 0.5)
    with pytest.raises(ValueError, match="a/best.json names no step; delete"):
        run.best_step()


@pytest.mark.parametrize("file", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("keep", [0, 9, None])
def test_a_broken_state_is_named_with_a_way_on(run, file, keep):
    folder = save(run, 1, {"weights": torch.zeros(100), "step": 1})
    path = folder / "training_state" / file
    content = path.read_bytes()
    path.unlink() if keep is None else path.write_bytes(content[:keep])
    with pytest.raises(ValueError, match="step_1/training_state.*delete .*"):
        run.load_checkpoint_state(1)


def test_rows_that_went_missing_stop_a_resume(run):
    rows = [{"step": n} for n in range(4)]
    run.rewrite("metrics.jsonl", rows)
    save(run, 2, {"x": 1})
    assert run.load_checkpoint_state(2) == {"x": 1}  # 3 will be done again
    for damaged in ([rows[0], *rows[2:]], []):
        run.rewrite("metrics.jsonl", damaged)
        with pytest.raises(ValueError, match="rows up to step 2, but 3 when"):
            run.load_checkpoint_state(2)


def test_a_torn_last_line_is_dropped_and_a_broken_one_named(run):
    assert run.read("rows.jsonl") == []
    run.append("rows.jsonl", {"id": 1, "text": "line\nbreak \u2028 \ud800"})
    with open(run.path / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write('{"id": 2, "te')
    assert [row["id"] for row in run.read("rows.jsonl")] == [1]
    resumed = resume()
    resumed.append("rows.jsonl", {"id": 2})
    assert [row["id"] for row in resumed.read("rows.jsonl")] == [1, 2]
    assert resumed.read("rows.jsonl")[0]["text"].endswith("\u2028 \ud800")
    (run.path / "rows.jsonl").write_text('{"id": 1}\n{"id"\n{}\n', "utf-8")
    with pytest.raises(ValueError, match="rows.jsonl, line 2 .*restore it"):
        run.read("rows.jsonl")


# ---- Checkpoints ---------------------------------------------------------


def test_checkpoints_are_listed_in_the_order_of_their_steps(run):
    for step in (9, 10, 100):
        save(run, step, {"step": step})
    assert run.checkpoint_steps() == [9, 10, 100]
    assert run.load_checkpoint_state(10) == {"step": 10}
    run.prune_checkpoints(keep={100})
    assert os.listdir(run.path / "checkpoints") == ["step_100"]


def test_a_run_means_its_best_checkpoint_else_its_last(run):
    run.append("records.jsonl", {"id": 1})
    with pytest.raises(FileNotFoundError, match="a run that holds no model"):
        resolve_checkpoint(run.path)
    for step in (1, 2):
        save(run, step)
        assert resolve_checkpoint(run.path) == run.checkpoint_path(step)
    run.set_best(1, 0.5)
    assert resolve_checkpoint(run.path) == run.checkpoint_path(1)
    run.prune_checkpoints(keep={2})
    assert resolve_checkpoint(run.path) == run.checkpoint_path(2)


def test_a_run_is_found_by_name_and_by_path(run, monkeypatch, tmp_path):
    elsewhere = RunFolder.create("b", {}, root=tmp_path / "other")
    for name in ("a", "runs/a", run.path, str(run.path)):
        assert find_run(name) == run.path
    assert find_run(elsewhere.path) == elsewhere.path
    save(run, 4)
    assert resolve_checkpoint("runs/a") == run.checkpoint_path(4)
    assert resolve_checkpoint(run.checkpoint_path(4)).name == "step_4"
    monkeypatch.chdir(tmp_path / "other")
    assert find_run("b") == Path("b")  # a folder beside us


KILLED = """
import os, sys
from reasoning_from_scratch.runs import RunFolder
run = RunFolder.create("a", {})
run.save_checkpoint(1, lambda f: (f / "w").write_text("whole"), {})
def die(folder):
    (folder / "w").write_text("half")
    os._exit(9)  # as if killed: nothing is cleared up
run.save_checkpoint(int(sys.argv[1]), die, {})
"""


@pytest.mark.parametrize("step", ["1", "2"])  # over the old one, and beside it
def test_a_kill_in_a_checkpoint_leaves_the_old_ones(step, runs_folder):
    killed = subprocess.run([sys.executable, "-c", KILLED, step], check=False)
    assert killed.returncode == 9
    run = resume()
    assert (run.checkpoint_path(1) / "w").read_text("utf-8") == "whole"
    assert os.listdir(run.path / "checkpoints") == ["step_1"]
