"""Divergences: values by hand, limits, and gradients against autograd."""

import math

import pytest
import torch

from reasoning_from_scratch.training import soft_distillation_loss
from reasoning_from_scratch.training.distillation_loss import (
    divergence,
    reverse_kl_surrogate,
    scaled_logprobs,
    sum_in_chunks,
)

HALVES = torch.tensor([[[0.5, 0.5]]], dtype=torch.float64).log()
QUARTER = torch.tensor([[[0.25, 0.75]]], dtype=torch.float64).log()
ONE = torch.ones(1, 1, dtype=torch.bool)
KINDS = ("forward", "reverse", "jsd")
close = torch.testing.assert_close


def random_logits(*shape):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, *shape, generator=generator, dtype=torch.float64)


STUDENT, TEACHER = random_logits(1, 1, 6)


def gradient_of(loss_of, logits):
    logits = logits.clone().requires_grad_(True)
    loss_of(logits).backward()
    return logits.grad


def soft_gradient(teacher=TEACHER, student=STUDENT, mask=ONE, **options):
    return gradient_of(
        lambda s: soft_distillation_loss(s, teacher, mask, **options), student
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # teacher 1/2 1/2, student 1/4 3/4: 1/2 ln 2 + 1/2 ln(2/3)
        ("forward", 0.5 * math.log(2) + 0.5 * math.log(2 / 3)),
        # the student's weights
        ("reverse", 0.25 * math.log(1 / 2) + 0.75 * math.log(3 / 2)),
        # the middle of the two is 3/8 5/8
        (
            "jsd",
            0.25 * (math.log(4 / 3) + math.log(4 / 5))
            + 0.5 * (0.25 * math.log(2 / 3) + 0.75 * math.log(6 / 5)),
        ),
    ],
)
def test_each_divergence_by_hand(kind, expected):
    loss = soft_distillation_loss(QUARTER, HALVES, ONE, kind=kind)
    assert float(loss) == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_distributions_are_at_distance_zero_without_gradient(kind):
    student, teacher = (TEACHER.clone().requires_grad_() for _ in range(2))
    loss = soft_distillation_loss(student, teacher, ONE, kind=kind)
    loss.backward()
    close(loss, torch.zeros_like(loss))
    close(student.grad, torch.zeros_like(student))
    assert teacher.grad is None


@pytest.mark.parametrize(
    ("beta", "limit"), [(1e-6, "forward"), (1 - 1e-6, "reverse")]
)
def test_jsd_tends_to_the_two_kls(beta, limit):
    student, teacher = map(scaled_logprobs, random_logits(5, 6))
    near = divergence(student, teacher, "jsd", beta=beta) / 1e-6
    # the next term of the series is of the order of 1e-6
    close(near, divergence(student, teacher, limit), atol=1e-4, rtol=1e-4)


def test_the_gradients_of_both_kls_by_formula():
    close(soft_gradient(), STUDENT.softmax(-1) - TEACHER.softmax(-1))
    # d/ds_j sum_v p_v (log p_v - log t_v) = p_j (log p_j/t_j - KL)
    ratio = STUDENT.log_softmax(-1) - TEACHER.log_softmax(-1)
    kl = (STUDENT.softmax(-1) * ratio).sum()
    expected = STUDENT.softmax(-1) * (ratio - kl)
    close(soft_gradient(kind="reverse"), expected)


def test_the_sampled_estimator_has_the_gradient_of_reverse_kl():
    # Over a vocabulary of 6 the expectation is a sum: every token weighted
    # by how likely the student draws it.
    def expected_surrogate(logits):
        logprobs = logits.log_softmax(-1)
        surrogate = reverse_kl_surrogate(logprobs, TEACHER.log_softmax(-1))
        return (logprobs.exp().detach() * surrogate).sum()

    close(
        gradient_of(expected_surrogate, STUDENT), soft_gradient(kind="reverse")
    )


def test_what_is_outside_mask_or_vocabulary_reaches_nothing():
    student, teacher = random_logits(1, 2, 6)
    student[0, 1], teacher[0, 1] = math.nan, math.inf
    mask = torch.tensor([[True, False]])
    gradient = soft_gradient(teacher, student, mask)
    assert gradient[0, 0].isfinite().all()
    assert (gradient[0, 1] == 0).all()
    padded = torch.cat([STUDENT, torch.full((1, 1, 2), 50.0)], dim=-1)
    other = torch.cat([TEACHER, torch.full((1, 1, 3), -9.0)], dim=-1)
    gradient = soft_gradient(other, padded, vocab_size=6)
    close(gradient[..., :6], soft_gradient())
    assert (gradient[..., 6:] == 0).all()


def test_a_high_temperature_keeps_the_scale_of_the_gradient():
    # Hinton et al. 2015, section 2.1: as T grows, T^2 times the gradient
    # tends to (s - t) / V for logits of mean zero
    student, teacher = (
        logits - logits.mean(-1, keepdim=True) for logits in (STUDENT, TEACHER)
    )
    gradient = soft_gradient(teacher, student, temperature=1e4)
    close(gradient, (student - teacher) / 6, atol=1e-3, rtol=1e-3)


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
    with pytest.raises(ValueError, match=message):
        soft_gradient(**options)


def test_logits_of_few_bits_give_a_float32_loss():
    loss = soft_distillation_loss(QUARTER.bfloat16(), HALVES.bfloat16(), ONE)
    assert loss.dtype == torch.float32
    assert soft_distillation_loss(QUARTER, HALVES, ONE).dtype == torch.float64


def test_chunks_add_up_to_the_whole_and_to_its_gradient(monkeypatch):
    values, _ = random_logits(10, 4)

    def loss(chunk):
        return chunk.square().sum()

    name = "reasoning_from_scratch.training.distillation_loss."
    monkeypatch.setattr(name + "MAX_CHUNK_ENTRIES", 12)  # 3 tokens
    chunked = gradient_of(lambda v: sum_in_chunks(loss, 4, v), values)
    close(chunked, gradient_of(loss, values))
