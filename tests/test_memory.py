"""Memory: what is predicted, what is chosen, and what happens at its end."""

from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from unittest.mock import DEFAULT, Mock

import pytest
import test_loop
import torch
from commands import open_run, rfs
from test_evaluate import measure, new_run
from test_grpo import CONFIG, strip_clock
from test_rollouts import PROBLEMS, rollouts_of
from tiny import ByteTokenizer, tiny_config, weights_of
from torch.profiler import ProfilerActivity, profile

from reasoning_from_scratch import llm, memory, training
from reasoning_from_scratch.evaluation import MethodOutput
from reasoning_from_scratch.memory import (
    OutOfMemory,
    fit_decoding,
    fit_training,
    predict_memory,
    training_workload,
)
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.training import distillation, optimization
from reasoning_from_scratch.training.loop import TrainingLoop
from reasoning_from_scratch.training.optimization import MasterAdamW
from reasoning_from_scratch.training.update import update_policy

WIDE = {"hidden_size": 192, "head_dim": 32, "intermediate_size": 512}
POCKET = tiny_config(vocab_size=704, num_layers=5, num_heads=6, **WIDE)
SMALL = llm.QWEN3_CONFIGS["0.6b"]
FULL = {  # as each device says it, and Python
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 5 GB"),
    "cpu": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: "
        "can't allocate memory: you tried to allocate 8 bytes."
    ),
    "python": MemoryError(),
}
within_a_tenth = partial(pytest.approx, abs=0.1)


# Predicted against measured


