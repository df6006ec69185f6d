"""Training on examples: what is learned, and that a kill changes nothing."""

from dataclasses import replace

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
    count_steps,
    draw_batch,
    hard_loss,
    learn_examples,
    make_optimizer,
    prepare_loss,
    sample_examples,
    sampled_loss,
)
from reasoning_from_scratch.training.distillation_loss import (
    SoftTargets,
    check_same_tokens,
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


def examples_of(tokenizer):
    """Ten, of unequal lengths."""
    return [
        encode_example(tokenizer, f"{n} + 1 =", f" {n + 1}" * (1 + n % 3))
        for n in range(10)
    ]


examples = pytest.fixture(scope="module")(examples_of)


def student(**changes):
    return tiny_model(vocab_size=320, **changes)


def teacher():
    return tiny_model(1, vocab_size=320)


def learn(tokenizer, config=CONFIG, model=None, **options):
    """Train a student on the examples; the student and its rows."""
    model = model or student()
    options = {"examples": examples_of(tokenizer), **options}
    rows = train_distillation(
        model, tokenizer, config=config, progress=False, **options
    )
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
    # 1/8. The example 0 | 1 2 costs ln 2 + ln 8, over two tokens ln 4.
    model = TableModel([[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [1 / 3] * 3])
    batch = make_batch([Example([0], [1, 2])])
    loss = hard_loss(model, learned_hidden(model, batch), batch)
    assert float(loss) == pytest.approx(float(torch.tensor(16.0).log()))


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


def test_a_batch_in_parts_has_the_gradient_of_the_whole(examples):
    loss, whole = gradients_of(
        examples, replace(CONFIG, micro_batch_tokens=999)
    )
    for size in (1, 24, 40):
        config = replace(CONFIG, micro_batch_tokens=size)
        part_loss, parts = gradients_of(examples, config)
        assert part_loss == pytest.approx(loss, rel=1e-5)
        for one, other in zip(parts, whole, strict=True):
            # float32 sums in another order
            torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


def test_a_batch_is_divided_by_its_tokens_not_by_its_rows(examples):
    # mean over tokens of two examples = their sums / tokens of both
    sums = []
    for example in examples[1:3]:
        loss, _ = gradients_of([example])
        sums.append(loss * len(example.completion_ids))
    loss, _ = gradients_of(examples[1:3])
    num_tokens = sum(len(e.completion_ids) for e in examples[1:3])
    assert loss == pytest.approx(sum(sums) / num_tokens, rel=1e-5)


def test_recomputing_activations_changes_no_gradient(examples):
    _, plain = gradients_of(examples)
    config = replace(CONFIG, activation_checkpointing=True)
    _, recomputed = gradients_of(examples, config)
    for one, other in zip(plain, recomputed, strict=True):
        torch.testing.assert_close(one, other)


# Soft targets


def test_a_student_equal_to_its_teacher_has_nothing_to_learn(
    tokenizer, examples
):
    for kind in ("forward", "reverse", "jsd"):
        soft = SoftTargets(student(), tokenizer.vocab_size, kind=kind)
        loss, gradients = gradients_of(examples, loss=soft.loss)
        assert loss == pytest.approx(0, abs=1e-5)
        for gradient in gradients:
            torch.testing.assert_close(
                gradient, torch.zeros_like(gradient), atol=1e-5, rtol=0
            )


def test_rows_past_the_tokenizers_vocabulary_get_no_gradient(
    tokenizer, examples
):
    model = student(tie_word_embeddings=False)
    teacher = tiny_model(1, vocab_size=310)  # padded otherwise
    soft = SoftTargets(teacher, tokenizer.vocab_size)
    batch = make_batch(examples)
    soft.loss(model, learned_hidden(model, batch), batch).backward()
    gradient = model.lm_head.weight.grad
    assert (gradient[tokenizer.vocab_size :] == 0).all()
    assert (gradient[: tokenizer.vocab_size] != 0).any()


def test_a_stored_top_k_of_nearly_all_tokens_equals_the_live_teacher(
    tokenizer, examples
):
    size = tokenizer.vocab_size
    live = SoftTargets(teacher(), size)
    live_loss, live_gradients = gradients_of(examples, loss=live.loss)
    stored = SoftTargets(live.teacher, size, top_k=size - 1)
    loss, gradients = gradients_of(stored.store(examples), loss=stored.loss)
    assert loss == pytest.approx(live_loss, rel=1e-4)
    for one, other in zip(gradients, live_gradients, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-3)


def test_a_top_k_of_the_whole_vocabulary_is_refused(tokenizer):
    for size in (tokenizer.vocab_size, 10**6):
        with pytest.raises(ValueError, match="0 to keep them all"):
            SoftTargets(student(), tokenizer.vocab_size, top_k=size)


def test_a_teacher_reads_the_completion_behind_its_own_prompt(tokenizer):
    asked = Example([1, 2], [5, 6], teacher_prompt_ids=[3, 4, 7])
    soft = SoftTargets(student(), tokenizer.vocab_size)
    hidden = soft.teacher_hidden(make_batch([asked, Example([1], [8])]))
    alone = soft.teacher_hidden(make_batch([Example([3, 4, 7], [5, 6])]))
    torch.testing.assert_close(hidden[:2], alone)


def test_soft_distillation_moves_the_student_towards_its_teacher(tokenizer):
    config = replace(CONFIG, loss="forward", epochs=6)
    _, rows = learn(tokenizer, config, teacher=teacher())
    assert rows[-1]["loss"] < 0.5 * rows[1]["loss"]


def test_the_hard_loss_can_be_mixed_in(tokenizer, examples):

    def loss_with(**changes):
        config = replace(CONFIG, **changes)
        model = teacher() if config.loss != "hard" else None
        loss, _ = prepare_loss(model, tokenizer, examples, config)
        return gradients_of(examples, loss=loss)[0]

    hard, soft = loss_with(), loss_with(loss="forward")
    mixed = loss_with(loss="forward", hard_weight=0.25)
    assert mixed == pytest.approx(0.25 * hard + 0.75 * soft, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "has_teacher"), [("hard", True), ("forward", False)]
)
def test_loss_and_teacher_must_fit(tokenizer, loss, has_teacher):
    model = student() if has_teacher else None
    with pytest.raises(ValueError, match="takes none, the others need one"):
        learn(tokenizer, replace(CONFIG, loss=loss), teacher=model)


def test_a_teacher_of_other_tokens_is_refused(tokenizer, tmp_path):
    with pytest.raises(ValueError, match="same tokenizer"):
        SoftTargets(tiny_model(), tokenizer.vocab_size)
    other = Qwen3Tokenizer(write_tokenizer(tmp_path, think=False))
    check_same_tokens(tokenizer, tokenizer)
    with pytest.raises(ValueError, match="different tokens"):
        check_same_tokens(tokenizer, other)


# The run


def test_the_loss_falls_on_what_can_be_learned(tokenizer, examples):
    config = replace(CONFIG, epochs=12)
    _, rows = learn(tokenizer, config, validation_examples=examples[:2])
    assert rows[-1]["loss"] < 0.5 * rows[1]["loss"]
    assert rows[-1]["validation_loss"] < 0.5 * rows[0]["validation_loss"]


def test_an_epoch_sees_every_example_once(examples):
    config = replace(CONFIG, batch_size=5)
    assert count_steps(len(examples), config) == (4, 2)
    drawn = draw_batch(examples, 0, config) + draw_batch(examples, 1, config)
    assert sorted(map(id, drawn)) == sorted(map(id, examples))


def test_validation_accuracy_is_measured_at_each_epoch(tokenizer):
    problems = [Problem(f"{n} + 1 =", str(n + 1), id=f"v{n}") for n in (1, 2)]
    config = replace(CONFIG, max_new_tokens=4)
    _, rows = learn(tokenizer, config, validation=problems)
    measured = [row["step"] for row in rows if "accuracy" in row]
    assert measured == [0, 3, 5]


def test_test_problems_are_refused(tokenizer):
    problems = [Problem("1 + 1", "2", id="pocketmath-test-00001")]
    own = tokenizer, problems, ON_POLICY
    with pytest.raises(ValueError, match="test split"):
        learn(tokenizer, validation=problems)
    with pytest.raises(ValueError, match="test split"):
        train_on_policy(student(), *own, teacher=teacher())


def test_no_examples_are_refused(tokenizer):
    with pytest.raises(ValueError, match="there are no examples"):
        learn(tokenizer, examples=[])


@pytest.mark.parametrize("family", [{}, QWEN2], ids=["qwen3", "qwen2"])
def test_the_best_and_the_last_checkpoint_stay_and_load(
    tmp_path, tokenizer, examples, family
):
    run = RunFolder.create("run", {}, root=tmp_path)
    config = replace(CONFIG, eval_every=2)
    model, rows = learn(
        tokenizer,
        config,
        student(**family),
        validation_examples=examples[:2],
        run=run,
    )
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
    assert make_optimizer(model, config).lower_halves[0] is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "soft"}, "loss must be one of"),
        ({"epochs": 0}, "epochs must be > 0"),
        ({"hard_weight": 0.5}, "belong to a divergence"),
        ({"loss": "forward", "hard_weight": 1.0}, "hard_weight must be in"),
        ({"loss": "jsd", "beta": 0.0}, "beta must be in"),
        ({"thinking": "aloud"}, "thinking must be one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)


def test_the_model_itself_is_trained_in_place(tokenizer):
    model, _ = learn(tokenizer)
    assert not torch.equal(model.norm.weight, student().norm.weight)


# On the student's own texts, by the teacher's marks

PROBLEMS = [Problem(f"{n} + 1", str(n + 1), id=f"p{n}") for n in range(8)]
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


def train_on_own(tokenizer, config=ON_POLICY, run=None):
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
        student(), tokenizer, PROBLEMS, 0, ON_POLICY
    )
    assert len(examples) == 8
    lengths = [len(e.completion_ids) for e in examples]
    assert metrics["length"] == pytest.approx(sum(lengths) / 8)
    prompts = {tuple(tokenizer.encode(p.problem)) for p in PROBLEMS}
    assert all(tuple(e.prompt_ids) in prompts for e in examples)
    assert examples[0].prompt_ids == examples[1].prompt_ids


def test_a_teacher_may_be_asked_otherwise_than_the_student(tokenizer):
    config = replace(ON_POLICY, teacher_prompt="Think. {problem}")
    examples, _ = sample_examples(student(), tokenizer, PROBLEMS, 0, config)
    texts = {tokenizer.decode(e.teacher_prompt_ids) for e in examples}
    assert texts <= {f"Think. {p.problem}" for p in PROBLEMS}


def test_a_student_equal_to_its_teacher_gets_no_gradient(tokenizer):
    model = student()
    examples, _ = sample_examples(model, tokenizer, PROBLEMS, 0, ON_POLICY)
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
    config = replace(ON_POLICY, loss=loss, steps=12, prompts_per_step=8)
    model, _ = train_on_own(tokenizer, config)

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
