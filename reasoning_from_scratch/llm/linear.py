"""Products with weight matrices: nearly all of the model's work.

While one row decodes, each matrix is read for a single vector, so the speed
of memory decides and not that of arithmetic. Quantised weights are out of
scope.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """A learned matrix without bias, (..., inputs) -> (..., outputs)."""

    def __init__(self, num_inputs, num_outputs):
        super().__init__(num_inputs, num_outputs, bias=False)

    def forward(self, x):
        return project(x, self.weight)


def project(x, weight):
    """Multiply every vector of x with a weight matrix.

    The product of a single bfloat16 vector on a CPU is asked for by its own
    name: torch then reads the matrix about 1.3 times as fast, with the same
    result. float32 gains nothing by it, and float16 loses.

    Args:
        x: (..., inputs).
        weight: (outputs, inputs), both in the same dtype.

    Returns:
        (..., outputs).
    """
    is_one_vector = x.numel() == weight.shape[1]
    if is_one_vector and x.dtype == torch.bfloat16 and x.device.type == "cpu":
        return torch.mv(weight, x.flatten()).view(*x.shape[:-1], -1)
    return F.linear(x, weight)
