"""A whole run: learning, files, resuming, processes, a curriculum."""

import contextlib
import itertools
import math
from dataclasses import asdict, replace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from test_rollouts import StoppingTokenizer
from test_update import optimizer_of, rollouts_of
from tiny import QWEN2, tiny_model, weights_of

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import load_model
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.training import (
    GRPO_VARIANTS,
    GRPOConfig,
    LossConfig,
    RewardSet,
    grpo_loss,
    parallel,
    train_grpo,
    update,
    variant_config,
)
from reasoning_from_scratch.training.curriculum import (
    Curriculum,
    level_weights,
)
from reasoning_from_scratch.training.rewards import group_length_term

PROBLEMS = [Problem(f"{n} + 1?", str(n + 1), id=f"p{n}") for n in range(12)]
SIZES = {"steps": 6, "prompts_per_step": 4, "group_size": 4, "eval_every": 3}
SIZES |= {"checkpoint_every": 2, "sample_every": 2, "max_new_tokens": 6}
SIZES |= {"prompt": "{problem}", "require_end": False}
SIZES |= {"learning_rate": 1e-2, "warmup_steps": 0}
CONFIG = GRPOConfig(**SIZES)


def starts_low(text, problem):
    """1.0 for a text whose first character is an ASCII letter or digit."""
    return float(text[:1].isascii() and text[:1].isalnum())


def train(config=CONFIG, reward=starts_low, **changes):
    """Train the tiny model; returns it with the rows."""
    model = changes.pop("model", None) or tiny_model()
    tokenizer = changes.pop("tokenizer", None) or StoppingTokenizer()
    what = model, tokenizer, changes.pop("problems", PROBLEMS), config
    rows = train_grpo(*what, reward=reward, progress=False, **changes)
    return model, rows


def strip_clock(rows):
    """Rows without what the clock and the machine say."""
    noise = ("seconds", "memory", "per_second")
    return [
        {k: v for k, v in row.items() if not any(n in k for n in noise)}
        for row in rows
    ]


def tiny_policy(**changes):
    return tiny_model(vocab_size=320, **changes)


# Learning


@pytest.mark.parametrize("name", GRPO_VARIANTS)
def test_every_variant_learns(name):
    config = variant_config(name, **{**SIZES, "steps": 20, "eval_every": 0})
    reward = starts_low
    if config.advantages == "per_reward":
        reward = {"low": starts_low, "text": lambda text, _: float(text > "")}
    _, rows = train(config, reward=reward)
    assert rows[-1]["solve_rate"] > rows[0]["solve_rate"] + 0.3


