"""Divergences: values by hand, limits, and gradients against autograd."""

import math

import pytest
import torch

from reasoning_from_scratch.training import soft_distillation_loss
from reasoning_from_scratch.training.distillation import reverse_kl_surrogate
from reasoning_from_scratch.training.distillation_loss import (
    divergence,
    lump_the_rest,
    scaled_logprobs,
    sum_in_chunks,
    top_k_and_rest,
)

HALVES = torch.tensor([[[0.5, 0.5]]], dtype=torch.float64).log()
QUARTER = torch.tensor([[[0.25, 0.75]]], dtype=torch.float64).log()
ONE = torch.ones(1, 1, dtype=torch.bool)


def random_logits(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def gradient_of(loss_of, logits):
    logits = logits.clone().requires_grad_(True)
    loss_of(logits).backward()
    return logits.grad


def test_forward_kl_by_hand():
    # teacher 1/2 1/2, student 1/4 3/4: 1/2 ln 2 + 1/2 ln(2/3) = 0.14384
    loss = soft_distillation_loss(QUARTER, HALVES, ONE)
    assert float(loss) == pytest.approx(0.5 * math.log(4 / 3))


def test_reverse_kl_by_hand():
    # the student's weights: 1/4 ln(1/2) + 3/4 ln(3/2) = 0.13081
    loss = soft_distillation_loss(QUARTER, HALVES, ONE, kind="reverse")
    expected = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert float(loss) == pytest.approx(expected)


def test_jsd_by_hand():
    # the middle of 1/2 1/2 and 1/4 3/4 is 3/8 5/8
    loss = soft_distillation_loss(QUARTER, HALVES, ONE, kind="jsd")
    from_teacher = 0.5 * math.log(4 / 3) + 0.5 * math.log(4 / 5)
    from_student = 0.25 * math.log(2 / 3) + 0.75 * math.log(6 / 5)
    assert float(loss) == pytest.approx(0.5 * (from_teacher + from_student))


@pytest.mark.parametrize("kind", ["forward", "reverse", "jsd"])
def test_equal_distributions_are_at_distance_zero_without_gradient(kind):
    logits = random_logits(0, 2, 3, 7)
    mask = torch.ones(2, 3, dtype=torch.bool)

    def loss_of(student):
        return soft_distillation_loss(student, logits, mask, kind=kind)

    assert float(loss_of(logits)) == pytest.approx(0, abs=1e-12)
    gradient = gradient_of(loss_of, logits)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize(
    ("beta", "scale", "limit"),
    [(1e-6, 1e-6, "forward"), (1 - 1e-6, 1e-6, "reverse")],
)
def test_jsd_tends_to_the_two_kls(beta, scale, limit):
    student, teacher = (
        scaled_logprobs(random_logits(seed, 5, 6)) for seed in (1, 2)
    )
    near = divergence(student, teacher, "jsd", beta=beta) / scale
    exact = divergence(student, teacher, limit)
    # the next term of the series is of the order of 1e-6
    torch.testing.assert_close(near, exact, atol=1e-4, rtol=1e-4)


def test_the_gradient_of_forward_kl_is_the_difference_of_the_distributions():
    student, teacher = random_logits(1, 1, 1, 6), random_logits(2, 1, 1, 6)
    gradient = gradient_of(
        lambda s: soft_distillation_loss(s, teacher, ONE), student
    )
    expected = student.softmax(-1) - teacher.softmax(-1)
    torch.testing.assert_close(gradient, expected)


def test_the_gradient_of_reverse_kl_is_the_students_own_weighting():
    # d/ds_j sum_v p_v (log p_v - log t_v) = p_j (log p_j/t_j - KL)
    student, teacher = random_logits(1, 1, 1, 6), random_logits(2, 1, 1, 6)
    gradient = gradient_of(
        lambda s: soft_distillation_loss(s, teacher, ONE, kind="reverse"),
        student,
    )
    ratio = student.log_softmax(-1) - teacher.log_softmax(-1)
    kl = (student.softmax(-1) * ratio).sum()
    torch.testing.assert_close(gradient, student.softmax(-1) * (ratio - kl))


def test_the_sampled_estimator_has_the_gradient_of_reverse_kl():
    # Over a vocabulary of 6 the expectation is a sum: every token weighted
    # by how likely the student draws it.
    student, teacher = random_logits(1, 6), random_logits(2, 6)

    def expected_surrogate(logits):
        logprobs = logits.log_softmax(-1)
        surrogate = reverse_kl_surrogate(logprobs, teacher.log_softmax(-1))
        return (logprobs.exp().detach() * surrogate).sum()

    def reverse_kl(logits):
        logprobs = logits.log_softmax(-1)
        return divergence(logprobs, teacher.log_softmax(-1), "reverse")

    torch.testing.assert_close(
        gradient_of(expected_surrogate, student),
        gradient_of(reverse_kl, student),
    )


@pytest.mark.parametrize("kind", ["forward", "reverse", "jsd"])
def test_no_gradient_reaches_the_teacher(kind):
    teacher = random_logits(2, 1, 1, 6).requires_grad_(True)
    student = random_logits(1, 1, 1, 6).requires_grad_(True)
    soft_distillation_loss(student, teacher, ONE, kind=kind).backward()
    assert teacher.grad is None


def test_what_stands_outside_the_mask_reaches_nothing():
    student, teacher = random_logits(1, 1, 2, 6), random_logits(2, 1, 2, 6)
    student[0, 1], teacher[0, 1] = math.nan, math.inf
    mask = torch.tensor([[True, False]])
    gradient = gradient_of(
        lambda s: soft_distillation_loss(s, teacher, mask), student
    )
    assert gradient[0, 0].isfinite().all()
    assert (gradient[0, 1] == 0).all()


def test_padding_rows_of_the_vocabulary_are_left_out():
    student, teacher = random_logits(1, 1, 1, 6), random_logits(2, 1, 1, 6)
    padded = torch.cat([student, torch.full((1, 1, 2), 50.0)], dim=-1)
    other = torch.cat([teacher, torch.full((1, 1, 3), -9.0)], dim=-1)

    def loss_of(logits):
        return soft_distillation_loss(logits, other, ONE, vocab_size=6)

    plain = soft_distillation_loss(student, teacher, ONE)
    torch.testing.assert_close(loss_of(padded), plain)
    assert (gradient_of(loss_of, padded)[..., 6:] == 0).all()


def test_a_high_temperature_keeps_the_scale_of_the_gradient():
    # Hinton et al. 2015, section 2.1: as T grows, T^2 times the gradient
    # tends to (s - t) / V for logits of mean zero
    student, teacher = (
        (logits - logits.mean(-1, keepdim=True))
        for logits in (random_logits(1, 1, 1, 6), random_logits(2, 1, 1, 6))
    )
    gradient = gradient_of(
        lambda s: soft_distillation_loss(s, teacher, ONE, temperature=1e4),
        student,
    )
    expected = (student - teacher) / 6
    torch.testing.assert_close(gradient, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "sideways"}, "kind must be one of"),
        ({"kind": "jsd", "beta": 1.0}, "beta must be in"),
        ({"temperature": 0.0}, "temperature must be > 0"),
        ({"mask": ~ONE}, "no token"),
    ],
)
def test_bad_options_are_refused(options, message):
    mask = options.pop("mask", ONE)
    with pytest.raises(ValueError, match=message):
        soft_distillation_loss(QUARTER, HALVES, mask, **options)


