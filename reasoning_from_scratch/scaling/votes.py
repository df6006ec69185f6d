"""Counting votes: which answer do most of the samples agree on?

Answers vote by value (see `evaluation.grouping`); a sample without one votes
for nobody. Two rules, one certain and one likely, say when to stop drawing.

Source: Wang et al. 2022 (arXiv 2203.11171); the likely rule is Adaptive
Consistency, Aggarwal et al. 2023 (arXiv 2305.11860).
"""

from math import comb


def count_votes(groups, weights=None):
    """Add up the votes of each group, in the order the groups were seen.

    Both lists are per sample: its group's number, None for no vote, and its
    weight; without weights every sample has one vote.

    >>> count_votes([0, 1, None, 0])
    {0: 2, 1: 1}
    """
    votes = {}
    for sample, group in enumerate(groups):
        if group is not None:
            weight = 1 if weights is None else weights[sample]
            votes[group] = votes.get(group, 0) + weight
    return votes


def majority_vote(groups, weights=None):
    """Return the group with most votes; a tie goes to the one seen first.

    The arguments are those of `count_votes`; where nobody voted, None.

    >>> majority_vote([0, 1, 1, 0])
    0
    """
    votes = count_votes(groups, weights)
    return max(votes, key=votes.get, default=None)


def is_decided(groups, num_samples):
    """Tell whether the samples still to come cannot change the winner.

    True when every rival, seen or not, must lose even if it gets all the
    votes that remain of `num_samples`; the answer is then exactly that of a
    full vote.

    >>> is_decided([0, 0, 1], num_samples=4), is_decided([0, 0], num_samples=4)
    (True, True)
    """
    votes = count_votes(groups)
    remaining = num_samples - len(groups)
    winner = majority_vote(groups)
    if winner is None or remaining > votes[winner]:
        return remaining == 0
    for rival, rival_votes in votes.items():
        best_case = rival_votes + remaining
        # A tie goes to the group seen first, so an older rival needs less.
        needed = votes[winner] + (0 if rival < winner else 1)
        if rival != winner and best_case >= needed:
            return False
    return True


def leader_probability(groups):
    """Return the chance that the leader would beat the runner-up for good.

    With a votes for the leader, b for the runner-up and a flat prior, the
    leader's share among the two is Beta(a + 1, b + 1). The chance that it is
    above one half is a binomial sum: P(Binomial(a + b + 1, 1/2) <= a).

    >>> leader_probability([0, 0, 0, 0])
    0.96875
    """
    votes = sorted(count_votes(groups).values(), reverse=True) + [0, 0]
    leader, runner_up = votes[:2]
    total = leader + runner_up + 1
    favourable = sum(comb(total, k) for k in range(leader + 1))
    return favourable / 2**total


def is_likely_decided(groups, num_samples, threshold=0.9):
    """Tell whether the vote is decided for certain or at this probability.

    The default threshold is the strictest that saves 30 % on the pocket
    model's validation problems: 3 votes to 0 or 5 to 1 are enough, 4 to 1
    are not.
    """
    likely = leader_probability(groups) >= threshold
    return likely or is_decided(groups, num_samples)


def samples_needed(groups, stop_rule):
    """Count the samples a rule such as `is_decided` would have drawn."""
    for drawn in range(1, len(groups)):
        if stop_rule(groups[:drawn], len(groups)):
            return drawn
    return len(groups)
