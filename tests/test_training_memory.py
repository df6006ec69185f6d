"""What an update keeps in memory does not grow with the rollouts."""

import weakref
from dataclasses import replace

from test_rollouts import PROBLEMS
from test_update import CONFIG, optimizer_of
from tiny import ByteTokenizer, tiny_model
from torch.autograd.graph import saved_tensors_hooks

from reasoning_from_scratch.training.rollouts import collect_rollouts
from reasoning_from_scratch.training.update import update_policy


class Kept:
    """A tensor that the backward pass will need."""

    def __init__(self, tensor):
        self.tensor = tensor


def peak_of_update(rollouts, **changes):
    """Most numbers kept for backward at any moment of an update."""
    model = tiny_model()
    alive, peak = weakref.WeakSet(), 0

    def pack(tensor):
        nonlocal peak
        kept = Kept(tensor)
        alive.add(kept)
        peak = max(peak, sum(k.tensor.numel() for k in alive))
        return kept

    with saved_tensors_hooks(pack, lambda kept: kept.tensor):
        update_policy(
            model, optimizer_of(model), rollouts, replace(CONFIG, **changes)
        )
    return peak


def same_long_rollouts():
    """Four completions of one prompt, none of which ends early."""
    rollouts = collect_rollouts(
        tiny_model(),
        ByteTokenizer(),
        PROBLEMS[:1],
        group_size=4,
        max_new_tokens=8,
        prompt="{problem}",
        reward=lambda text, problem: float(sum(map(ord, text)) % 7),
        require_end=False,
        seed=3,
    )
    assert (rollouts.lengths == 8).all()
    assert len(rollouts.rewards.unique()) > 1
    return rollouts


def test_32_rollouts_keep_no_more_than_8_at_one_micro_batch():
    rollouts = same_long_rollouts()
    few, many = (rollouts.select_prompts([0] * n) for n in (2, 8))
    assert len(many.texts) == 32
    peaks = [
        peak_of_update(batch, micro_batch_size=4) for batch in (few, many)
    ]
    assert peaks[0] == peaks[1]
    # And the measure does see what it should: without micro-batches it grows
    assert peak_of_update(many, micro_batch_size=32) > 4 * peaks[0]