def test_float32_logits_give_a_float32_loss_and_bfloat16_too():
    for dtype in (torch.float32, torch.bfloat16):
        loss = soft_distillation_loss(QUARTER.to(dtype), HALVES, ONE)
        assert loss.dtype == torch.float64  # the teacher's, here the wider
    loss = soft_distillation_loss(QUARTER.bfloat16(), HALVES.bfloat16(), ONE)
    assert loss.dtype == torch.float32


def test_the_likeliest_tokens_and_the_rest_by_hand():
    # 1/2, 1/8, 3/8: the two likeliest stand alone, 1/8 is left
    logprobs = torch.tensor([[0.5, 0.125, 0.375]]).log()
    ids, kept = top_k_and_rest(logprobs, 2)
    assert ids.tolist() == [[0, 2]]
    torch.testing.assert_close(kept.exp(), torch.tensor([[0.5, 0.375, 0.125]]))


def test_lumping_the_rest_never_raises_a_divergence():
    student, teacher = (
        scaled_logprobs(random_logits(seed, 20, 9)) for seed in (1, 2)
    )
    full = divergence(student, teacher)
    before = torch.zeros_like(full)
    for top_k in range(1, 9):  # with 8 of 9, the rest is one token: exact
        ids, kept = top_k_and_rest(teacher, top_k)
        lumped = divergence(lump_the_rest(student, ids), kept)
        assert (lumped <= full + 1e-12).all()
        assert (lumped >= before - 1e-12).all()
        before = lumped
    torch.testing.assert_close(lumped, full)


def test_chunks_add_up_to_the_whole_and_to_its_gradient(monkeypatch):
    values = random_logits(3, 10, 4)

    def total(chunked):
        return gradient_of(
            lambda v: (
                sum_in_chunks(lambda c: c.square().sum(), 4, v)
                if chunked
                else v.square().sum()
            ),
            values,
        )

    name = "reasoning_from_scratch.training.distillation_loss."
    monkeypatch.setattr(name + "MAX_CHUNK_ENTRIES", 12)  # 3 tokens
    torch.testing.assert_close(total(True), total(False))
