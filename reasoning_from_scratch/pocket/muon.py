"""Muon: momentum whose matrix updates are made orthogonal.

Every singular value of an update becomes about 1, so no direction of a
weight matrix learns much faster than the others. On the pocket models it
needs about half of AdamW's steps. For matrices inside the network only;
embeddings and norms belong to AdamW.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers".
"""

from __future__ import annotations

import torch

# Newton-Schulz coefficients tuned for speed: singular values end in
# about 0.7 to 1.2, which serves as well as exactly 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrices, steps=5):
    """Replace the singular values by about 1.

    Args:
        matrices: (count, rows, columns), no matrix all zero.
        steps: iterations of the quintic Newton-Schulz map.

    Returns:
        The same shape.
    """
    a, b, c = COEFFICIENTS
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if is_tall else x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum.

    Args:
        matrices: two-dimensional parameters; equal shapes are updated in
            one product.
        lr: step, in units of a matrix's spectral norm.
        momentum: decay of the running sum of gradients.
    """

    def __init__(self, matrices, lr=0.02, momentum=0.95):
        by_shape = {}
        for matrix in matrices:
            by_shape.setdefault(tuple(matrix.shape), []).append(matrix)
        groups = [{"params": group} for group in by_shape.values()]
        super().__init__(groups, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        """Update every matrix from its gradient."""
        for group in self.param_groups:
            momentum, updates = group["momentum"], []
            for matrix in group["params"]:
                state = self.state[matrix]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(matrix)
                velocity = state["velocity"]
                velocity.mul_(momentum).add_(matrix.grad)
                updates.append(matrix.grad + momentum * velocity)
            rows, columns = group["params"][0].shape
            scale = max(1.0, rows / columns) ** 0.5
            updates = orthogonalize(torch.stack(updates))
            for matrix, update in zip(group["params"], updates, strict=True):
                matrix.add_(update, alpha=-group["lr"] * scale)
