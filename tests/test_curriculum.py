"""The curriculum: near the target, no level forgotten, resumed exactly."""

from dataclasses import replace

import pytest
from test_grpo import CONFIG, starts_low, train

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.training.curriculum import (
    Curriculum,
    level_weights,
)

PROBLEMS = [
    Problem(f"{n} + 1?", str(n + 1), level=n % 3 + 1, id=f"p{n}")
    for n in range(12)
]


def begin(row=()):
    return Curriculum(PROBLEMS, 0.5, 3, row)


def test_weights_are_worked_by_hand():
    # 0.15 off the target, one width: exp(-1/2) = 0.60653 of the height at it;
    # 0.5 off, exp(-5.56) = 0.0039: the floor, 0.05. Sum 1.65653
    weights = level_weights({1: 1.0, 2: 0.5, 3: 0.35}, 0.5)
    expected = {1: 0.030184, 2: 0.603671, 3: 0.366145}
    assert weights == pytest.approx(expected, abs=1e-6)


def test_levels_near_the_target_are_drawn_more_often_and_evenly():
    curriculum = begin()
    curriculum.solve_rates = {1: 0.95, 2: 0.5, 3: 0.05}
    places = curriculum.draw(600, cursor=0)
    levels = [PROBLEMS[place].level for place in places]
    shares = [levels.count(level) / 600 for level in (1, 2, 3)]
    # 1 / (1 + 2 x 0.05) of the draws; standard error 0.012
    assert shares[1] == pytest.approx(1 / 1.1, abs=0.04)
    assert min(shares) > 0
    # Each problem of a level once before any again
    places = [place for place in places if PROBLEMS[place].level == 2]
    assert sorted(places[:4]) == sorted(places[4:8]) == [1, 4, 7, 10]


def test_rates_move_by_the_mean_of_a_levels_groups_and_go_on_from_a_row():
    curriculum = begin()
    curriculum.draw(5, cursor=0)
    curriculum.update([1, 3, 1], [1.0, 0.0, 0.5])
    # 0.5 + 0.3 (0.75 - 0.5), untouched, 0.5 + 0.3 (0 - 0.5)
    assert curriculum.solve_rates == pytest.approx({1: 0.575, 2: 0.5, 3: 0.35})
    twin = begin(curriculum.state)
    assert vars(twin) == vars(curriculum)
    assert twin.draw(9, cursor=5) == curriculum.draw(9, cursor=5)


def test_problems_of_one_level_are_refused():
    alike = [replace(problem, level=0) for problem in PROBLEMS]
    with pytest.raises(ValueError, match="chooses among levels"):
        Curriculum(alike, 0.5, 0)


def test_a_run_draws_what_teaches():
    # Level 1 is always right, 2 never: only level 3 depends on the text
    def reward(text, problem):
        return {1: 1.0, 2: 0.0}.get(problem.level, starts_low(text, problem))

    config = replace(CONFIG, curriculum=0.5, eval_every=0, steps=15)
    _, rows = train(config, reward=reward, problems=PROBLEMS)
    drawn = [rows[-1][f"level_{level}_drawn"] for level in (1, 2, 3)]
    assert sum(drawn) == rows[-1]["problems_drawn"] == 60
    assert drawn[2] > drawn[0] + drawn[1]
    assert rows[-1]["level_1_solve_rate"] > 0.9
