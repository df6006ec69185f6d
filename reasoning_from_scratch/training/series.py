"""Metrics as series: what metrics.jsonl says of one name over the steps.

No torch, no files: the report and the diagnosis read runs with it.
"""

import math
from statistics import fmean

WINDOW_SHARE = 0.1  # of the run: what "first" and "last" average over
MIN_WINDOW = 3  # steps


def series(rows, name, *, training=True) -> list[float]:
    """The finite values of a metric, in order.

    Args:
        rows: of metrics.jsonl.
        name: a key that only some rows may have.
        training: leave out row 0, which is from before the first step.
    """
    values = [
        row[name]
        for row in rows
        if row.get(name) is not None and not (training and row["step"] == 0)
    ]
    return [value for value in values if math.isfinite(value)]


def first_and_last(rows, name, average=fmean):
    """Average of a metric over the first and the last tenth of the steps.

    Returns:
        (first, last), or None where there are too few values to compare.
    """
    values = series(rows, name)
    size = max(MIN_WINDOW, int(WINDOW_SHARE * len(values)))
    if len(values) < 2 * size:
        return None
    return average(values[:size]), average(values[-size:])


def points(rows, name) -> list[tuple]:
    """(step, value) of a metric wherever it is a finite number."""
    found = [(row["step"], row.get(name)) for row in rows]
    return [
        (step, value)
        for step, value in found
        if isinstance(value, int | float) and math.isfinite(value)
    ]


def smoothed(values, width) -> list[float]:
    """Centred running mean over about `width` values, shorter at the ends."""
    half = width // 2
    return [
        fmean(values[max(0, i - half) : i + half + 1])
        for i in range(len(values))
    ]


def thinned(pairs, limit) -> list[tuple]:
    """At most `limit` points: means of neighbours, the last one kept."""
    if len(pairs) <= limit:
        return pairs
    size = math.ceil(len(pairs) / (limit - 1))
    blocks = [pairs[i : i + size] for i in range(0, len(pairs) - 1, size)]
    means = [
        (block[len(block) // 2][0], fmean(value for _, value in block))
        for block in blocks
    ]
    return [*means, pairs[-1]]
