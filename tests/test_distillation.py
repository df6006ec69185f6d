"""Training on examples: what is learned, and that a kill changes nothing."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from tiny import QWEN2, tiny_model, weights_of
from tiny_checkpoints import write_tokenizer
from torch.nn import functional as F

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import Qwen3Tokenizer, load_model
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.training import (
    DistillationConfig,
    Example,
    OnPolicyConfig,
    encode_example,
    soft_distillation_loss,
    train_distillation,
    train_on_policy,
)
from reasoning_from_scratch.training.distillation import (
    learn_examples,
    sample_examples,
)
from reasoning_from_scratch.training.distillation_loss import (
    check_same_tokens,
    hard_loss,
    learned_hidden,
    soft_loss,
    teacher_hidden,
)
from reasoning_from_scratch.training.sft_data import make_batch

BOTH = {"prompt": "{problem}", "micro_batch_tokens": 24, "learning_rate": 3e-3}
CONFIG = DistillationConfig(epochs=2, batch_size=4, warmup_steps=2, **BOTH)
SIZES = {"steps": 4, "prompts_per_step": 4, "group_size": 2, "eval_every": 2}
ON_POLICY = OnPolicyConfig(max_new_tokens=5, warmup_steps=1, **SIZES, **BOTH)
PROBLEMS = [Problem(f"{n} + 1", str(n + 1), id=f"p{n}") for n in range(8)]
SIZE = 320  # of the vocabulary
student = partial(tiny_model, vocab_size=SIZE)
teacher = partial(tiny_model, 1, vocab_size=SIZE)
close = torch.testing.assert_close


def examples_of(tokenizer):
    """Ten, of unequal lengths."""
    return [
        encode_example(tokenizer, f"{n} + 1 =", f" {n + 1}" * (1 + n % 3))
        for n in range(10)
    ]


examples = pytest.fixture(scope="module")(examples_of)


def learn(tokenizer, config=CONFIG, model=None, **options):
    model = model or student()
    options = {"examples": examples_of(tokenizer), **options}
    rows = train_distillation(
        model, tokenizer, config=config, progress=False, **options
    )
    return model, rows


def train_on_own(tokenizer, config=ON_POLICY, problems=PROBLEMS, run=None):
    """Train a student on what it writes itself; the student and its rows."""
    model = student()
    options = {"teacher": teacher(), "run": run, "progress": False}
    rows = train_on_policy(model, tokenizer, problems, config, **options)
    return model, rows


def gradients_of(examples, config=CONFIG, loss=hard_loss):
    """The gradient that a batch leaves, before clipping and update."""
    model = student()

    class Keep:
        parameters = ()

        def step(self, learning_rate):
            return 0.0

    metrics = learn_examples(model, Keep(), examples, loss, config, 1.0)
    return metrics["loss"], [p.grad for p in model.parameters()]


def oracle(batch, loss_of):
    model = student()
    loss = loss_of(model(batch.token_ids)[:, :-1])
    loss.backward()
    return float(loss.detach()), [p.grad for p in model.parameters()]


def assert_alike(one, other):
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    # float32 sums in another order
    close(one[1], other[1], atol=2e-5, rtol=1e-4)


# The losses


@pytest.mark.parametrize(
    "changes",
    [{"micro_batch_tokens": size} for size in (1, 24, 40, 999)]
    + [{"activation_checkpointing": True}],
    ids=str,
)
def test_any_parts_of_a_batch_give_one_cross_entropy(examples, changes):
    # Over the tokens of the completions, their end tokens included, alone
    batch = make_batch(examples)
    targets = batch.token_ids[:, 1:].masked_fill(~batch.mask, -100)
    expected = oracle(
        batch, lambda logits: F.cross_entropy(logits.mT, targets)
    )
    assert_alike(gradients_of(examples, replace(CONFIG, **changes)), expected)


@pytest.mark.parametrize("kind", ["forward", "reverse", "jsd"])
def test_soft_targets_are_learned_as_by_whole_logits(examples, kind):
    # Rows past the tokenizer's vocabulary are padding, by model another
    judge, batch = tiny_model(1, vocab_size=310), make_batch(examples)
    options = {"kind": kind, "temperature": 2.0, "vocab_size": 300}
    with torch.no_grad():
        logits = judge(batch.token_ids)[:, :-1]
    expected = oracle(
        batch,
        lambda own: soft_distillation_loss(own, logits, batch.mask, **options),
    )
    config = replace(CONFIG, loss=kind, temperature=2.0)
    loss = soft_loss(judge, 300, config)
    assert_alike(gradients_of(examples, config, loss), expected)


def test_a_teacher_reads_the_completion_behind_its_own_prompt():
    asked = Example([1, 2], [5, 6], teacher_prompt_ids=[3, 4, 7])
    batch = make_batch([asked, Example([1], [8])])
    hidden = teacher_hidden(student(), batch)
    alone = learned_hidden(student(), make_batch([Example([3, 4, 7], [5, 6])]))
    close(hidden[:2], alone)


# The run


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_loss_falls_on_what_can_be_learned(tokenizer, examples, dtype):
    config = replace(CONFIG, epochs=8, max_new_tokens=4)
    held = {"validation": PROBLEMS[:2], "validation_examples": examples[:2]}
    model, rows = learn(tokenizer, config, student().to(dtype), **held)
    assert model.dtype == dtype
    assert rows[-1]["loss"] < 0.7 * rows[1]["loss"]
    assert rows[-1]["validation_loss"] < 0.7 * rows[0]["validation_loss"]
    # At the end of each epoch of ten examples by four
    measured = [row["step"] for row in rows if "accuracy" in row]
    assert measured == [0, 3, 6, 9, 12, 15, 18, 20]


@pytest.mark.parametrize("family", [{}, QWEN2], ids=["qwen3", "qwen2"])
def test_best_and_last_checkpoint_load(tmp_path, tokenizer, examples, family):
    run = RunFolder.create("run", {}, root=tmp_path)
    config = replace(CONFIG, eval_every=2)
    options = {"validation_examples": examples[:2], "run": run}
    model, rows = learn(tokenizer, config, student(**family), **options)
    measured = [r for r in rows if r["step"] and "validation_loss" in r]
    best = min(measured, key=lambda row: row["validation_loss"])["step"]
    assert run.best_step() == best
    assert run.checkpoint_steps() == sorted({best, 5})
    loaded, _ = load_model(run.checkpoint_path(5))
    assert torch.equal(weights_of(loaded), weights_of(model))


# On the student's own texts, by the teacher's marks


def test_examples_are_what_the_student_drew(tokenizer):
    # A teacher may be asked otherwise than the student
    config = replace(ON_POLICY, teacher_prompt="Think. {problem}")
    examples, metrics = sample_examples(
        student(), tokenizer, PROBLEMS, 0, config
    )
    lengths = [len(e.completion_ids) for e in examples]
    assert metrics["length"] == pytest.approx(sum(lengths) / 8)
    assert examples[0].prompt_ids == examples[1].prompt_ids
    for example in examples:
        asked = tokenizer.decode(example.prompt_ids)
        assert asked in {problem.problem for problem in PROBLEMS}
        asked = tokenizer.encode(f"Think. {asked}")
        assert example.teacher_prompt_ids == asked


@pytest.mark.parametrize("loss", ["sampled", "reverse", "forward", "jsd"])
def test_the_student_comes_nearer_to_its_teacher(tokenizer, loss):
    config = replace(ON_POLICY, loss=loss, steps=12, prompts_per_step=8)
    model, _ = train_on_own(tokenizer, config)
    # on texts that the untrained student wrote
    examples, _ = sample_examples(student(), tokenizer, PROBLEMS, 99, config)
    batch = make_batch(examples)

    def reverse_kl(model):
        config = replace(CONFIG, loss="reverse")
        loss = soft_loss(teacher(), tokenizer.vocab_size, config)
        with torch.no_grad():
            return loss(model, learned_hidden(model, batch), batch)

    assert reverse_kl(model) < 0.9 * reverse_kl(student())


# What is refused

TESTED = [Problem("1 + 1", "2", id="pocketmath-test-00001")]
FORWARD = replace(CONFIG, loss="forward")


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (partial(learn, validation=TESTED), "test split"),
        (partial(train_on_own, problems=TESTED), "test split"),
        (partial(learn, examples=[]), "there are no examples"),
        (partial(learn, teacher=0), "takes none, the others need one"),
        (partial(learn, config=FORWARD), "takes none, the others need one"),
        (lambda _: soft_loss(tiny_model(), SIZE, CONFIG), "same tokenizer"),
    ],
)
def test_what_cannot_be_trained_is_refused(tokenizer, work, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        work(tokenizer)
    other = Qwen3Tokenizer(write_tokenizer(tmp_path, think=False))
    check_same_tokens(tokenizer, tokenizer)
    with pytest.raises(ValueError, match="different tokens"):
        check_same_tokens(tokenizer, other)
