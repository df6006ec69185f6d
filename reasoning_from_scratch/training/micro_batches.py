"""The parts in which a batch of rollouts passes through the model.

Rows come as a dict of tensors by name, one row a completion, laid out as in
`rollouts`: prompts padded on the left, completions on the right. What a
part's rows do not share with each other is padding, and padding costs time;
so a part takes rows of like length and moves them to begin together.
"""

import torch

LIKE_LENGTH = 0.75  # of the longest: shorter rows make another micro-batch


def split_rows(rows, count):
    """The rows in `count` equal parts, whole groups together."""
    size = len(rows["mask"]) // count
    for start in range(0, size * count, size):
        yield {
            name: value[start : start + size] for name, value in rows.items()
        }


def micro_batches(rows, size):
    """Parts of at most `size` rows of like length, with little padding.

    The longest come first: what does not fit memory fails at once.
    """
    lengths = rows["key_mask"].sum(dim=1)
    order = lengths.argsort(descending=True, stable=True)
    lengths = lengths[order].tolist()
    start = 0
    for end in range(1, len(lengths) + 1):
        is_full = end == len(lengths) or end - start == size
        if is_full or lengths[end] < LIKE_LENGTH * lengths[start]:
            part = order[start:end]
            yield align({name: value[part] for name, value in rows.items()})
            start = end


def align(rows):
    """The rows moved to begin in column 0, as wide as the longest.

        . . p p c c E .         p p c c E .     p prompt   c completion
        p p p p c E . .   ->    p p p p c E     E end token   . padding

    A causal model needs no key_mask for them. `columns` tells where column
    t of the mask stood, for each row; past a row's end it wraps around to
    columns of its left padding.
    """
    key_mask = rows["key_mask"]
    width = int(key_mask.sum(dim=1).max())
    starts = key_mask.int().argmax(dim=1, keepdim=True)  # (rows, 1)
    steps = torch.arange(width, device=key_mask.device)
    aligned = {}
    for name, value in rows.items():
        if name == "key_mask":
            continue
        if value.dim() > 1:  # (rows, tokens, …), or one column less
            missing = key_mask.shape[1] - value.shape[1]
            columns = (starts + steps[: width - missing]) % value.shape[1]
            index = columns.view(*columns.shape, *[1] * (value.dim() - 2))
            value = value.take_along_dim(index, dim=1)
            if missing:
                aligned["columns"] = columns
        aligned[name] = value
    return aligned
