"""Measured rows, what is drawn of them, measuring again, ablations."""

import argparse
import json
import re
import sys
from pathlib import Path

import ablate
import ablation_table as tables
import pytest
import remake
from rows import save_result
from tiny import table

import results as drawing
from reasoning_from_scratch import results
from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.results import is_measured, ladder, load_results
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.settings import get_settings
from results import README_BEGIN, README_END

DIRECT, SPEED, MISSING, GAIN, LOSS = table("result_rows").values()
UNSURE = {"difference_low": -0.05}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with a README and a results folder of its own."""
    (tmp_path / "results").mkdir()
    readme = f"# Title\n{README_BEGIN}\nold\n{README_END}\nThe rest.\n"
    (tmp_path / "README.md").write_text(readme, "utf-8")
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(results, "SUMMARY", tmp_path / "summary.json")
    return tmp_path


def test_a_row_that_is_not_whole_is_refused(checkout):
    lacking = {key: DIRECT[key] for key in DIRECT if key != "commit"}
    for row, message in (
        (lacking, "results/a.json lacks commit"),
        ({**DIRECT, "accuracy": 12.5}, "0 <= low <= accuracy"),  # per cent
    ):
        with pytest.raises(ValueError, match=message):
            save_result("a", row)
    assert results.load_results() == {}


@pytest.mark.parametrize(
    ("here", "on_pocket", "expected"),
    [
        ({}, {}, "holds"),
        (LOSS, {}, "**turns round**"),
        (UNSURE, {}, "only on pocket"),
        ({}, UNSURE, "only on this model"),
        (UNSURE, UNSURE, "no difference on either"),
    ],
)
def test_a_gain_holds_or_not_by_both_intervals(here, on_pocket, expected):
    twin = {**DIRECT, **GAIN, **on_pocket}
    assert drawing.verdict({**GAIN, **here, "twin": twin}) == expected


def test_check_fails_until_the_drawings_are_up_to_date(checkout, capsys):
    pytest.importorskip("matplotlib")
    save_result("direct", DIRECT)
    assert drawing.check(checkout) == 1
    assert "RESULTS.md is out of date" in capsys.readouterr().out
    drawing.draw(checkout)
    assert drawing.check(checkout) == 0
    readme = (checkout / "README.md").read_text("utf-8")
    assert ": direct 12.5 % (" in readme and "old" not in readme
    assert readme.endswith("\nThe rest.\n")
    (checkout / "results").rename(checkout / "gone")  # an installed wheel
    (step,) = results.ladder(results.load_results())
    assert step["accuracy"] == DIRECT["accuracy"]
    (checkout / "gone").rename(checkout / "results")
    save_result("direct", {**DIRECT, "high": 0.2})
    assert drawing.check(checkout) == 1
    assert "summary.png is out of date" in capsys.readouterr().out


def test_a_remake_runs_no_command_twice(tmp_path, monkeypatch):
    started = []

    def pretend(command):
        started.append(command)
        name = command.split()[-1]
        correct = {"direct": [0, 0, 1, 0], "steps": [1, 0, 1, 1]}[name]
        run = RunFolder.create(name, {}, root=tmp_path / "runs")
        for number, right in enumerate(correct):
            run.append("records.jsonl", {"id": number, "correct": right})
        figures = dict.fromkeys(remake.FIGURES, 0.5)
        curve = {"pass_at_k": {"1": 0.5}, "majority_at_k": {}}
        run.write_json("result.json", {**figures, **curve})
        return [sys.executable, "-c", "print('done')"]

    monkeypatch.setattr(remake, "full_command", pretend)
    command = "rfs evaluate --run steps"
    steps = {**MISSING, "command": command, "run": "steps", "over": "direct"}
    remake.measure(DIRECT, tmp_path)
    fresh = [remake.measure(steps, tmp_path) for _ in range(2)][0]
    assert started == [DIRECT["command"], command]
    assert fresh["accuracy"] == 0.5 and "reason" not in fresh
    assert fresh["pass_at_k"] == {"1": 0.5}
    assert "majority_at_k" not in fresh  # the run had none
    # (1 + 0 + 0 + 1) / 4: right where the other was wrong, twice
    rows = {"direct": DIRECT, "steps": steps}
    assert remake.difference(fresh, rows, tmp_path)["difference"] == 0.5


def test_curves_are_saved_and_figures_in_a_last_line(checkout, monkeypatch):
    run = RunFolder.create("training", {}, root=checkout / "runs")
    step = {"step": 1, "solve_rate": 0.123456, "seconds": 9.0}
    run.append("metrics.jsonl", step)
    remake.save_curve("grpo", run)
    path = checkout / "results" / "curves" / "grpo.jsonl"
    assert path.read_text("utf-8") == '{"step": 1, "solve_rate": 0.1235}\n'

    def measure(program):
        command = [sys.executable, "-c", program]
        monkeypatch.setattr(remake, "full_command", lambda _: command)
        return remake.measure({**SPEED, "figure": "a.ratio"}, checkout)

    with pytest.raises(ChildProcessError, match="ended with status 3"):
        measure("raise SystemExit(3)")
    assert not (checkout / remake.DONE).exists()
    row = measure("""print('for people\\n{"a": {"ratio": 1.5}}')""")
    assert row["value"] == 1.5


def test_commands_are_ours_and_rows_whole_and_drawn():
    # The page's text and every table: what is drawn anew is what is committed
    command = remake.full_command('rfs evaluate --run a --prompt "x {y}"')
    words = ["evaluate", "--run", "a", "--prompt", "x {y}", "--resume"]
    assert command[-6:] == words
    with pytest.raises(ValueError, match="begins with rfs"):
        remake.full_command("rm -r runs")
    assert drawing.check(results.FOLDER.parent) == 0


# ---- No notebook shows one model's rows under the name of another ----

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("ch0*/*.ipynb"))


def test_rows_and_curves_of_another_model_are_as_good_as_missing(monkeypatch):
    rows = load_results()
    monkeypatch.delenv("RFS_MODEL", raising=False)
    own = results.results_of()
    for name in ("ch03-direct", "ch05-grpo-coarse"):  # its own, a sister's
        assert own[name] == rows[name] and is_measured(own[name])
    assert results.load_curve("ch05-grpo") and ladder(rows)

    for model in ("qwen3-0.6b-base", "pocket-teacher", "runs/mine"):
        monkeypatch.setenv("RFS_MODEL", model)
        for row in results.results_of().values():
            is_kept = "group" in row or row["model"] == model
            assert is_kept or not is_measured(row)
            assert is_kept or not row.keys() & {"accuracy", "value"}
        reason = results.results_of()["ch03-direct"]["reason"]
        assert "on pocket, not on" in reason
        assert results.load_curve("ch05-grpo") == []
        assert {row["model"] for row in ladder(rows)} <= {model}
    assert is_measured(results.results_of("pocket-teacher")["ch06-teacher"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_read_rows_by_model(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    codes = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    for code in codes:
        assert not re.search(r"results import .*\bFOLDER\b", code), code
        assert not re.search(r"results/[\w*{}-]+\.json", code), code
        calls = re.findall(r"(\w*\(?)load_results\(\)", code)
        assert set(calls) <= {"ladder("}, code  # which filters by itself


# ---- The ablation: resumable, and no claim inside the noise ----


def metrics(steps=2, clip_share=0.1):
    return [
        {"step": n, "clip_share": clip_share, "solve_rate": 0.1 * n}
        | {"generation_seconds": 30.0, "update_seconds": 30.0}
        for n in range(1, steps + 1)
    ]


def variant_of(*shares, num_problems=200):
    """A variant whose seeds solve the first so many of the problems."""
    return {
        "scores": [
            [float(i < share * num_problems) for i in range(num_problems)]
            for share in shares
        ],
        "tokens": [40.0] * len(shares),
        "metrics": [metrics() for _ in shares],
    }


def test_only_a_gain_that_every_seed_shows_is_called_better():
    runs = {
        "grpo": variant_of(0.30, 0.31, 0.32),
        "good": variant_of(0.60, 0.61, 0.62),
        "same": variant_of(0.31, 0.30, 0.32),
        "lucky": variant_of(0.3, 0.35, 0.6),
        "bad": variant_of(0.10, 0.11, 0.12),
    }
    table = tables.compare(runs, "grpo")
    rows = table["variants"]
    assert {name: row.get("verdict") for name, row in rows.items()} == {
        "good": "better",
        "lucky": "inside the noise",
        "grpo": None,
        "same": "inside the noise",
        "bad": "worse",
    }
    assert list(rows)[0] == "good" and list(rows)[-1] == "bad"
    assert rows["good"]["difference"] == pytest.approx(0.3)
    lucky = rows["lucky"]
    assert lucky["difference"] > 0.1 and lucky["difference_low"] < 0
    assert table["claim"] == (
        "good is better; bad is worse. All others: inside the noise."
    )
    curves = tables.mean_curves([metrics(clip_share=c) for c in (0.1, 0.3)])
    assert curves["clip_share"] == pytest.approx([0.2, 0.2])
    assert curves["solve_rate"] == pytest.approx([0.1, 0.2])
    assert rows["good"]["minutes"] == pytest.approx(2.0)
    assert table["minutes"] == 30  # 5 variants, 3 seeds
    # With one seed nothing is claimed
    table = tables.compare(
        {"grpo": variant_of(0.3), "good": variant_of(0.9)}, "grpo"
    )
    assert "verdict" not in table["variants"]["good"]
    assert "nothing can be claimed" in tables.describe(table)


def test_ablate_trains_compares_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RFS_RUNS", str(tmp_path))
    monkeypatch.setenv("RFS_FAST", "1")
    command = "ablate --variants grpo,rloo --seeds 0,1 --steps 1 --limit 12"
    command = [*command.split(), "--model", "pocket", "--run", "small"]
    # Given one of two variants done by one process
    assert main([*command, "--only", "grpo"]) == 0
    assert "not done yet: rloo" in capsys.readouterr().out
    # When another does the rest
    assert main([*command, "--resume"]) == 0
    counts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert counts.keys() == set(tables.VERDICTS)
    table = json.loads((tmp_path / "small" / "table.json").read_text("utf-8"))
    assert {"grpo", "rloo"} == table["variants"].keys()
    assert len(table["variants"]["rloo"]["accuracies"]) == 2
    assert table["curves"]["grpo"]["mismatch_max"][0] > 0
    for file in ("table.md", "plot.png", "rloo-seed1/metrics.jsonl"):
        assert (tmp_path / "small" / file).is_file()
    # Then nothing is done a third time
    monkeypatch.setattr(ablate, "train_grpo", None)
    assert main([*command, "--resume"]) == 0


def test_a_rate_that_is_given_stays_the_same_in_all_steps():
    parser = argparse.ArgumentParser()
    ablate.add_arguments(parser)
    settings = get_settings("pocket")
    for choice, rate, falls in ((None, 1e-4, True), (5e-4, 5e-4, False)):
        words = ["--run", "x"]
        words += [] if choice is None else ["--learning-rate", str(choice)]
        args = parser.parse_args(words)
        config = ablate.choose_config("grpo", 0, args, settings)
        assert (config.learning_rate, config.cosine_decay) == (rate, falls)


def test_what_cannot_work_is_said_first(runs_folder, monkeypatch, capsys):
    assert main(["ablate", "--variants", "grpo3", "--run", "x"]) == 1
    assert "unknown variant 'grpo3'" in capsys.readouterr().err
    assert main(["ablate", "--model", "pokcet", "--run", "x"]) == 1
    assert "did you mean 'pocket'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["ablate", "--run", "x"]) == 1
    assert "pictures need matplotlib" in capsys.readouterr().err
    assert not runs_folder.exists()
