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
    train_distillation,
    train_on_policy,
)
from reasoning_from_scratch.training.distillation import (
    draw_batch,
    learn_examples,
    sample_examples,
)
from reasoning_from_scratch.training.distillation_loss import (
    SoftTargets,
    check_same_tokens,
    hard_loss,
    learned_hidden,
)
from reasoning_from_scratch.training.sft_data import make_batch

CONFIG = DistillationConfig(
    prompt="{problem}",
    epochs=2,
    batch_size=4,
    micro_batch_tokens=24,
    learning_rate=3e-3,
    warmup_steps=2,
)
ON_POLICY = OnPolicyConfig(
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
    """Train a student on the examples; the student and its rows."""
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


class TableModel:
    """Next-token probabilities from a table, whatever came earlier."""

    def __init__(self, table):
        self.logits = torch.tensor(table).log()
        self.config = tiny_model().config

    def hidden_states(self, token_ids):
        return F.one_hot(token_ids, len(self.logits)).float()

    def lm_logits(self, hidden):
        return hidden @ self.logits


# The loss


def test_the_hard_loss_by_hand():
    # After 0 comes 1 with probability 1/2; after 1 comes 2 (the end) with
    # 1/8. The example 0 | 1 2 costs ln 2 + ln 8 = ln 16.
    model = TableModel([[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [1 / 3] * 3])
    batch = make_batch([Example([0], [1, 2])])
    loss = hard_loss(model, learned_hidden(model, batch), batch)
    close(loss, torch.tensor(16.0).log())


def test_only_the_completion_and_its_end_token_are_learned(examples):
    model, batch = student(), make_batch(examples[:3], pad_id=0)
    hidden = model.hidden_states(batch.token_ids)
    hidden.retain_grad()
    hard_loss(model, hidden[:, :-1][batch.mask], batch).backward()
    has_gradient = hidden.grad.abs().sum(dim=-1) > 0
    for row, example in enumerate(examples[:3]):
        first, end = len(example.prompt_ids), len(example.token_ids)
        # the state before each completion token learns, up to the one
        # before the end token; prompt and padding do not
        expected = [first - 1 <= t < end - 1 for t in range(hidden.shape[1])]
        assert has_gradient[row].tolist() == expected


@pytest.mark.parametrize(
    "changes",
    [{"micro_batch_tokens": size} for size in (1, 24, 40)]
    + [{"activation_checkpointing": True}],
    ids=str,
)
def test_a_batch_in_parts_or_computed_twice_has_the_same_gradient(
    examples, changes
):
    whole = replace(CONFIG, micro_batch_tokens=999)
    loss, gradients = gradients_of(examples, whole)
    part_loss, parts = gradients_of(examples, replace(whole, **changes))
    assert part_loss == pytest.approx(loss, rel=1e-5)
    # float32 sums in another order
    close(parts, gradients, atol=2e-5, rtol=1e-4)


def test_a_batch_is_divided_by_its_tokens_not_by_its_rows(examples):
    # mean over tokens of two examples = their sums / tokens of both
    counts = [len(example.completion_ids) for example in examples[1:3]]
    means = [gradients_of([example])[0] for example in examples[1:3]]
    total = sum(n * mean for n, mean in zip(counts, means, strict=True))
    loss, _ = gradients_of(examples[1:3])
    assert loss == pytest.approx(total / sum(counts), rel=1e-5)


# Soft targets


@pytest.mark.parametrize("loss", ["forward", "reverse", "jsd", "sampled"])
def test_a_student_equal_to_its_teacher_has_nothing_to_learn(examples, loss):
    soft = SoftTargets(student(), SIZE, replace(ON_POLICY, loss=loss))
    is_drawn = loss == "sampled"
    value, gradients = gradients_of(
        examples, loss=soft.sampled_loss if is_drawn else soft.loss
    )
    assert value == pytest.approx(0, abs=1e-5)
    for gradient in gradients:
        # log-probs of the same model by two passes differ by rounding
        atol = 1e-3 if is_drawn else 1e-5
        close(gradient, torch.zeros_like(gradient), atol=atol, rtol=0)


def test_rows_past_the_tokenizers_vocabulary_get_no_gradient(examples):
    model = student(tie_word_embeddings=False)
    padded = tiny_model(1, vocab_size=310)
    soft = SoftTargets(padded, 300, replace(CONFIG, loss="forward"))
    batch = make_batch(examples)
    soft.loss(model, learned_hidden(model, batch), batch).backward()
    gradient = model.lm_head.weight.grad
    assert (gradient[300:] == 0).all() and (gradient[:300] != 0).any()


def test_a_teacher_reads_the_completion_behind_its_own_prompt():
    asked = Example([1, 2], [5, 6], teacher_prompt_ids=[3, 4, 7])
    soft = SoftTargets(student(), SIZE, CONFIG)
    hidden = soft.teacher_hidden(make_batch([asked, Example([1], [8])]))
    alone = soft.teacher_hidden(make_batch([Example([3, 4, 7], [5, 6])]))
    close(hidden[:2], alone)


# The run


def test_the_loss_falls_on_what_can_be_learned(tokenizer, examples):
    config = replace(CONFIG, epochs=12)
    _, rows = learn(tokenizer, config, validation_examples=examples[:2])
    assert rows[-1]["loss"] < 0.5 * rows[1]["loss"]
    assert rows[-1]["validation_loss"] < 0.5 * rows[0]["validation_loss"]


def test_an_epoch_sees_every_example_once(examples):
    config = replace(CONFIG, batch_size=5)
    drawn = draw_batch(examples, 0, config) + draw_batch(examples, 1, config)
    assert sorted(map(id, drawn)) == sorted(map(id, examples))


def test_validation_accuracy_is_measured_at_each_epoch(tokenizer):
    config = replace(CONFIG, max_new_tokens=4)
    _, rows = learn(tokenizer, config, validation=PROBLEMS[:2])
    measured = [row["step"] for row in rows if "accuracy" in row]
    assert measured == [0, 3, 5]  # ten examples by four, twice


@pytest.mark.parametrize("family", [{}, QWEN2], ids=["qwen3", "qwen2"])
def test_the_best_and_the_last_checkpoint_stay_and_load(
    tmp_path, tokenizer, examples, family
):
    run = RunFolder.create("run", {}, root=tmp_path)
    config = replace(CONFIG, eval_every=2)
    options = {"validation_examples": examples[:2], "run": run}
    model, rows = learn(tokenizer, config, student(**family), **options)
    losses = {
        row["step"]: row["validation_loss"]
        for row in rows
        if row["step"] and "validation_loss" in row
    }
    best = min(losses, key=losses.get)
    assert run.best_step() == best
    assert run.checkpoint_steps() == sorted({best, 5})
    loaded, _ = load_model(run.checkpoint_path(5))
    assert torch.equal(weights_of(loaded), weights_of(model))


def test_bfloat16_students_learn_through_float32_masters(tokenizer):
    config = replace(CONFIG, epochs=10, learning_rate=1e-3)
    model, rows = learn(tokenizer, config, student().bfloat16())
    assert model.dtype == torch.bfloat16
    assert rows[-1]["loss"] < 0.8 * rows[1]["loss"]


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
        soft = SoftTargets(teacher(), tokenizer.vocab_size, config)
        with torch.no_grad():
            return soft.loss(model, learned_hidden(model, batch), batch)

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
        (
            lambda tokenizer: SoftTargets(
                tiny_model(), tokenizer.vocab_size, CONFIG
            ),
            "same tokenizer",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(tokenizer, work, message):
    with pytest.raises(ValueError, match=message):
        work(tokenizer)


def test_a_teacher_of_other_tokens_is_refused(tokenizer, tmp_path):
    other = Qwen3Tokenizer(write_tokenizer(tmp_path, think=False))
    check_same_tokens(tokenizer, tokenizer)
    with pytest.raises(ValueError, match="different tokens"):
        check_same_tokens(tokenizer, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "soft"}, "loss must be one of"),
        ({"epochs": 0}, "epochs must be > 0"),
        ({"loss": "jsd", "beta": 0.0}, "beta must be > 0"),
        ({"thinking": "aloud"}, "thinking must be one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)
