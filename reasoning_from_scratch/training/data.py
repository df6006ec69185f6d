"""Which problems a training step sees, and which it must never see."""

import re

import torch

TEST_ID = re.compile(r"(^|[-/_])test([-/_]|$)", re.IGNORECASE)


def refuse_test_split(problems):
    """Raise ValueError when a problem's id says that it is a test problem.

    Training on the problems that a claim is measured on would make the
    claim worthless.
    """
    for problem in problems:
        if TEST_ID.search(problem.id):
            raise ValueError(
                f"problem {problem.id!r} belongs to a test split; train on "
                "split='train' and watch split='validation'"
            )


def shuffled_indices(num_items, start, count, *, seed):
    """Places `start` to `start + count` in an endless shuffled order.

    Every pass over the items is a permutation of its own, which depends on
    the seed and the number of the pass alone: a cursor is all that a
    resumed run needs.
    """
    indices = []
    for place in range(start, start + count):
        epoch, offset = divmod(place, num_items)
        if not indices or offset == 0:
            generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
            order = torch.randperm(num_items, generator=generator).tolist()
        indices.append(order[offset])
    return indices
