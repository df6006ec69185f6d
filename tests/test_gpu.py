"""What only a GPU can show: run with -m gpu where there is one."""

import pytest
import torch
from tiny import ByteTokenizer

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation import (
    Problem,
    load_problems,
    render_prompt,
)
from reasoning_from_scratch.memory import fit_training
from reasoning_from_scratch.training import train_grpo, variant_config

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]


def answers(device, count, **options):
    problems = load_problems("pocketmath", split="validation", limit=count)
    prompts = [render_prompt("step-by-step", p) for p in problems]
    model = llm.load_model("pocket", device=device)
    outputs = llm.generate(*model, prompts, max_new_tokens=64, **options)
    return [output.text for output in outputs]


@pytest.mark.parametrize("count", [1, 48])
def test_the_gpu_answers_as_the_cpu_does_compiled_or_not(count):
    # The GPU replays a recorded step, the CPU calls the model; 48 ragged
    # rows leave the batch in turn: recorded again for each shape
    plain = answers("cuda", count)
    assert answers("cpu", count) == plain
    assert answers("cuda", count, compiled=True) == plain


def test_grpo_on_the_gpu_learns_what_it_learns_on_the_cpu():
    problems = load_problems("pocketmath", split="train", limit=16)
    sizes = {"steps": 3, "prompts_per_step": 8, "group_size": 8}
    config = variant_config("grpo", learning_rate=1e-4, eval_every=0, **sizes)
    rows = {}
    for device in ("cpu", "cuda"):
        model, tokenizer = llm.load_model("pocket", device=device)
        rows[device] = train_grpo(model, tokenizer, problems, config)
    for ours, theirs in zip(rows["cpu"], rows["cuda"], strict=True):
        assert ours["reward"] == pytest.approx(theirs["reward"], abs=0.1)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=0.2)


def test_8_gb_hold_a_step_of_8_rollouts_of_1024_tokens_as_predicted():
    shape = llm.QWEN3_CONFIGS["0.6b"]
    sizes = {"steps": 2, "prompts_per_step": 1, "group_size": 8}
    sizes |= {"max_new_tokens": 1024, "eval_every": 0, "eval_problems": 8}
    ways = {"prompt": "{problem}", "require_end": False}
    config = variant_config("grpo", **sizes, **ways)
    config, predicted = fit_training(shape, config, 8, prompt_tokens=64)
    with torch.device("meta"):
        model = llm.Qwen3Model(shape).bfloat16()
    model.to_empty(device="cuda").requires_grad_(True)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, 1.0 if weight.dim() == 1 else 0.0, 0.02)
    tokenizer = ByteTokenizer()
    tokenizer.stop_ids = ()  # every answer is as long as it may be
    torch.cuda.reset_peak_memory_stats()
    problems = [Problem("x" * 64, "1", id="x")]
    reward = {"even": lambda text, problem: float(sum(map(ord, text)) % 2)}
    train_grpo(model, tokenizer, problems, config, reward=reward)
    peak = torch.cuda.max_memory_allocated()
    assert peak <= 8e9
    assert predicted == pytest.approx(peak, rel=0.1)