def measured_peak(work):
    """The most bytes that PyTorch's allocator gave out at a time, exactly."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as p:
        work()
    events = p.profiler.kineto_results.events()
    changes = [e for e in events if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(changes, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def full_rollouts(shape, rows, prompt_tokens, tokens):
    """Rollouts of random tokens that are all as long as they may be."""
    model = llm.Qwen3Model(shape).init_weights()
    batch = rollouts_of(PROBLEMS[:1], model, group_size=rows)
    size = rows, prompt_tokens + tokens
    mask = torch.arange(size[1]).expand(size) >= prompt_tokens
    rewards = torch.arange(float(rows))[None] % 2
    return replace(
        batch,
        token_ids=torch.randint(shape.vocab_size, size),
        key_mask=torch.ones_like(mask),
        mask=mask[:, 1:],
        sampler_logprobs=torch.zeros(size)[:, 1:],
        rewards=rewards,
        reward_parts=rewards[..., None],
    )


def compare_update(
    shape, dtype, rows, tokens, checkpointing=False, moments="float32"
):
    """Predicted over measured peak of two updates, four micro-batches each."""
    rollouts = full_rollouts(shape, 4 * rows, 32, tokens)
    sizes = {"micro_batch_size": rows, "prompts_per_step": 1}
    sizes |= {"group_size": 4 * rows, "max_new_tokens": tokens}
    sizes |= {"activation_checkpointing": checkpointing, "moments": moments}
    config = replace(CONFIG, track_kl=False, **sizes)

    dtype, moments = getattr(torch, dtype), getattr(torch, moments)

    def work():
        model = llm.Qwen3Model(shape).to(dtype)
        optimizer = MasterAdamW(model, moment_dtype=moments)
        for _ in range(2):
            update_policy(model, optimizer, rollouts, config)

    plan = training_workload(shape, config, dtype.itemsize, prompt_tokens=32)
    return compare(shape, plan, work)


def compare(shape, plan, work):
    """Predicted over measured peak of work that decodes nothing."""
    predicted = predict_memory(shape, replace(plan, decoding_rows=0))
    return predicted / measured_peak(work)


# As Qwen3's: most of the weights are embeddings, logits come in chunks
LARGE_VOCABULARY = replace(POCKET, vocab_size=20_000, num_layers=2)


@pytest.mark.parametrize(
    ("shape", "case"),
    [
        (POCKET, ("float32", 8, 96)),
        (POCKET, ("float32", 8, 96, True)),
        (POCKET, ("bfloat16", 8, 96)),
        (POCKET, ("bfloat16", 4, 96, True, "bfloat16")),
        (LARGE_VOCABULARY, ("float32", 2, 64)),
    ],
)
def test_the_peak_of_an_update_is_predicted(shape, case, monkeypatch):
    if shape == LARGE_VOCABULARY:
        monkeypatch.setattr(memory, "CHUNK_ENTRIES", 2**20)
        monkeypatch.setattr(llm.logprobs, "MAX_CHUNK_ENTRIES", 2**20)
    assert compare_update(shape, *case) == within_a_tenth(1)


@pytest.mark.parametrize("loss", ["hard", "forward", "jsd"])
def test_the_peak_of_distillation_is_predicted(loss):
    # Given logits that outweigh the rest, as a large vocabulary's do
    shape = tiny_config(vocab_size=5000)
    config = training.DistillationConfig(
        loss=loss, micro_batch_tokens=512, max_tokens=128
    )
    examples = [training.Example([7], [9] * 127)] * 16
    beside = 0 if loss == "hard" else 4 * shape.num_parameters
    learn, compute = distillation.learn_examples, distillation.hard_loss

    def work():
        loss, model = compute, llm.Qwen3Model(shape)
        if beside:
            loss = distillation.soft_loss(llm.Qwen3Model(shape), 5000, config)
        optimizer = MasterAdamW(model)
        for _ in range(2):
            learn(model, optimizer, examples, loss, config, 1e-3)

    plan = training_workload(shape, config, 4, frozen_bytes=beside)
    assert compare(shape, plan, work) == within_a_tenth(1)


@pytest.mark.parametrize(
    ("vocab_size", "sampling"),
    [
        (704, llm.SamplingConfig()),
        (20_000, llm.SamplingConfig(temperature=0.7)),
        (20_000, llm.SamplingConfig(temperature=0.7, top_p=0.95)),
    ],
)
def test_the_peak_of_decoding_is_predicted(vocab_size, sampling):
    shape = replace(POCKET, vocab_size=vocab_size)
    model, tokenizer = llm.Qwen3Model(shape).init_weights(), ByteTokenizer()
    tokenizer.vocab_size, tokenizer.decode = vocab_size, str

    sizes = {"num_samples": 12, "max_new_tokens": 24, "batch_size": 48}
    sizes |= {"sampling": sampling, "stop_ids": ()}  # rows that all end late

    def work():
        llm.generate(model, tokenizer, ["a" * 24] * 4, **sizes)

    plan = memory.Workload(4, 48, 48, is_filtered=sampling.is_filtered)
    measured = 4 * shape.num_parameters + measured_peak(work)
    assert predict_memory(shape, plan) / measured == within_a_tenth(1)


def test_pieces_are_those_of_the_code_and_grow_with_memory():
    assert memory.CHUNK_ENTRIES == llm.logprobs.MAX_CHUNK_ENTRIES
    assert memory.OPTIMIZER_PIECE == optimization.MAX_PIECE
    # 10 bytes for each of 596,049,920 weights: the weight, its gradient and
    # lower half, two moments; 0.93 GB for three gradients of the embeddings
    config = replace(BOOK_RUN, prompts_per_step=1, eval_problems=8)
    assert 6.9e9 < fit_training(SMALL, config, 8, prompt_tokens=64)[1] < 8e9
    fitted = [fit_training(SMALL, BOOK_RUN, n)[0] for n in (12, 16, 24, 48)]
    rows = [config.decoding_batch_size for config in fitted]
    assert rows == sorted(rows) and rows[0] < rows[-1]
    rows = [fit_decoding(SMALL, n, rows=64, tokens=2304)[0] for n in (6, 24)]
    assert rows[0] < rows[1] == 64
    sizes = {"max_tokens": 2048, "micro_batch_tokens": 16_384}
    config = training.DistillationConfig(**sizes)
    fitted, _ = fit_training(SMALL, config, 24)
    assert fitted.micro_batch_tokens == 4096
    beside, peak = fit_training(SMALL, config, 24, frozen_bytes=6 * 2**30)
    assert beside.micro_batch_tokens < 4096 and peak <= 0.9 * 24 * 2**30


# What is chosen for 6, 8, 12 and 24 GB

BOOK_RUN = training.GRPOConfig(
    prompts_per_step=8, group_size=8, max_new_tokens=1024, eval_problems=300
)


@pytest.mark.parametrize("gigabytes", [8, 12, 24])
def test_a_preset_fits_and_leaves_the_loss_as_it_is(gigabytes):
    config, peak = fit_training(SMALL, BOOK_RUN, gigabytes)
    assert peak <= 0.9 * gigabytes * 2**30
    assert peak == predict_memory(SMALL, training_workload(SMALL, config))
    free = dict.fromkeys((*memory.MEMORY_SETTINGS, "moments", "track_kl"))
    assert {**vars(config), **free} == {**vars(BOOK_RUN), **free}
    # What costs nothing is given up first
    assert (config.moments == "bfloat16") == (gigabytes == 8)
    assert config.activation_checkpointing == (gigabytes < 24)


def test_what_was_given_stays_and_what_cannot_fit_is_refused():
    given = replace(BOOK_RUN, micro_batch_size=4)
    fixed = ["micro_batch_size", "moments"]
    assert fit_training(SMALL, given, 24, fixed=fixed)[0].micro_batch_size == 4
    with pytest.raises(ValueError, match="at the least"):
        fit_training(SMALL, given, 8, fixed=["moments"])
    config = replace(CONFIG, track_kl=True)  # a small model's
    fitted, _ = fit_training(tiny_config(), config, 6, weight_bytes=4)
    assert fitted == replace(config, decoding_batch_size=256)
    with pytest.raises(ValueError, match="at the least.*smaller model"):
        fit_training(SMALL, BOOK_RUN, 6)
    with pytest.raises(ValueError, match="an answer takes 15"):
        fit_decoding(llm.QWEN3_CONFIGS["8b"], 12, rows=8, tokens=1024)


# When memory ends


def test_the_error_of_every_device_is_known():
    assert all(map(memory.is_out_of_memory, FULL.values()))
    assert not memory.is_out_of_memory(RuntimeError("mat1 and mat2 differ"))
    assert not memory.is_out_of_memory(ValueError("out of memory"))


def end_memory(monkeypatch, step, place, error):
    """Let a function fail for want of memory within one step's work."""
    train = TrainingLoop.train

    def train_until(loop, take_step):
        def take_or_fail(number):
            with monkeypatch.context() as patch:
                if number == step:
                    patch.setattr(*place, Mock(side_effect=error))
                return take_step(number)

        return train(loop, take_or_fail)

    monkeypatch.setattr(TrainingLoop, "train", train_until)


