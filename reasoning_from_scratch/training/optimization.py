"""AdamW on float32 master weights, its learning rate, and gradient clipping.

A bfloat16 weight has 8 significant bits: an update below 1/256 of it would be
rounded away. So a float32 weight, the master, is updated instead. Its upper 16
bits are the bfloat16 weight itself; only the lower ones are kept beside it.

Sources: Loshchilov and Hutter 2019 (AdamW); Micikevicius et al. 2018 (master
weights); Pascanu et al. 2013 (clipping by the norm).
"""

import math

import torch

BETAS, EPSILON = (0.9, 0.95), 1e-8
STATE = "num_updates", "num_skipped", "means", "squares", "lower_halves"
# Weights updated at a time: for the embeddings of 0.6B all at once, each
# intermediate result would take another 0.6 GB
MAX_PIECE = 2**24


def scheduled_learning_rate(step, *, peak, warmup_steps, total_steps=None):
    """The rate of update `step`: linear warm-up, then cosine to zero.

    The first update has peak / warmup_steps, so none is lost at rate 0;
    without total_steps the rate stays at its peak.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if total_steps is None:
        return peak
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class MasterAdamW:
    """AdamW on float32 weights, those of a bfloat16 model included.

    Weight decay is per update and unit of learning rate, on matrices alone.
    """

    def __init__(
        self,
        model,
        *,
        weight_decay=0.0,
        max_grad_norm=1.0,
        moment_dtype=torch.float32,
    ):
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not self.parameters:
            raise ValueError(
                "the model has no weights that can be trained; those of few "
                "bits cannot: load it without weights="
            )
        if any(p.dtype == torch.float16 for p in self.parameters):
            raise ValueError(
                "float16 weights cannot be trained: their small gradients "
                "turn to zero and their large ones to infinity. Load the "
                "model in float32 (--dtype float32) or bfloat16"
            )
        self.lower_halves = [  # of the masters; float32 weights have none
            None
            if p.dtype == torch.float32
            else torch.zeros_like(p, dtype=torch.int16)
            for p in self.parameters
        ]
        self.means, self.squares = (
            [torch.zeros_like(p, dtype=moment_dtype) for p in self.parameters]
            for _ in range(2)
        )
        self.weight_decay, self.max_grad_norm = weight_decay, max_grad_norm
        self.num_updates = 0
        self.num_skipped = 0  # updates left out: gradient not finite

    @classmethod
    def of(cls, model, config):
        """The optimizer that a `TrainingConfig` describes."""
        return cls(
            model,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            moment_dtype=getattr(torch, config.moments),
        )

    @torch.no_grad()
    def step(self, learning_rate):
        """Clip, update and clear; returns the norm before clipping.

        One NaN would spread over all weights and moments, so a gradient
        whose norm is not finite is dropped as a whole, and counted.
        """
        grads = [p.grad for p in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        given = [gradient for gradient in grads if gradient is not None]
        norm = torch.nn.utils.get_total_norm(given)
        if not torch.isfinite(norm):
            self.num_skipped += 1
            return float(norm)
        scale = (self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
        self.num_updates += 1
        states = self.means, self.squares, self.parameters, self.lower_halves
        for gradient, *tensors in zip(grads, *states, strict=True):
            if gradient is None:
                continue
            decay = self.weight_decay if gradient.dim() > 1 else 0.0
            used = [tensor for tensor in tensors if tensor is not None]
            for part, mean, square, *halves in _pieces(gradient, *used):
                is_whole = len(halves) == 1
                master = halves[0] if is_whole else join_halves(*halves)
                part = part.float() * scale
                self._update(master, part, mean, square, learning_rate, decay)
                if not is_whole:
                    split_halves(master, *halves)
        return float(norm)

    def _update(self, master, gradient, mean, square, learning_rate, decay):
        """One AdamW update of one weight, in place."""
        beta1, beta2 = BETAS
        mean.lerp_(gradient.to(mean.dtype), 1 - beta1)
        square.mul_(beta2)
        square.add_((gradient * gradient).to(square.dtype), alpha=1 - beta2)
        if decay:
            master.mul_(1 - learning_rate * decay)
        # Both moments start at zero; the corrections undo that bias
        correction = 1 - beta2**self.num_updates
        root = (square.float() / correction).sqrt_().add_(EPSILON)
        rate = learning_rate / (1 - beta1**self.num_updates)
        master.addcdiv_(mean.float(), root, value=-rate)

    def state_dict(self):
        """A tree for `files.save_state`; the weights come with the model."""
        return {name: getattr(self, name) for name in STATE}

    @torch.no_grad()
    def load_state_dict(self, state):
        """Go on from a saved tree, behind the model that was saved with it."""
        self.num_updates, self.num_skipped = (state[n] for n in STATE[:2])
        for name in STATE[2:]:
            pairs = zip(getattr(self, name), state[name], strict=True)
            for current, saved in pairs:
                if saved is not None:
                    current.copy_(saved)


def join_halves(weight, lower):
    """The float32 master of a bfloat16 weight and 16 more bits, int16."""
    upper = weight.view(torch.int16).int() << 16
    return (upper + lower).view(torch.float32)


def split_halves(master, weight, lower):
    """Write a master into the nearest bfloat16 weight and what is over."""
    bits = master.view(torch.int32)
    upper = (bits + 0x8000) >> 16
    weight.view(torch.int16).copy_(upper)
    lower.copy_(bits - (upper << 16))


def _pieces(*tensors):
    """The tensors, all of one size, flat and in parts: views of them."""
    parts = (tensor.reshape(-1).split(MAX_PIECE) for tensor in tensors)
    return zip(*parts, strict=True)
