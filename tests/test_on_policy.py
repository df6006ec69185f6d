"""On-policy distillation: the student's own texts, the teacher's marks."""

from dataclasses import replace

import pytest
import torch
from tiny import tiny_model
from tiny_checkpoints import write_tokenizer

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import Qwen3Tokenizer
from reasoning_from_scratch.training import (
    OnPolicyConfig,
    train_on_policy,
)
from reasoning_from_scratch.training.distillation_loss import (
    SoftTargets,
    learned_hidden,
)
from reasoning_from_scratch.training.on_policy import (
    sample_examples,
    sampled_loss,
)
from reasoning_from_scratch.training.sft_data import make_batch

PROBLEMS = [Problem(f"{n} + 1", str(n + 1), id=f"p{n}") for n in range(8)]
CONFIG = OnPolicyConfig(
    prompt="{problem}",
    steps=4,
    prompts_per_step=4,
    group_size=2,
    max_new_tokens=5,
    micro_batch_tokens=24,
    learning_rate=3e-3,
    warmup_steps=1,
    eval_every=2,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return Qwen3Tokenizer(write_tokenizer(tmp_path_factory.mktemp("t")))


def student():
    return tiny_model(vocab_size=320)


def teacher():
    return tiny_model(1, vocab_size=320)


def train(tokenizer, config=CONFIG, run=None):
    model = student()
    rows = train_on_policy(
        model,
        tokenizer,
        PROBLEMS,
        config,
        teacher=teacher(),
        run=run,
        progress=False,
    )
    return model, rows


def test_examples_are_what_the_student_drew(tokenizer):
    examples, metrics = sample_examples(
        student(), tokenizer, PROBLEMS, 0, CONFIG
    )
    assert len(examples) == 8
    lengths = [len(e.completion_ids) for e in examples]
    assert metrics["length"] == pytest.approx(sum(lengths) / 8)
    prompts = {tuple(tokenizer.encode(p.problem)) for p in PROBLEMS}
    assert all(tuple(e.prompt_ids) in prompts for e in examples)
    assert examples[0].prompt_ids == examples[1].prompt_ids


def test_a_teacher_may_be_asked_otherwise_than_the_student(tokenizer):
    config = replace(CONFIG, teacher_prompt="Think. {problem}")
    examples, _ = sample_examples(student(), tokenizer, PROBLEMS, 0, config)
    texts = {tokenizer.decode(e.teacher_prompt_ids) for e in examples}
    assert texts <= {f"Think. {p.problem}" for p in PROBLEMS}


def test_a_student_equal_to_its_teacher_gets_no_gradient(tokenizer):
    model = student()
    examples, _ = sample_examples(model, tokenizer, PROBLEMS, 0, CONFIG)
    batch = make_batch(examples)
    targets = SoftTargets(student(), tokenizer.vocab_size)
    sampled_loss(
        targets, model, learned_hidden(model, batch), batch
    ).backward()
    for parameter in model.parameters():
        gradient = parameter.grad
        # log-probs of the same model by two passes differ by rounding
        torch.testing.assert_close(
            gradient, torch.zeros_like(gradient), atol=1e-3, rtol=0
        )


@pytest.mark.parametrize("loss", ["sampled", "reverse", "forward", "jsd"])
def test_the_student_comes_nearer_to_its_teacher(tokenizer, loss):
    config = replace(CONFIG, loss=loss, steps=12, prompts_per_step=8)
    model, _ = train(tokenizer, config)

    def reverse_kl(model):
        # on texts that the untrained student wrote
        examples, _ = sample_examples(
            student(), tokenizer, PROBLEMS, 99, config
        )
        batch = make_batch(examples)
        targets = SoftTargets(teacher(), tokenizer.vocab_size, kind="reverse")
        with torch.no_grad():
            return targets.loss(model, learned_hidden(model, batch), batch)

    assert reverse_kl(model) < 0.9 * reverse_kl(student())


def test_test_problems_are_refused(tokenizer):
    problems = [Problem("1 + 1", "2", id="pocketmath-test-00001")]
    with pytest.raises(ValueError, match="test split"):
        train_on_policy(
            student(), tokenizer, problems, CONFIG, teacher=teacher()
        )