def end_evaluation(monkeypatch, error):
    """Let the second evaluation fail; the one at the start goes well."""
    turns = chain([DEFAULT, error], repeat(DEFAULT))
    answer = Mock(wraps=llm.generate, side_effect=turns)
    monkeypatch.setattr(llm, "generate", answer)


BACKWARD = torch.Tensor, "backward"
DRAW = torch, "searchsorted"
UPDATE = torch.Tensor, "addcdiv_"
GRPO, DISTILL = test_loop.grpo, test_loop.distill
OWN, PRE_TRAIN = test_loop.on_policy, test_loop.pre_train


@pytest.mark.parametrize(
    ("trainer", "step", "place", "device", "advice", "kept"),
    [
        (GRPO, 5, BACKWARD, "cuda", "try --micro-batch-size 8", 5),
        (GRPO, 5, DRAW, "mps", "try --decoding-batch-size 8", 5),
        (GRPO, 5, UPDATE, "cuda", "", 4),  # half done, it is taken back
        (GRPO, 3, None, "cuda", "--decoding-batch-size 1", 3),  # evaluation
        (DISTILL, 3, BACKWARD, "cpu", "try --micro-batch-tokens 1", 3),
        (OWN, 3, DRAW, "python", "--decoding-batch-size 4", 3),
        (PRE_TRAIN, 3, BACKWARD, "python", "end other programs", 3),
    ],
)
def test_a_run_out_of_memory_says_what_to_try_and_loses_nothing(
    runs_folder, monkeypatch, tokenizer, trainer, step, place, device,
    advice, kept,
):  # fmt: skip
    whole = RunFolder.create("whole", {})
    expected = trainer(whole, tokenizer)
    # Given a run in which the step behind one without checkpoint fails
    run = RunFolder.create("run", {})
    with monkeypatch.context() as patch:
        if place is None:
            end_evaluation(patch, FULL[device])
        else:
            end_memory(patch, step, place, FULL[device])
        said = f"after step {step}: .*{advice}.*--resume goes on at step "
        with pytest.raises(OutOfMemory, match=f"{said}{kept}"):
            trainer(run, tokenizer)
    assert run.checkpoint_steps()[-1] == kept
    # When it goes on with memory enough, then to the same bits
    resumed = trainer(run, tokenizer)
    assert torch.equal(weights_of(resumed), weights_of(expected))
    assert run.best_step() == whole.best_step()
    one, other = (strip_clock(r.read("metrics.jsonl")) for r in (run, whole))
    assert one == other


