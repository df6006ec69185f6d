"""What a teacher model says of every token that a student learns.

Either live, the teacher reading each micro-batch beside the student, or from
a store of its likeliest tokens, made before training. The teacher reads the
completion behind its own prompt, which may ask for more than the student's.
"""

from dataclasses import replace

import torch

from .distillation_loss import (
    divergence,
    lump_the_rest,
    scaled_logprobs,
    sum_in_chunks,
    top_k_and_rest,
)
from .sft_data import make_batch


class SoftTargets:
    """The teacher's side of a soft loss.

    Args:
        teacher: a `Qwen3Model` over the student's tokens.
        vocab_size: of the tokenizer; rows of the embeddings from there on
            are padding and left out.
        kind, temperature, beta: as for `soft_distillation_loss`.
        top_k: keep so many likeliest tokens of the teacher; 0 keeps all.

    Raises:
        ValueError: the teacher has fewer tokens than the tokenizer.
    """

    def __init__(
        self,
        teacher,
        vocab_size,
        *,
        kind="forward",
        temperature=1.0,
        beta=0.5,
        top_k=0,
    ):
        if teacher.config.vocab_size < vocab_size:
            raise ValueError(
                f"the teacher has {teacher.config.vocab_size:,} tokens, the "
                f"student's tokenizer {vocab_size:,}; soft distillation "
                "needs a teacher with the same tokenizer"
            )
        self.teacher = teacher
        self.vocab_size = vocab_size
        self.kind = kind
        self.temperature = temperature
        self.beta = beta
        self.top_k = top_k

    def loss(self, model, hidden, batch):
        """The divergence, summed over the learned tokens of a batch.

        Args:
            model: the student.
            hidden: (learned tokens, hidden), its `learned_hidden`.
            batch: a `Batch`.
        """
        is_stored = bool(batch.examples[0].soft_targets)
        if is_stored:
            parts = zip(*(e.soft_targets for e in batch.examples), strict=True)
            targets = [torch.cat(part).to(hidden.device) for part in parts]
        else:
            targets = [self.teacher_hidden(batch)]

        def chunk_loss(hidden, *targets):
            student = self.logprobs(model, hidden)
            if is_stored:
                ids, teacher = targets
                student = lump_the_rest(student, ids)
            else:
                with torch.no_grad():
                    teacher = self.logprobs(self.teacher, *targets)
            return divergence(
                student, teacher, self.kind, beta=self.beta
            ).sum()

        total = sum_in_chunks(chunk_loss, self.vocab_size, hidden, *targets)
        return self.temperature**2 * total

    def logprobs(self, model, hidden):
        """(tokens, vocab) log-probabilities at the temperature."""
        logits = model.lm_logits(hidden)
        return scaled_logprobs(logits, self.temperature, self.vocab_size)

    @torch.no_grad()
    def teacher_hidden(self, batch):
        """The teacher's final states of the learned tokens, row after row."""
        examples = [
            replace(example, prompt_ids=example.teacher_prompt_ids)
            if example.teacher_prompt_ids
            else example
            for example in batch.examples
        ]
        batch = make_batch(examples, device=self.teacher.device)
        return learned_hidden(self.teacher, batch)

    @torch.no_grad()
    def store(self, examples):
        """The examples, each with the teacher's top k of its tokens.

        Takes 12 bytes of memory a token and k; worth it when the teacher is
        slow and there are several epochs.
        """
        stored = []
        for example in examples:
            hidden = self.teacher_hidden(make_batch([example]))
            logprobs = self.logprobs(self.teacher, hidden)
            targets = top_k_and_rest(logprobs, self.top_k)
            targets = tuple(target.cpu() for target in targets)
            stored.append(replace(example, soft_targets=targets))
        return stored


def learned_hidden(model, batch):
    """(learned tokens, hidden): the states that predict a learned token.

    Only these go through the vocabulary projection.
    """
    hidden = model.hidden_states(batch.token_ids)
    return hidden[:, :-1][batch.mask]


def check_same_tokens(tokenizer, other):
    """Raise ValueError unless two tokenizers number the same tokens alike.

    Distributions of two models can be compared only then.
    """
    sizes = tokenizer.vocab_size, other.vocab_size
    is_same = sizes[0] == sizes[1] and all(
        tokenizer.token_bytes(i) == other.token_bytes(i)
        for i in range(sizes[0])
    )
    if not is_same:
        raise ValueError(
            f"teacher and student have different tokens ({sizes[0]:,} and "
            f"{sizes[1]:,}); their distributions cannot be compared. Collect "
            "the teacher's traces with rfs teach and learn them with the "
            "hard loss"
        )
