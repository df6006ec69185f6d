"""Each warning on rows that deserve it, and on rows that do not."""

import math

import pytest

from reasoning_from_scratch.training.diagnosis import (
    RULES,
    diagnose,
    first_and_last,
    series,
    smoothed,
)

HEALTHY = {"reward": 0.3, "solve_rate": 0.3, "no_signal": 0.3, "length": 40.0}
HEALTHY |= {"entropy": 0.3, "kl": 0.02, "clip_share": 0.01, "mismatch": 1e-7}
ZEROS = "truncated", "loss", "reward_failures", "updates_skipped"
HEALTHY |= dict.fromkeys(ZEROS, 0.0) | {"grad_norm": 0.2}


def run_of(steps=20, accuracy=(0.3, 0.5), **changed):
    """Rows of a run; `name=(first, last)` moves a metric in a line."""
    rows = [{"step": 0, **evaluation(accuracy[0])}]
    for step in range(1, steps + 1):
        row = {"step": step, **HEALTHY}
        for name, (first, last) in changed.items():
            row[name] = first + (last - first) * (step - 1) / (steps - 1)
        rows.append(row)
    rows[-1] |= evaluation(accuracy[1])
    return rows


def evaluation(accuracy):
    """An accuracy with an interval of five points to either side."""
    ends = {"accuracy_low": accuracy - 0.05, "accuracy_high": accuracy + 0.05}
    greedy = {"greedy_length": 40.0, "greedy_truncated": 0.0}
    return {"accuracy": accuracy, **ends, **greedy}


def names(rows):
    return [finding.name for finding in diagnose(rows)]


UNLEARNT = [
    {"step": step, "loss": 1.0, "validation_loss": loss}
    for step, loss in enumerate((1.0, 0.8, 0.9))
]
SICK = {
    "overfitting": UNLEARNT,
    "reward_failures": run_of(reward_failures=(0, 3)),
    "reward_hacking": run_of(accuracy=(0.5, 0.3), reward=(0.3, 0.9)),
    "accuracy_drop": run_of(accuracy=(0.5, 0.3)),
    "kl_runaway": run_of(kl=(0.0, 3.0)),
    "entropy_collapse": run_of(entropy=(0.3, 0.001)),
    "entropy_growth": run_of(entropy=(0.3, 4.0)),
    "no_signal": run_of(no_signal=(0.3, 1.0)),
    "length_growth": run_of(accuracy=(0.5, 0.5), length=(40, 120)),
    "truncation": run_of(truncated=(0.0, 0.6)),
    "heavy_clipping": run_of(clip_share=(0.0, 0.6)),
    "sampler_mismatch": run_of(mismatch=(0.1, 0.1)),
    "nan_update": run_of(updates_skipped=(0, 2)),
}


@pytest.mark.parametrize("name", SICK)
def test_each_disease_is_named_and_only_that(name):
    assert names(SICK[name]) == [name]


def test_every_rule_is_tried_and_a_bad_loss_told_with_its_step():
    assert SICK.keys() == RULES.keys()
    rows = run_of()
    rows[7]["loss"] = math.nan
    (finding,) = diagnose(rows)
    assert finding.name == "nan_update"
    assert "loss is not finite at step 7" in finding.text


def one_bad_step():
    rows = run_of(steps=40)
    rows[12] |= {"kl": 50.0, "truncated": 1.0, "entropy": 0.0}
    return rows


@pytest.mark.parametrize(
    "rows",
    [
        run_of(),
        run_of(accuracy=(0.1, 0.5), length=(10, 45)),  # grows and learns
        run_of(accuracy=(0.5, 0.46)),  # its interval reaches 0.51
        one_bad_step(),
        UNLEARNT[:2],
        *(run_of(kl=(0.0, 3.0))[:count] for count in range(4)),
    ],
)
def test_a_run_that_is_healthy_or_has_hardly_begun_has_no_finding(rows):
    assert names(rows) == []

    # A distillation that unlearns the end is told by greedy answers
    rows = [{"step": s, "loss": 1.0, "grad_norm": 1.0} for s in range(9)]
    rows[-1] |= {**evaluation(0.5), "greedy_truncated": 0.9}
    (finding,) = diagnose(rows)
    assert (finding.name, finding.title) == ("truncation", "Truncation")
    assert "90% of greedy answers" in finding.text


# Series


def test_series_leave_out_what_is_not_finite_and_are_smoothed():
    values = (9.0, 1.0, None, math.inf, 2.0)
    rows = [{"step": s, "x": value} for s, value in enumerate(values)]
    assert series(rows, "x") == [1.0, 2.0]
    assert series(rows, "x", training=False) == [9.0, 1.0, 2.0]
    rows = [{"step": s, "x": float(s)} for s in range(1, 41)]
    # A tenth of 40 is 4: means of 1..4 and 37..40
    assert first_and_last(rows, "x") == (2.5, 38.5)
    assert first_and_last(rows[:6], "x") == (2.0, 5.0)
    assert first_and_last(rows[:5], "x") is None
    assert smoothed([1.0, 2.0, 3.0, 4.0, 5.0], 3) == [1.5, 2, 3, 4, 4.5]
