"""Rollouts: the layout, what is masked, what is earned."""

import pytest
import torch
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.llm import SamplingConfig, token_logprobs
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


def rollouts_of(problems=PROBLEMS, **changes):
    arguments = {
        "group_size": 4,
        "max_new_tokens": 6,
        "reward": even_length,
        "seed": 3,
        "prompt": "{problem}",
    }
    return collect_rollouts(
        tiny_model(), StoppingTokenizer(), problems, **arguments | changes
    )


def output(token_ids, stop_reason="stop"):
    logprobs = [-float(token) for token in token_ids]
    return GenerationOutput("", token_ids, logprobs, stop_reason, 0, {})


def test_prompts_end_and_completions_begin_in_one_column():
    laid = lay_out([[1, 2, 3], [4]], [output([5, 6]), output([7, 8, 9])], 0)
    assert laid["token_ids"].tolist() == [
        [1, 2, 3, 5, 6, 0],
        [0, 0, 4, 7, 8, 9],
    ]
    assert laid["key_mask"].int().tolist() == [
        [1, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 1],
    ]
    # One column less: column t is about token t + 1
    assert laid["mask"].int().tolist() == [[0, 0, 1, 1, 0], [0, 0, 1, 1, 1]]
    assert laid["sampler_logprobs"].tolist() == [
        [0, 0, -5, -6, 0],
        [0, 0, -7, -8, -9],
    ]


def test_the_end_token_belongs_to_the_completion():
    batch = rollouts_of()
    for row in range(len(batch.texts)):
        completion = batch.token_ids[row, 1:][batch.mask[row]].tolist()
        ended = completion[-1] in StoppingTokenizer.stop_ids
        assert ended != batch.truncated[row].item()
        assert not set(completion[:-1]) & set(StoppingTokenizer.stop_ids)
    assert 0 < batch.truncated.sum() < len(batch.texts)


def test_rows_are_grouped_by_prompt():
    batch = rollouts_of()
    assert batch.rewards.shape == (3, 4)
    for row in range(12):
        kept = batch.key_mask[row].clone()
        kept[1:] &= ~batch.mask[row]
        prompt = bytes(batch.token_ids[row][kept].tolist()).decode()
        assert prompt == PROBLEMS[row // 4].problem


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampler_and_trainer_find_the_same_logprobs(temperature):
    batch = rollouts_of(sampling=SamplingConfig(temperature=temperature))
    logprobs = token_logprobs(
        tiny_model(),
        batch.token_ids,
        key_mask=batch.key_mask,
        temperature=temperature,
    )
    # float32, other batch shapes: rounding apart
    torch.testing.assert_close(
        logprobs[batch.mask],
        batch.sampler_logprobs[batch.mask],
        atol=1e-4,
        rtol=1e-4,
    )


def test_a_truncated_completion_earns_nothing():
    strict = rollouts_of(reward=lambda text, problem: 1.0)
    lenient = rollouts_of(reward=lambda text, problem: 1.0, require_end=False)
    assert (strict.rewards.flatten() == (~strict.truncated).float()).all()
    assert (lenient.rewards == 1.0).all()


def test_a_penalty_stays_on_a_truncated_completion():
    batch = rollouts_of(reward=lambda text, problem: -1.0)
    assert (batch.rewards == -1.0).all()


def test_a_problem_is_answered_alike_alone_and_among_others():
    together, alone = rollouts_of(), rollouts_of(PROBLEMS[1:2])
    assert together.texts[4:8] == alone.texts
    assert rollouts_of(seed=4).texts != together.texts


def test_several_rewards_keep_their_parts():
    batch = rollouts_of(
        reward={"even": even_length, "one": lambda text, problem: 1.0},
        require_end=False,
    )
    assert batch.reward_parts.shape == (3, 4, 2)
    assert torch.equal(batch.rewards, batch.reward_parts.sum(dim=-1))


def test_select_prompts_keeps_whole_groups():
    batch = rollouts_of()
    chosen = batch.select_prompts([2, 0])
    assert chosen.texts == batch.texts[8:12] + batch.texts[0:4]
    assert [problem.id for problem in chosen.problems] == ["c", "a"]
    assert torch.equal(chosen.rewards, batch.rewards[[2, 0]])
    assert torch.equal(chosen.token_ids[:4], batch.token_ids[8:12])


def test_joined_batches_keep_prompts_and_completions_aligned():
    parts = [rollouts_of(PROBLEMS[:1]), rollouts_of(PROBLEMS[1:])]
    joined, whole = join_rollouts(parts), rollouts_of()
    assert joined.texts == whole.texts
    assert torch.equal(joined.rewards, whole.rewards)
    for row in range(12):
        kept = joined.key_mask[row], whole.key_mask[row]
        assert torch.equal(
            joined.token_ids[row][kept[0]], whole.token_ids[row][kept[1]]
        )
        assert torch.equal(
            joined.token_ids[row, 1:][joined.mask[row]],
            whole.token_ids[row, 1:][whole.mask[row]],
        )


@pytest.mark.parametrize(
    ("sampling", "reason"),
    [
        (SamplingConfig(), "temperature > 0"),
        (SamplingConfig(temperature=1.0, top_p=0.9), "refuse top_k, top_p"),
        (SamplingConfig(temperature=1.0, top_k=5), "refuse top_k, top_p"),
        (SamplingConfig(temperature=1.0, min_p=0.1), "refuse top_k, top_p"),
    ],
)
def test_sampling_that_the_loss_cannot_follow_is_refused(sampling, reason):
    with pytest.raises(ValueError, match=reason):
        rollouts_of(sampling=sampling)


def test_a_reward_that_fails_now_and_then_is_counted():
    calls = iter(range(12))

    def moody(text, problem):
        return 1 / (next(calls) % 3)

    with pytest.warns(RuntimeWarning, match="reward moody failed"):
        batch = rollouts_of(reward=moody)
    assert batch.num_reward_failures == 4
    assert not batch.rewards.flatten()[::3].any()