def test_rows_hold_the_metrics_of_the_step():
    _, rows = train(replace(CONFIG, steps=2, eval_every=0))
    assert [row["step"] for row in rows] == [1, 2]
    wanted = """reward solve_rate no_signal length truncated entropy kl ratio
        clip_share mismatch mismatch_max loss grad_norm learning_rate
        generation_seconds scoring_seconds update_seconds peak_memory_gib
        tokens_generated tokens_learned reward_failures updates_skipped"""
    assert set(wanted.split()) <= rows[0].keys()
    assert rows[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert rows[1]["kl"] > 1e-6
    assert 0 <= rows[0]["mismatch"] <= rows[0]["mismatch_max"] < 1e-4


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_bad_loss_ends(tmp_path, tokenizer, monkeypatch, factor):
    real, calls = update.row_logprobs, itertools.count()

    def breaking(*arguments):
        # A micro-batch is one call, a step has a few: breaks in step 2 or 3
        return real(*arguments) * (factor if next(calls) > 4 else 1.0)

    monkeypatch.setattr(update, "row_logprobs", breaking)
    run = RunFolder.create("run", asdict(CONFIG), root=tmp_path)
    model = tiny_policy()
    config = replace(CONFIG, eval_every=0, track_kl=False, checkpoint_every=1)
    with pytest.raises(ValueError, match="nothing of this step is saved"):
        train(config, model=model, tokenizer=tokenizer, run=run)
    rows = run.read("metrics.jsonl")
    assert run.checkpoint_steps()[-1] == len(rows) < 6
    assert weights_of(model).isfinite().all()


def test_a_loss_of_ones_own_takes_the_place_of_grpo_loss():
    def turned_round(logprobs, **arguments):
        loss, metrics = grpo_loss(logprobs, **arguments)
        return -loss, metrics

    short = replace(CONFIG, steps=12, eval_every=0)
    _, rows = train(short)
    _, wrong = train(short, loss_function=turned_round)
    assert rows[-1]["reward"] > rows[0]["reward"]
    assert wrong[-1]["reward"] < wrong[0]["reward"]


def rarely(text, problem):
    return float(problem.id in ("p1", "p4", "p7") and len(text) > 2)


@pytest.mark.parametrize(
    ("reward", "advantages"),
    [
        (rarely, "group_std"),
        ({"rarely": rarely, "flat": lambda *_: 0.1}, "per_reward"),
    ],
)
def test_dynamic_sampling_replaces_groups_without_signal(reward, advantages):
    plain = replace(CONFIG, steps=1, eval_every=0, advantages=advantages)
    _, rows = train(plain, reward=reward)
    _, dynamic = train(replace(plain, dynamic_sampling=3), reward=reward)
    assert rows[0]["no_signal"] == dynamic[0]["no_signal"] > 0
    assert dynamic[0]["tokens_generated"] > rows[0]["tokens_generated"]
    assert dynamic[0]["tokens_learned"] > rows[0]["tokens_learned"]


# Files and resuming


@pytest.mark.parametrize("family", [{}, QWEN2], ids=["qwen3", "qwen2"])
def test_a_run_folder_holds_what_there_was(tmp_path, tokenizer, family):
    run = RunFolder.create("run", asdict(CONFIG), root=tmp_path)
    start = weights_of(tiny_policy(**family))
    options = {"tokenizer": tokenizer, "validation": PROBLEMS[:3]}
    model, _ = train(model=tiny_policy(**family), run=run, **options)
    assert [row["step"] for row in run.read("metrics.jsonl")] == [*range(7)]
    samples = run.read("samples.jsonl")
    assert {row["step"] for row in samples} == {1, 2, 4, 6}
    assert all(len(s["pushes"]) == len(s["tokens"]) for s in samples)
    learned = [s["advantage"] * sum(s["pushes"]) for s in samples]
    assert sum(learned) > 0  # good answers likelier, bad ones less so
    assert (run.path / "plot.png").stat().st_size > 5_000
    assert run.checkpoint_steps()[-1] == 6
    loaded, _ = load_model(run.checkpoint_path(6), device="cpu")
    assert torch.equal(weights_of(loaded), weights_of(model))
    assert (weights_of(model) != start).float().mean() > 0.9
    assert run.best_step() in run.checkpoint_steps()


# Several processes


@contextlib.contextmanager
def one_of_two(rank, path, backend="gloo"):
    """Be one of two processes that meet at a file."""
    dist.init_process_group(
        backend, init_method=path.as_uri(), rank=rank, world_size=2
    )
    yield
    dist.destroy_process_group()


def five_updates(prompts):
    """Losses and weights after five updates on given rollouts."""
    model, sampler = tiny_model(), tiny_model()
    optimizer = optimizer_of(model)
    config = replace(CONFIG, learning_rate=1e-3)
    losses = []
    for step in range(5):
        rollouts = rollouts_of(sampler, seed=step).select_prompts(prompts)
        metrics = update.update_policy(model, optimizer, rollouts, config)
        losses.append(metrics["loss"])
    return losses, weights_of(model)


def _train_a_share(rank, folder):
    with one_of_two(rank, folder / "store"):
        found = five_updates([[0, 1], [2, 1]][rank])
    torch.save(found, folder / f"{rank}.pt")


def test_two_processes_train_as_one(tmp_path):
    losses, weights = five_updates([0, 1, 2, 1])
    multiprocessing.spawn(_train_a_share, (tmp_path,), nprocs=2)
    for rank in range(2):
        pair_losses, pair_weights = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(pair_weights, weights, atol=1e-5, rtol=0)
        assert pair_losses == pytest.approx(losses, abs=1e-5)


def _reduce_on_the_cpu(rank, path, backend):
    """A world in which only `backend` serves, "onlygpu" knows no CPU."""
    dist.Backend.register_backend(
        "onlygpu",
        lambda store, rank, size, _: dist.ProcessGroupGloo(store, rank, size),
        devices=["cuda"],
    )
    with one_of_two(rank, path, backend):
        ones = torch.ones(2, 1)
        assert parallel.sum_over_processes(ones).tolist() == [[2.0], [2.0]]
        assert parallel.gather_rows(ones).shape == (4, 1)
        with parallel.one_at_a_time():
            pass


def test_counts_on_the_cpu_are_summed_beside_gradients_on_a_gpu(tmp_path):
    # Given a backend that stands for NCCL: it serves one kind of device
    backend = parallel.GPU_BACKENDS.replace("nccl", "onlygpu")
    both, one = (tmp_path / "both", backend), (tmp_path / "one", "onlygpu")
    multiprocessing.spawn(_reduce_on_the_cpu, both, nprocs=2)
    with pytest.raises(Exception, match="No backend type associated"):
        multiprocessing.spawn(_reduce_on_the_cpu, one, nprocs=2)


# Settings


BRIEF = RewardSet({"low": starts_low}, length_term=group_length_term)
TEST = Problem("1?", "1", id="pocketmath-test-00001")


@pytest.mark.parametrize(
    ("settings", "given", "reason"),
    [
        ({"advantages": "z-score"}, {}, "must be one of group_std"),
        ({"top_p": 1.5}, {}, "top_p must be <= 1"),
        ({"keep_sampling_mask": True}, {}, "both are off"),
        ({"overlong_share": 1.0}, {}, "must be < 1"),
        ({"overlong_share": 0.2, "advantages": "maxrl"}, {}, "turn negative"),
        ({"dynamic_sampling": 2, "advantages": "batch_std"}, {}, "set one"),
        ({"loss": LossConfig(off_policy_delta=0.5)}, {}, "never reuse one"),
        ({"advantages": "per_reward"}, {}, "got only starts_low"),
        ({"overlong_share": 0.2}, {"reward": BRIEF}, "has a length_term"),
        ({}, {"problems": [TEST]}, "test split"),
        ({}, {"problems": []}, "there are no problems"),
        ({}, {"problems": "pocketmath"}, "load it first"),
    ],
)
def test_what_cannot_train_is_refused(settings, given, reason):
    with pytest.raises(ValueError, match=reason):
        train(replace(CONFIG, **settings), **given)


def test_the_rate_falls_and_dr_grpo_knows_the_limit_where_asked():
    _, rows = train(replace(CONFIG, cosine_decay=True, epochs=2))
    rates = [row["learning_rate"] for row in rows if "learning_rate" in row]
    assert rates[0] > rates[-1] > 0 and rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * CONFIG.learning_rate  # the last of 12 updates
    _, rows = train()
    assert {row.get("learning_rate", 1e-2) for row in rows} == {1e-2}
    config = variant_config("dr_grpo", max_new_tokens=64)
    assert config.loss.constant_length == 64
    with pytest.raises(ValueError, match="there are grpo, "):
        variant_config("grpo2")


# ---- The curriculum: near the target, no level forgotten ----

LEVELLED = [
    Problem(f"{n} + 1?", str(n + 1), level=n % 3 + 1, id=f"p{n}")
    for n in range(12)
]


def test_weights_are_worked_by_hand_and_need_two_levels():
    # 0.15 off the target, one width: exp(-1/2) = 0.60653 of the height at it;
    # 0.5 off, exp(-5.56) = 0.0039: the floor, 0.05. Sum 1.65653
    weights = level_weights({1: 1.0, 2: 0.5, 3: 0.35}, 0.5)
    expected = {1: 0.030184, 2: 0.603671, 3: 0.366145}
    assert weights == pytest.approx(expected, abs=1e-6)
    alike = [replace(problem, level=0) for problem in LEVELLED]
    with pytest.raises(ValueError, match="chooses among levels"):
        Curriculum(alike, 0.5, 0)


def test_levels_near_the_target_are_drawn_more_often_and_evenly():
    curriculum = Curriculum(LEVELLED, 0.5, 3)
    curriculum.solve_rates = {1: 0.95, 2: 0.5, 3: 0.05}
    places = curriculum.draw(600, cursor=0)
    levels = [LEVELLED[place].level for place in places]
    shares = [levels.count(level) / 600 for level in (1, 2, 3)]
    # 1 / (1 + 2 x 0.05) of the draws; standard error 0.012
    assert shares[1] == pytest.approx(1 / 1.1, abs=0.04)
    assert min(shares) > 0
    # Each problem of a level once before any again
    places = [place for place in places if LEVELLED[place].level == 2]
    assert sorted(places[:4]) == sorted(places[4:8]) == [1, 4, 7, 10]
    # Rates move by the mean of a level's groups
    curriculum = Curriculum(LEVELLED, 0.5, 3)
    curriculum.draw(5, cursor=0)
    curriculum.update([1, 3, 1], [1.0, 0.0, 0.5])
    # 0.5 + 0.3 (0.75 - 0.5), untouched, 0.5 + 0.3 (0 - 0.5)
    assert curriculum.solve_rates == pytest.approx({1: 0.575, 2: 0.5, 3: 0.35})


def test_a_run_draws_what_teaches():
    # Level 1 is always right, 2 never: only level 3 depends on the text
    def reward(text, problem):
        return {1: 1.0, 2: 0.0}.get(problem.level, starts_low(text, problem))

    config = replace(CONFIG, curriculum=0.5, eval_every=0, steps=15)
    _, rows = train(config, reward=reward, problems=LEVELLED)
    drawn = [rows[-1][f"level_{level}_drawn"] for level in (1, 2, 3)]
    assert sum(drawn) == rows[-1]["problems_drawn"] == 60
    assert drawn[2] > drawn[0] + drawn[1]
    assert rows[-1]["level_1_solve_rate"] > 0.9
