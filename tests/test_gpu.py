"""What only a GPU can show: run with -m gpu where there is one."""

import pytest
import torch
from tiny import ByteTokenizer

from reasoning_from_scratch.evaluation import (
    Problem,
    load_problems,
    render_prompt,
)
from reasoning_from_scratch.llm import (
    QWEN3_CONFIGS,
    Qwen3Model,
    generate,
    load_model,
)
from reasoning_from_scratch.memory import fit_training
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


def test_8_gb_hold_a_step_of_8_rollouts_of_1024_tokens_as_predicted():
    shape = QWEN3_CONFIGS["0.6b"]
    config = variant_config(
        "grpo",
        steps=2,
        prompts_per_step=1,
        group_size=8,
        max_new_tokens=1024,
        prompt="{problem}",
        require_end=False,
        eval_every=0,
        eval_problems=8,
    )
    config, predicted = fit_training(shape, config, 8, prompt_tokens=64)
    with torch.device("meta"):
        model = Qwen3Model(shape).bfloat16()
    model.to_empty(device="cuda").requires_grad_(True)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, 1.0 if weight.dim() == 1 else 0.0, 0.02)
    tokenizer = ByteTokenizer()
    tokenizer.stop_ids = ()  # every answer is as long as it may be
    torch.cuda.reset_peak_memory_stats()
    train_grpo(
        model,
        tokenizer,
        [Problem("x" * 64, "1", id="x")],
        config,
        reward=lambda text, problem: float(sum(map(ord, text)) % 2),
    )
    peak = torch.cuda.max_memory_allocated()
    assert peak <= 8e9
    assert predicted == pytest.approx(peak, rel=0.1)
