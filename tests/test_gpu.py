"""What only a GPU can show: run with -m gpu where there is one."""

import pytest
import torch

from reasoning_from_scratch.evaluation import load_problems, render_prompt
from reasoning_from_scratch.llm import (
    Qwen3Config,
    Qwen3Model,
    SamplingConfig,
    fused_step,
    generate,
    generate_stream,
    load_model,
)
from reasoning_from_scratch.llm.kv_cache import KVCache
from reasoning_from_scratch.training import train_grpo, variant_config

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]
NEW_TOKENS = 64


@pytest.fixture(scope="module")
def prompts():
    problems = load_problems("pocketmath", split="validation", limit=48)
    return [render_prompt("step-by-step", problem) for problem in problems]


def answers(device, prompts, **options):
    model, tokenizer = load_model("pocket", device=device)
    outputs = generate(
        model, tokenizer, prompts, max_new_tokens=NEW_TOKENS, **options
    )
    return [output.text for output in outputs]


def test_the_gpu_answers_as_the_cpu_does(prompts):
    # The GPU replays a recorded step, the CPU calls the model
    assert answers("cuda", prompts) == answers("cpu", prompts)


def test_samples_on_the_gpu_are_those_of_the_cpu(prompts):
    # The same uniform numbers; a sum of other order may turn a draw now and
    # then, and the rest of its row
    options = {"sampling": SamplingConfig(temperature=0.7, top_p=0.9)}
    options |= {"seed": 1, "num_samples": 2}
    pairs = zip(
        answers("cuda", prompts, **options),
        answers("cpu", prompts, **options),
        strict=True,
    )
    assert sum(ours == theirs for ours, theirs in pairs) >= 94  # of 96


def test_a_stream_on_the_gpu_equals_generate(prompts):
    model, tokenizer = load_model("pocket", device="cuda")
    for prompt in prompts[:6]:
        pieces = generate_stream(
            model, tokenizer, prompt, max_new_tokens=NEW_TOKENS
        )
        assert ["".join(pieces)] == answers("cuda", [prompt])


def test_answers_are_the_same_without_the_fused_step(prompts, monkeypatch):
    fused = answers("cuda", prompts)
    monkeypatch.setattr(fused_step, "is_available", lambda model: False)
    assert answers("cuda", prompts) == fused


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("batch", [1, 3, 20])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 2e-2)]
)
def test_the_fused_step_equals_the_model(batch, early, dtype, tolerance):
    config = Qwen3Config(num_layers=3, vocab_size=5000)
    model = Qwen3Model(config).init_weights().to("cuda", dtype)
    if not fused_step.is_available(model):
        pytest.skip("no Triton, or no C compiler for it")
    width, options = 200, {"device": "cuda", "dtype": dtype, "static": True}
    caches = [KVCache(config, batch, 256, **options) for _ in range(2)]
    key_mask = torch.zeros(batch, 256, dtype=torch.bool, device="cuda")
    for row in range(batch):
        key_mask[row, 5 * row : width] = True  # padded on the left
    token_ids = torch.randint(1, 5000, (batch, 210), device="cuda")
    with torch.inference_mode():
        for cache in caches:
            model(token_ids[:, :width], cache, key_mask)
        step = fused_step.FusedStep(model, caches[1], key_mask)
        if early and not step.launch["EARLY"]:
            pytest.skip("not before Hopper")
        step.launch = step.launch if early else {"EARLY": False}
        for column in range(width, 210):
            key_mask[:, column] = True
            new = token_ids[:, column : column + 1]
            expected = model(new, caches[0], key_mask).float()
            difference = step(new, caches[1]).float() - expected
            assert difference.norm() < tolerance * expected.norm()


@pytest.mark.parametrize("count", [1, 48])
def test_the_compiled_step_equals_the_plain_one(prompts, count):
    # 48 ragged rows leave the batch in turn: recorded again for each shape
    plain = answers("cuda", prompts[:count])
    assert answers("cuda", prompts[:count], compiled=True) == plain


def test_grpo_on_the_gpu_learns_what_it_learns_on_the_cpu():
    problems = load_problems("pocketmath", split="train", limit=16)
    config = variant_config(
        "grpo",
        steps=3,
        prompts_per_step=8,
        group_size=8,
        learning_rate=1e-4,
        eval_every=0,
    )
    rows = {}
    for device in ("cpu", "cuda"):
        model, tokenizer = load_model("pocket", device=device)
        rows[device] = train_grpo(model, tokenizer, problems, config)
    for ours, theirs in zip(rows["cpu"], rows["cuda"], strict=True):
        assert ours["reward"] == pytest.approx(theirs["reward"], abs=0.1)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=0.2)
