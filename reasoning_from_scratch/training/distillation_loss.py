"""How far a student's next-token distribution is from its teacher's.

Hard distillation learns the tokens that the teacher chose, soft distillation
its whole distribution. Write p_T, p_S for the two distributions of a token.

    hard      - log p_S(y)                      y the teacher's token
    forward   KL(p_T || p_S)                    covers all that p_T does
    reverse   KL(p_S || p_T)                    keeps to p_T's main modes
    jsd       beta KL(p_T || m) + (1 - beta) KL(p_S || m),
              m = beta p_T + (1 - beta) p_S
    sampled   - sg(log p_T(o) - log p_S(o)) log p_S(o)     o drawn from p_S

In expectation over o the gradient of the last is that of the reverse KL. All
is float32, or float64 where the logits are. A temperature divides both
logits; the factor temperature^2 keeps gradients on one scale.

Sources: Hinton et al. 2015 (soft targets); Agarwal et al. 2023 (GKD, arXiv
2306.13649), section 2; Gu et al. 2023 (reverse KL).
"""

import math
from dataclasses import replace

import torch
from torch.utils.checkpoint import checkpoint

from reasoning_from_scratch.llm.logprobs import (
    MAX_CHUNK_ENTRIES,
    hidden_logprobs,
)

from .sft_data import make_batch

KINDS = ("forward", "reverse", "jsd")


def soft_distillation_loss(
    student_logits,
    teacher_logits,
    mask,
    *,
    kind="forward",
    temperature=1.0,
    beta=0.5,
    vocab_size=None,
):
    """Mean divergence of the student from the teacher over some tokens.

    Args:
        student_logits, teacher_logits: (batch, tokens, vocab); the teacher
            gets no gradient.
        mask: (batch, tokens) bool, true where a token counts; what stands
            elsewhere reaches neither the value nor the gradient.
        kind: "forward", "reverse" or "jsd".
        temperature: > 0, of both distributions.
        beta: of "jsd", in (0, 1): divided by beta it tends to "forward" for
            beta to 0, divided by 1 - beta to "reverse" for beta to 1.
        vocab_size: rows from here on are padding of the vocabulary and
            left out; None keeps all.

    Returns:
        a scalar >= 0, in nats per token times temperature^2.

    Raises:
        ValueError: an unknown kind, a value out of range, or no token.
    """
    if not mask.any():
        raise ValueError("mask is false everywhere: no token to learn from")
    student, teacher = (
        scaled_logprobs(logits[mask], temperature, vocab_size)
        for logits in (student_logits, teacher_logits)
    )
    divergences = divergence(student, teacher.detach(), kind, beta=beta)
    return temperature**2 * divergences.mean()


def scaled_logprobs(logits, temperature=1.0, vocab_size=None):
    """log-softmax of (..., vocab) logits at a temperature, float32 or 64."""
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    logits = logits[..., :vocab_size]
    if logits.dtype != torch.float64:
        logits = logits.float()
    return (logits / temperature).log_softmax(dim=-1)


def divergence(student, teacher, kind="forward", *, beta=0.5):
    """(...) nats, >= 0, of (..., vocab) log-probabilities."""
    if kind == "forward":
        return kl_divergence(teacher, student)
    if kind == "reverse":
        return kl_divergence(student, teacher)
    if kind != "jsd":
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if not 0 < beta < 1:
        raise ValueError(
            f"beta must be in (0, 1), got {beta}; its limits are "
            "kind='forward' and kind='reverse'"
        )
    mixture = torch.logaddexp(
        teacher + math.log(beta), student + math.log1p(-beta)
    )
    from_teacher = kl_divergence(teacher, mixture)
    from_student = kl_divergence(student, mixture)
    return beta * from_teacher + (1 - beta) * from_student


def kl_divergence(first, second):
    """KL(first || second) of (..., vocab) log-probabilities: (...) nats.

    With p = [1/2, 1/2] and q = [1/4, 3/4]: 1/2 ln 2 + 1/2 ln 2/3 = 0.1438.
    """
    return (first.exp() * (first - second)).sum(dim=-1)


