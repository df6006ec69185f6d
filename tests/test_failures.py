"""The failure gallery: each mistake is the one it says, and no other."""

import pytest
import torch
from failures import FAILURES, WithoutEnd, max_clip_loss
from tiny import ByteTokenizer

from reasoning_from_scratch.training import LossConfig, grpo_loss
from reasoning_from_scratch.training.diagnosis import RULES


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_names_a_warning_and_tells_its_story(name):
    failure = FAILURES[name]
    assert failure.warning in RULES
    for text in (failure.change, failure.symptom, failure.cause, failure.cure):
        assert len(text) > 10
    assert failure.wrong != failure.right


@pytest.mark.parametrize(
    ("ratio", "advantage", "right", "wrong"),
    [
        (1.5, 1.0, 0.0, -1.5),  # gone far enough: max pushes on
        (0.5, 1.0, -0.5, 0.0),  # pushed off: max does not bring it back
        (0.5, -1.0, 0.0, 0.5),
        (1.5, -1.0, 1.5, 0.0),
        (1.0, 1.0, -1.0, -1.0),  # inside the range they agree
    ],
)
def test_max_clips_just_where_min_does_not(ratio, advantage, right, wrong):
    for loss_function, slope in ((grpo_loss, right), (max_clip_loss, wrong)):
        logprobs = torch.tensor([[ratio]]).log().requires_grad_()
        batch = {"old_logprobs": torch.zeros(1, 1)}
        batch["mask"] = torch.ones(1, 1, dtype=torch.bool)
        batch["advantages"] = torch.tensor([advantage])
        how = {"config": LossConfig(), "normaliser": torch.tensor(1)}
        loss_function(logprobs, **batch, **how)[0].backward()
        assert float(logprobs.grad) == pytest.approx(slope)


def test_the_tokenizer_forgets_the_end_and_nothing_else():
    tokenizer = WithoutEnd(ByteTokenizer())
    assert (tokenizer.stop_ids, tokenizer.eos_id) == ((), 0)
    assert tokenizer.encode("ab") == [97, 98]
