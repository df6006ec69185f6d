"""The one loop: data order, files, resuming, Ctrl-C, curves."""

import signal
from dataclasses import replace

import pytest
import test_distillation
import torch
import torch.multiprocessing as multiprocessing
from pocket.pretrain import pretrain
from test_grpo import (
    CONFIG,
    PROBLEMS,
    one_of_two,
    strip_clock,
    tiny_policy,
    train,
)
from test_pretrain import TINY
from tiny import tiny_model, weights_of

from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.training import loop
from reasoning_from_scratch.training.optimization import MasterAdamW


def test_every_pass_sees_every_problem_once_in_another_order():
    whole = loop.shuffled_indices(7, 0, 42, seed=5)
    passes = [whole[start : start + 7] for start in range(0, 42, 7)]
    assert all(sorted(each) == list(range(7)) for each in passes)
    assert passes[0] != passes[1] != loop.shuffled_indices(7, 7, 7, seed=6)
    # It can be taken up anywhere
    parts = [loop.shuffled_indices(7, 6 * n, 6, seed=5) for n in range(7)]
    assert whole == sum(parts, [])


# Resuming


def grpo(run, tokenizer, config=CONFIG, problems=PROBLEMS):
    """Each trainer on tiny data; the model at its end."""
    options = {"tokenizer": tokenizer, "run": run, "problems": problems}
    options |= {"model": tiny_policy(), "validation": problems[:3]}
    return train(config, **options)[0]


def with_a_curriculum(run, tokenizer):
    problems = [replace(p, level=n % 3) for n, p in enumerate(PROBLEMS)]
    model = grpo(run, tokenizer, replace(CONFIG, curriculum=0.5), problems)
    assert run.read("metrics.jsonl")[-1]["level_2_drawn"] > 0
    return model


def distill(run, tokenizer):
    held = test_distillation.examples_of(tokenizer)[:2]
    config = replace(test_distillation.CONFIG, eval_every=2)
    options = {"validation_examples": held, "run": run}
    return test_distillation.learn(tokenizer, config, **options)[0]


def on_policy(run, tokenizer):
    return test_distillation.train_on_own(tokenizer, run=run)[0]


def pre_train(run, tokenizer):
    return pretrain(TINY, run, tokenizer=tokenizer, progress=False)


def die():
    raise RuntimeError("killed")


def press_control_c():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    "trainer", [grpo, with_a_curriculum, distill, on_policy, pre_train]
)
@pytest.mark.parametrize(
    # Before the first checkpoint, behind one with a row to forget, between
    ("step", "how", "error"),
    [(1, die, "killed"), (4, die, "killed"), (3, press_control_c, "--resume")],
)
def test_a_run_that_was_cut_resumes_to_the_same_bits(
    tmp_path, monkeypatch, tokenizer, capsys, trainer, step, how, error
):
    whole = RunFolder.create("whole", {}, root=tmp_path)
    expected = trainer(whole, tokenizer)
    # Given a run that is cut before the row of a step is written
    append = RunFolder.append

    def append_or_cut(run, file, row):
        if file == "metrics.jsonl" and row["step"] == step:
            how()
        append(run, file, row)

    cut = RunFolder.create("cut", {}, root=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", append_or_cut)
        with pytest.raises((RuntimeError, KeyboardInterrupt), match=error):
            trainer(cut, tokenizer)
    if how is press_control_c:
        assert cut.checkpoint_steps()[-1] == step
        assert "stopping after this step" in capsys.readouterr().err
    # When it goes on
    cut = RunFolder.create("cut", {}, root=tmp_path, resume=True)
    resumed = trainer(cut, tokenizer)
    # Then
    assert torch.equal(weights_of(resumed), weights_of(expected))
    one, other = (strip_clock(r.read("metrics.jsonl")) for r in (cut, whole))
    assert one == other


def loop_of(model, tokenizer=None, **changes):
    """Three steps without files or evaluations."""
    options = {"num_steps": 3, "eval_every": 0, "checkpoint_every": 3}
    options |= {"evaluate": dict, "progress": False, **changes}
    return loop.TrainingLoop(model, tokenizer, MasterAdamW(model), **options)


def test_weights_that_are_not_finite_are_never_saved(tmp_path, tokenizer):
    model = tiny_policy()
    run = RunFolder.create("run", {}, root=tmp_path)

    def overflow(step):
        model.norm.weight.data[0] = float("inf")
        return {"loss": 1.0}

    with pytest.raises(ValueError, match="step 1: weights are not finite"):
        loop_of(model, tokenizer, checkpoint_every=1, run=run).train(overflow)
    assert run.checkpoint_steps() == []


def _stop_the_second_of_two(rank, path):
    """Ctrl-C reaches one process; both must leave after the same step."""

    def take_step(step):
        if rank == 1 and step == 1:
            press_control_c()
        return {"loss": 1.0}

    stopped = pytest.raises(KeyboardInterrupt, match="stopped after step 2")
    with one_of_two(rank, path), stopped:
        loop_of(tiny_model()).train(take_step)


def test_ctrl_c_stops_all_processes_after_a_step_twice_at_once(tmp_path):
    path = tmp_path / "store"
    multiprocessing.spawn(_stop_the_second_of_two, (path,), nprocs=2)
    with pytest.raises(KeyboardInterrupt), loop.deferred_interrupt() as asked:
        press_control_c()
        assert asked.is_set()
        press_control_c()


# What it tells


def test_whoever_watches_sees_rows_and_two_kinds_of_accuracy():
    seen = []
    train(
        replace(CONFIG, steps=3),
        validation=PROBLEMS[:2],
        watch=lambda rows: seen.append([row["step"] for row in rows]),
    )
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    rows = [{"step": 0, "accuracy": 0.1}, {"step": 1, "solve_rate": 0.2}]
    (greedy, sampled) = loop.plot_training(rows).axes
    assert greedy.get_title("left") == "Right answers, greedy, %"
    assert sampled.get_title("left") == "Right answers among samples, %"
    for axes, point in (greedy, [0, 10]), (sampled, [1, 20]):
        assert [line.get_xydata().tolist() for line in axes.lines] == [[point]]