def reverse_kl_surrogate(logprobs, teacher_logprobs):
    """Minus each drawn token's advantage times its log-probability.

    `logprobs` (...) are the student's, with gradient; the expected gradient
    of what is returned, (...), is that of KL(student || teacher).
    """
    advantages = (teacher_logprobs - logprobs).detach()
    return -advantages * logprobs


def hard_loss(model, hidden, batch):
    """Minus the log-probability of the learned tokens, summed.

    `hidden` are the final states that predict them.
    """
    logprobs, _ = hidden_logprobs(model, hidden, batch.targets)
    return -logprobs.sum()


def learned_hidden(model, batch):
    """(learned tokens, hidden): those that predict what `make_batch` masks."""
    hidden = model.hidden_states(batch.token_ids)
    return hidden[:, :-1][batch.mask]


def soft_loss(teacher, vocab_size, config):
    """The loss on what a teacher says of every token that its student learns.

    It is a callable as `hard_loss`. Rows of the embeddings from `vocab_size`,
    the tokenizer's, on are padding; config has loss, temperature and beta.
    """
    size, temperature = teacher.config.vocab_size, config.temperature
    if size < vocab_size:
        raise ValueError(
            f"the teacher has {size:,} tokens, the student's tokenizer "
            f"{vocab_size:,}; soft distillation needs a teacher with the "
            "same tokenizer"
        )

    def logprobs(reader, hidden):  # frees the logits at once
        return scaled_logprobs(
            reader.lm_logits(hidden), temperature, vocab_size
        )

    def divergence_loss(model, hidden, batch):
        def chunk_loss(hidden, its_hidden):
            with torch.no_grad():
                target = logprobs(teacher, its_hidden)
            own = logprobs(model, hidden)
            return divergence(own, target, config.loss, beta=config.beta).sum()

        states = hidden, teacher_hidden(teacher, batch)
        total = sum_in_chunks(chunk_loss, vocab_size, *states)
        return temperature**2 * total

    def sampled_loss(model, hidden, batch):
        # Its value is not the divergence: compare gradients, not losses
        states = (model, hidden), (teacher, teacher_hidden(teacher, batch))
        own, target = (
            hidden_logprobs(*each, batch.targets, temperature=temperature)[0]
            for each in states
        )
        return reverse_kl_surrogate(own, target).sum()

    return sampled_loss if config.loss == "sampled" else divergence_loss


@torch.no_grad()
def teacher_hidden(teacher, batch):
    """Its final states of the learned tokens, each behind its own prompt."""
    examples = [
        replace(e, prompt_ids=e.teacher_prompt_ids or e.prompt_ids)
        for e in batch.examples
    ]
    return learned_hidden(teacher, make_batch(examples, device=teacher.device))


def sum_in_chunks(loss, vocab_size, *tensors):
    """Sum a loss over tokens without ever holding all their logits.

    `loss` maps chunks of the tensors, (tokens, ...) each, to a sum.
    """
    size = max(1, MAX_CHUNK_ENTRIES // vocab_size)
    if len(tensors[0]) <= size:
        return loss(*tensors)
    chunks = zip(*(tensor.split(size) for tensor in tensors), strict=True)
    return sum(
        checkpoint(loss, *chunk, use_reentrant=False) for chunk in chunks
    )


def check_same_tokens(tokenizer, other):
    """Raise ValueError unless two tokenizers number the same tokens alike."""
    tokens, others = (
        [each.token_bytes(number) for number in range(each.vocab_size)]
        for each in (tokenizer, other)
    )
    if tokens != others:
        raise ValueError(
            f"teacher and student have different tokens ({len(tokens):,} and "
            f"{len(others):,}); their distributions cannot be compared. "
            "Collect the teacher's traces with rfs teach and learn them with "
            "the hard loss"
        )
