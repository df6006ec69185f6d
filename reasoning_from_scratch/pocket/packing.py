"""Batches for pre-training: documents packed into rows of equal length.

A batch is a pure function of (seed, step), drawn on the fly, so an
interrupted run goes on with the very batches it would have seen and no
corpus file is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch

from reasoning_from_scratch.pocket.corpus import CorpusMix, draw_document

IGNORE = -100  # target of prompts and padding, skipped by the loss


@dataclass(frozen=True)
class PackedBatch:
    """Rows of documents, each (rows, row_tokens) int64."""

    token_ids: torch.Tensor  # what is left of a row is padding
    targets: torch.Tensor  # the next token of a completion, else `IGNORE`
    document_ids: torch.Tensor  # number of the document within the row


def draw_batch(
    encode, *, mix: CorpusMix, seed, num_rows, row_tokens, held_out
):
    """Draw documents that fill the rows, and pack them.

    `encode` gives a text's token ids, `seed` is anything with a fixed text.
    """
    rng = Random(str(seed))
    room = num_rows * row_tokens
    documents = []
    while room > 0:
        document = draw_document(rng, mix, held_out)
        documents.append(
            (encode(document.prompt), encode(document.completion))
        )
        room -= sum(map(len, documents[-1]))
    return pack(documents, num_rows, row_tokens)


def pack(documents, num_rows, row_tokens):
    """Put documents into the fullest row they fit in, the longest first.

    They are pairs (token ids of the prompt, of the completion); those for
    which no row has room are left out.
    """
    shape = (num_rows, row_tokens)
    batch = PackedBatch(
        token_ids=torch.zeros(shape, dtype=torch.long),
        targets=torch.full(shape, IGNORE),
        document_ids=torch.full(shape, -1),
    )
    used = [0] * num_rows
    by_length = sorted(documents, key=lambda d: -len(d[0]) - len(d[1]))
    for number, (prompt, completion) in enumerate(by_length):
        ids = torch.tensor(prompt + completion)
        fitting = [
            i for i in range(num_rows) if used[i] + len(ids) <= row_tokens
        ]
        if not fitting:
            continue
        row = max(fitting, key=used.__getitem__)
        start, end = used[row], used[row] + len(ids)
        first = start + max(len(prompt), 1)  # the first token predicted
        batch.token_ids[row, start:end] = ids
        batch.targets[row, first - 1 : end - 1] = ids[first - start :]
        batch.document_ids[row, start:end] = number
        used[row] = end
    return batch
