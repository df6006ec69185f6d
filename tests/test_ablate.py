"""The ablation: one command, resumable, and no claim inside the noise."""

import json
import sys

import ablate
import ablation_table as tables
import pytest
from test_results import SPEED

from reasoning_from_scratch.cli.main import main
from results import results_page


def metrics(steps=2, clip_share=0.1):
    return [
        {"step": n, "clip_share": clip_share, "solve_rate": 0.1 * n}
        | {"generation_seconds": 30.0, "update_seconds": 30.0}
        for n in range(1, steps + 1)
    ]


def run_of(*shares, num_problems=200):
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
        "grpo": run_of(0.30, 0.31, 0.32),
        "good": run_of(0.60, 0.61, 0.62),
        "same": run_of(0.31, 0.30, 0.32),
        "lucky": run_of(0.3, 0.35, 0.6),
        "bad": run_of(0.10, 0.11, 0.12),
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
    assert rows["good"]["minutes"] == pytest.approx(2.0)
    assert table["minutes"] == 30  # 5 variants, 3 seeds
    # With one seed nothing is claimed
    table = tables.compare({"grpo": run_of(0.3), "good": run_of(0.9)}, "grpo")
    assert "verdict" not in table["variants"]["good"]
    assert "nothing can be claimed" in tables.describe(table)


def test_curves_are_means_over_the_seeds():
    rows = [metrics(clip_share=0.1), metrics(clip_share=0.3)]
    curves = tables.mean_curves(rows)
    assert curves["clip_share"] == pytest.approx([0.2, 0.2])
    assert curves["solve_rate"] == pytest.approx([0.1, 0.2])


def test_the_table_becomes_a_section_of_the_results_page():
    runs = {"grpo": run_of(0.3, 0.3), "good": run_of(0.9, 0.9)}
    row = {**SPEED, "table": tables.compare(runs, "grpo")}
    page = results_page({"ch07-ablation": row}, "")
    assert "| good | 90.0 |" in page and "| grpo | 30.0 |" in page
    assert row["table"]["claim"] in page


def test_the_command_trains_evaluates_compares_and_goes_on(
    tmp_path, monkeypatch, capsys
):
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


def test_what_cannot_work_is_said_before_anything_is_made(
    runs_folder, monkeypatch, capsys
):
    assert main(["ablate", "--variants", "grpo3", "--run", "x"]) == 1
    assert "unknown variant 'grpo3'" in capsys.readouterr().err
    assert main(["ablate", "--model", "pokcet", "--run", "x"]) == 1
    assert "did you mean 'pocket'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["ablate", "--run", "x"]) == 1
    assert "pictures need matplotlib" in capsys.readouterr().err
    assert not runs_folder.exists()
