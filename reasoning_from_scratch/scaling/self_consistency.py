"""Self-consistency: sample several solutions and let their answers vote.

Wrong paths scatter over many answers while right ones meet, so the answer
most samples reach is right more often than a single sample. With a stop rule,
samples are drawn in rounds and decided problems leave the batch.

Source: Wang et al. 2022 (arXiv 2203.11171).
"""

from reasoning_from_scratch.evaluation.grouping import group_answers
from reasoning_from_scratch.scaling.samples import draw_samples, make_output
from reasoning_from_scratch.scaling.votes import majority_vote


def self_consistency(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=16,
    weigh=None,
    stop_rule=None,
    round_size=4,
    **decoding,
):
    """Answer each problem by a vote among its samples.

    Args:
        problems, prompts: as for `draw_samples`.
        num_samples: votes per problem, at most.
        weigh: callable (sample, problem) -> weight; None gives one vote each.
        stop_rule: callable (groups, num_samples) -> bool, true when no more
            samples need be drawn; None draws them all.
        round_size: samples drawn between two looks at the stop rule.
        decoding: passed on to `draw_samples`.

    Returns:
        One MethodOutput per problem. Its response is the first sample with
        the winning answer; where no sample has an answer, the first sample.
    """
    pools = draw_until(
        model,
        tokenizer,
        problems,
        prompts,
        num_samples=num_samples,
        stop_rule=stop_rule,
        round_size=round_size if stop_rule else num_samples,
        **decoding,
    )
    return [
        make_output(samples, choose_by_vote(samples, problem, weigh))
        for problem, samples in zip(problems, pools, strict=True)
    ]


def choose_by_vote(samples, problem=None, weigh=None):
    """Return the position of the first sample with the winning answer.

    Args:
        samples: the Samples of one problem, in the order they were drawn.
        problem: handed to `weigh`.
        weigh: callable (sample, problem) -> weight; None gives one vote each.
    """
    groups = group_answers([sample.answer for sample in samples])
    weights = weigh and [weigh(sample, problem) for sample in samples]
    winner = majority_vote(groups, weights)
    return 0 if winner is None else groups.index(winner)


def draw_until(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples,
    stop_rule,
    round_size,
    **decoding,
):
    """Draw in rounds; a problem leaves once its stop rule says so.

    Sample k of a problem is the same whichever round it is drawn in, so a
    stopped run is a beginning of the full one.

    Returns:
        One list per problem of `round_size` to `num_samples` Samples.
    """
    pools = [[] for _ in problems]
    undecided = list(range(len(problems)))
    for start in range(0, num_samples, round_size):
        drawn = draw_samples(
            model,
            tokenizer,
            [problems[index] for index in undecided],
            [prompts[index] for index in undecided],
            num_samples=min(round_size, num_samples - start),
            first_sample=start,
            **decoding,
        )
        for index, samples in zip(undecided, drawn, strict=True):
            pools[index].extend(samples)
        undecided = [
            index
            for index in undecided
            if stop_rule and not _is_over(pools[index], num_samples, stop_rule)
        ]
        if not undecided:
            break
    return pools


def _is_over(samples, num_samples, stop_rule):
    """Ask the stop rule about the answers so far."""
    groups = group_answers([sample.answer for sample in samples])
    return stop_rule(groups, num_samples)