def test_a_smaller_micro_batch_changes_no_mathematics(runs_folder, tokenizer):
    def go_on(**changes):
        """Three steps as ever, then the fourth with other settings."""
        run = RunFolder.create(f"run-{len(changes)}", {})
        test_loop.grpo(run, tokenizer, replace(CONFIG, steps=3))
        config = replace(CONFIG, steps=4, **changes)
        model = test_loop.grpo(run, tokenizer, config)
        return weights_of(model), run.read("metrics.jsonl")

    weights, rows = go_on()
    other, again = go_on(micro_batch_size=3)
    same = {"activation_checkpointing": True, "decoding_batch_size": 256}
    third, twice = go_on(**same)
    # The rollouts of the step are the same ones, its gradient up to the
    # order of a float32 sum; checkpointing computes the very same numbers
    for name in ("reward", "entropy", "length", "problems_drawn"):
        assert rows[4][name] == again[4][name]
    assert rows[4]["grad_norm"] == pytest.approx(again[4]["grad_norm"], 1e-4)
    torch.testing.assert_close(weights, other, atol=1e-4, rtol=1e-3)
    assert torch.equal(weights, third)
    assert strip_clock(rows) == strip_clock(twice)


def test_an_evaluation_goes_on_with_another_batch_size(runs_folder):
    def answer(model, tokenizer, problems, prompts, **decoding):
        if decoding["batch_size"] > 2:
            raise FULL["mps"]
        texts = (rf"\boxed{{{prompt}}}" for prompt in prompts)
        return [MethodOutput(text, 1, "stop") for text in texts]

    run = new_run("run")
    with pytest.raises(OutOfMemory, match="try --batch-size 2"):
        measure(method=answer, run=run, batch_size=4)
    result = measure(method=answer, run=run, batch_size=2)
    whole = measure(method=answer, run=new_run("whole"), batch_size=1)
    assert result.num_errors == 0 and result.records == whole.records


def test_a_run_is_fitted_and_resumed_in_smaller_pieces(runs_folder, capsys):
    command = """grpo --steps 1 --prompts-per-step 2 --group-size 16
        --device cpu --eval-every 0 --run run"""
    assert rfs(f"{command} --memory 8") == 0
    assert "memory      8 GB (--memory): " in capsys.readouterr().out
    assert rfs(f"{command} --resume --micro-batch-size 4") == 0
    assert open_run("run").config["micro_batch_size"] == 4
