"""Rollouts: the layout, what is masked, what is earned."""

import pytest
import torch
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.llm.generation import GenerationOutput
from reasoning_from_scratch.training.rollouts import (
    collect_rollouts,
    join_rollouts,
    lay_out,
)

PROBLEMS = [
    Problem("1 + 1?", "2", id="a"),
    Problem("What is 12 times 12?", "144", id="b"),
    Problem("0?", "0", id="c"),
]


class StoppingTokenizer(ByteTokenizer):
    """Every fourth token ends a text, so that random rollouts do end."""

    stop_ids = tuple(range(0, 256, 4))


def even_length(text, problem):
    return float(len(text) % 2 == 0)


def rollouts_of(problems=PROBLEMS, model=None, **changes):
    arguments = {"group_size": 4, "max_new_tokens": 6, "reward": even_length}
    arguments |= {"seed": 3, "prompt": "{problem}", **changes}
    question = model or tiny_model(), StoppingTokenizer(), problems
    return collect_rollouts(*question, **arguments)


def test_a_row_is_a_prompt_and_its_completion():
    outputs = [
        GenerationOutput("", ids, [-float(i) for i in ids], "stop", 0, {})
        for ids in ([5, 6], [7, 8, 9, 3])
    ]
    laid = lay_out([[1, 2], [4]], outputs, 99)
    assert laid["token_ids"].tolist() == [[1, 2, 5, 6, 99], [4, 7, 8, 9, 3]]
    assert laid["key_mask"].int().tolist() == [[1, 1, 1, 1, 0], [1] * 5]
    # One column less: column t is about token t + 1
    assert laid["mask"].int().tolist() == [[0, 1, 1, 0], [1, 1, 1, 1]]
    logprobs = [[0, -5, -6, 0], [-7, -8, -9, -3]]
    assert laid["sampler_logprobs"].tolist() == logprobs


def test_rows_are_grouped_by_prompt_and_end_with_the_end_token():
    batch = rollouts_of()
    assert batch.rewards.shape == (3, 4)
    for row, problem in enumerate(p for p in PROBLEMS for _ in range(4)):
        completion = batch.token_ids[row, 1:][batch.mask[row]].tolist()
        whole = batch.token_ids[row][batch.key_mask[row]].tolist()
        assert whole == [*problem.problem.encode(), *completion]
        ended = completion[-1] in StoppingTokenizer.stop_ids
        assert ended != batch.truncated[row].item()
        assert not set(completion[:-1]) & set(StoppingTokenizer.stop_ids)
    assert 0 < batch.truncated.sum() < len(batch.texts)


def test_what_is_cut_earns_nothing_and_rewards_keep_their_parts():
    strict, lenient = (
        rollouts_of(reward=lambda text, problem: 1.0, require_end=required)
        for required in (True, False)
    )
    assert (strict.rewards.flatten() == (~strict.truncated).float()).all()
    assert (lenient.rewards == 1.0).all()
    assert (rollouts_of(reward=lambda *_: -1.0).rewards == -1.0).all()
    batch = rollouts_of(
        reward={"even": even_length, "one": lambda text, problem: 1.0},
        require_end=False,
    )
    assert batch.reward_parts.shape == (3, 4, 2)
    assert torch.equal(batch.rewards, batch.reward_parts.sum(dim=-1))


def test_problems_are_answered_alike_alone_and_joined():
    together, alone = rollouts_of(), rollouts_of(PROBLEMS[1:2])
    assert together.texts[4:8] == alone.texts
    assert rollouts_of(seed=4).texts != together.texts
    whole = rollouts_of()
    parts = [rollouts_of(PROBLEMS[:1]), rollouts_of(PROBLEMS[1:])]
    turned = whole.select_prompts([2, 0, 1])
    for batch in (join_rollouts(parts), turned.select_prompts([1, 2, 0])):
        assert batch.texts == whole.texts
        assert batch.problems == PROBLEMS
        assert torch.equal(batch.rewards, whole.rewards)
        for name, tensor in whole.row_tensors.items():
            torch.testing.assert_close(batch.row_tensors[name], tensor)


@pytest.mark.parametrize(
    ("sampling", "reason"),
    [
        (SamplingConfig(), "temperature > 0"),
        (SamplingConfig(temperature=1.0, top_p=0.9), "refuse top_k, top_p"),
        (SamplingConfig(temperature=1.0, min_p=0.1), "refuse top_k, top_p"),
    ],
)
def test_sampling_that_the_loss_cannot_follow_is_refused(sampling, reason):
    with pytest.raises(ValueError, match=reason):
        rollouts_of(sampling=sampling)
