"""The referee of the speedrun: fresh problems, a clock, and its rules."""

import json

import pytest
import speedrun
from tiny import table

from reasoning_from_scratch.evaluation import load_problems

ENTRY = table("speedrun_entry")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    page = f"# Rules\n{speedrun.MARK}old\n"
    (tmp_path / "LEADERBOARD.md").write_text(page, encoding="utf-8")
    monkeypatch.setattr(speedrun, "CHECKOUT", tmp_path)
    monkeypatch.setattr(speedrun, "FOLDER", tmp_path)
    return tmp_path


def enter(checkout, name, **changes):
    path = checkout / f"{name}.json"
    path.write_text(json.dumps(ENTRY | changes), encoding="utf-8")


def test_fresh_problems_are_in_no_split_and_follow_from_the_seed():
    first = speedrun.fresh_problems(7, 40)
    texts = {problem.problem for problem in first}
    for split in ("train", "validation", "test"):
        known = {p.problem for p in load_problems("pocketmath", split=split)}
        assert not texts & known
    again = speedrun.fresh_problems(7, 40)
    assert [p.problem for p in again] == [p.problem for p in first]
    assert speedrun.fresh_problems(8, 40) != first
    assert len({problem.subject for problem in first}) > 5


def test_an_entry_is_trained_and_measured():
    outcome = speedrun.referee(ENTRY, num_problems=4, seeds=[1, 2])
    assert outcome["seconds"] > 0 and outcome["paces"] > 0
    assert len(outcome["accuracies"]) == 2
    assert outcome["reached"] == (outcome["accuracy"] >= 0.6)


def test_what_an_entry_may_not_do_is_refused(checkout, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="the shape of the shipped base"):
        speedrun.measure("pocket-teacher", "direct", [])
    for lacking in ("idea", "commands"):
        enter(checkout, "mine", **{lacking: ""})
        with pytest.raises(ValueError, match=f"lacks {lacking}"):
            speedrun.read_entry("mine")
    with pytest.raises(FileNotFoundError, match="there are mine"):
        speedrun.read_entry("yours")

    def train(command):
        speedrun.train(ENTRY | {"commands": [command]}, tmp_path)

    with pytest.raises(ValueError, match="begins with rfs or python"):
        train("curl x")
    with pytest.raises(ValueError, match="pocket-grpo is trained already"):
        train("rfs grpo --model pocket-grpo --run short")
    with pytest.raises(ChildProcessError, match="nonsense` ended with status"):
        train("rfs nonsense")
    monkeypatch.setattr(speedrun, "MAX_MINUTES", 0)
    with pytest.raises(TimeoutError, match="an entry has 0 minutes"):
        train("rfs grpo --run short")


def test_the_leaderboard_has_the_fastest_first(checkout):
    outcome = {"seconds": 60, "accuracy": 0.61, "reached": True, "paces": 9}
    enter(checkout, "slow", idea="slow", outcome=outcome)
    enter(checkout, "fast", idea="fast", outcome=outcome | {"paces": 5})
    failed = outcome | {"paces": 1, "accuracy": 0.5, "reached": False}
    enter(checkout, "wrong", idea="wrong", outcome=failed)
    enter(checkout, "new", idea="not judged")
    speedrun.draw_leaderboard()
    page = (checkout / "LEADERBOARD.md").read_text("utf-8")
    assert page.startswith("# Rules\n")
    assert "old" not in page and "not judged" not in page
    places = [page.index(f"| {name}") for name in ("fast", "slow", "wrong")]
    assert places == sorted(places)
