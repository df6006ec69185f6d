"""The exercises of chapter 4: right answers, known mistakes, hints."""

from collections import Counter
from functools import partial
from math import comb, exp
from statistics import fmean

import torch
from check import Exercise

# 4.2 Temperature and top-p ---------------------------------------------


def next_probabilities(logits, temperature, top_p):
    """The probabilities from which the next token is drawn."""
    p = (logits / temperature).softmax(dim=-1)
    kept = p * is_in_top_p(p, top_p)
    return kept / kept.sum()


def is_in_top_p(p, top_p, with_last=True):
    ordered, order = p.sort(descending=True)
    sums = ordered.cumsum(dim=-1)
    is_kept = sums - ordered < top_p if with_last else sums < top_p
    return torch.empty_like(is_kept).scatter(0, order, is_kept)


def probabilities_not_scaled(logits, temperature, top_p):
    p = (logits / temperature).softmax(dim=-1)
    return p * is_in_top_p(p, top_p)


def probabilities_without_last(logits, temperature, top_p):
    p = (logits / temperature).softmax(dim=-1)
    kept = p * is_in_top_p(p, top_p, with_last=False)
    return kept / kept.sum()


def probabilities_filtered_first(logits, temperature, top_p):
    is_kept = is_in_top_p(logits.softmax(dim=-1), top_p)
    logits = logits.masked_fill(~is_kept, float("-inf"))
    return (logits / temperature).softmax(dim=-1)


def probabilities_with_zero_logits(logits, temperature, top_p):
    logits = logits / temperature
    return (logits * is_in_top_p(logits.softmax(dim=-1), top_p)).softmax(-1)


LOGITS = torch.tensor([0.0, 2.0, 1.0, -1.0, 1.5])
FILTERS = ((LOGITS, 1.0, 0.6), (LOGITS, 2.0, 0.7), (LOGITS, 0.5, 0.95))

# 4.3 Votes and ties ----------------------------------------------------


def vote(answers):
    """The answer that most samples have; a tie goes to the one seen first."""
    votes = Counter(answer for answer in answers if answer is not None)
    return max(votes, key=votes.get, default=None)


def vote_with_late_ties(answers):
    votes = Counter(answer for answer in answers if answer is not None)
    return max(reversed(votes), key=votes.get, default=None)


def vote_with_sorted_ties(answers):
    return vote(sorted(answer for answer in answers if answer is not None))


def vote_of_the_absolute_majority(answers):
    winner = vote(answers)
    return winner if answers.count(winner) > len(answers) / 2 else None


VOTES = (
    (["3", "5", "5", "3"],),
    (["5", "3", "3", "5"],),
    ([None, None, "4"],),
    (["1", "2", "3", "2"],),
    ([None, None],),
)

# 4.4 Stopping a vote early ---------------------------------------------


def is_decided(answers, num_samples, has_new=True, ties="first seen"):
    """Whether the samples still to come cannot change the winner."""
    votes = Counter(answer for answer in answers if answer is not None)
    remaining = num_samples - len(answers)
    if not votes:
        return remaining == 0
    leader, order = max(votes, key=votes.get), list(votes)
    rivals = {rival: votes[rival] for rival in votes if rival != leader}
    if has_new:
        rivals["new"], order = 0, [*order, "new"]
    for rival, count in rivals.items():
        is_earlier = order.index(rival) < order.index(leader)
        loses_tie = {"first seen": not is_earlier, "won": True, "open": False}
        if count + remaining >= votes[leader] + loses_tie[ties]:
            return False
    return True


def is_more_than_half(answers, num_samples):
    winner = vote(answers)
    return winner is not None and answers.count(winner) > num_samples / 2


def is_decided_with_missing(answers, num_samples):
    return is_decided(["missing" if a is None else a for a in answers],
                      num_samples)  # fmt: skip


VOTES_UNDER_WAY = (
    (["a", "a", "b"], 4),
    (["a", "a"], 5),
    (["b", "a", "a"], 4),
    (["a", "a", "a", "b", "c", "d"], 7),
    ([None, None, "a", "a"], 5),
    ([None, None], 2),
    (["a", "a"], 4),
)

# 4.5 A score as tie-breaker --------------------------------------------


def vote_with_scores(answers, scores, key=lambda own: (len(own), max(own))):
    """The most frequent answer; the highest single score settles a tie."""
    own = {}  # answer -> scores of its samples
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            own.setdefault(answer, []).append(score)
    return max(own, key=lambda answer: key(own[answer]))


def vote_with_scores_and_missing(answers, scores):
    answers = ["missing" if answer is None else answer for answer in answers]
    return vote_with_scores(answers, scores)


SCORED_VOTES = (
    (["3", "5", "5", "3"], [0.1, 0.9, 0.2, 0.3]),
    (["2", "2", "7"], [0.1, 0.2, 0.9]),
    (["1", "2", "2", "1"], [0.5, 0.9, 0.0, 0.6]),
    ([None, None, "5"], [0.9, 0.9, 0.1]),
)

# 4.6 Mean against sum --------------------------------------------------


def best_by_mean(logprobs):
    """The position of the sample with the highest mean log-probability."""
    return first_best(map(fmean, logprobs))


def first_best(scores):
    scores = list(scores)
    return scores.index(max(scores))


def last_best_by_mean(logprobs):
    scores = [fmean(each) for each in logprobs]
    return max(range(len(scores)), key=lambda i: (scores[i], i))


SCORED_TOKENS = (
    ([[-0.5, -0.5], [-0.4, -0.4, -0.4, -0.4]],),
    ([[-0.1, -0.1, -0.1, -1.5], [-0.6, -0.6]],),
    ([[-0.01, -3.0], [-1.2, -1.2]],),
    ([[-0.5], [-0.5, -0.5], [-0.75]],),
)

# 4.7 Refinement with a scorer ------------------------------------------


def refine(draft, revisions, *mistakes):
    """The answer that stands after the revisions, each (answer, score)."""
    answer, score = draft
    for new_answer, new_score in revisions:
        limit = draft[1] if "against the draft" in mistakes else score
        is_better = new_score > limit
        is_better |= "equal" in mistakes and new_score == limit
        is_missing = new_answer is None and "missing" not in mistakes
        if (is_missing or not is_better) and "refused" in mistakes:
            continue
        if is_missing or not is_better:
            break
        is_repeated = new_answer == answer
        answer, score = new_answer, new_score
        if is_repeated and "repeated" not in mistakes:
            break
    return answer


def refine_with(mistake):
    return lambda draft, revisions: refine(draft, revisions, mistake)


REVISIONS = (
    (("7", -0.5), [("8", -0.5)]),
    (("7", -0.5), [(None, -0.1)]),
    (("7", -0.5), [("8", -0.9), ("9", -0.1)]),
    (("7", -0.9), [("8", -0.3), ("9", -0.5)]),
    (("7", -0.9), [("7", -0.5), ("8", -0.1)]),
    (("7", -0.9), [("8", -0.5), ("9", -0.1)]),
)

# 4.8 Min-p -------------------------------------------------------------


def min_p_kept(logits, min_p):
    """The numbers of the tokens that min-p keeps."""
    p = logits.softmax(dim=-1)
    return positions(p >= min_p * p.max())


def positions(is_kept):
    return is_kept.nonzero().flatten().tolist()


def min_p_removed(logits, min_p):
    p = logits.softmax(dim=-1)
    return positions(p < min_p * p.max())


SHARES = torch.tensor([0.15, 0.5, 0.05, 0.3]).log()
MIN_P = ((SHARES, 0.2), (SHARES, 0.45), (SHARES + 3, 0.05))

# 4.9 The ceiling -------------------------------------------------------


def pass_at(n, num_samples, num_right):
    """The chance that one of n samples from the pool is right."""
    return 1 - chance_that_all_are(n, num_samples, num_samples - num_right)


def chance_that_all_are(n, num_samples, num_such):
    return comb(num_such, n) / comb(num_samples, n)


POOLS = ((1, 4, 1), (2, 4, 1), (4, 16, 3), (3, 4, 2))

EXERCISES = {
    "4.2": Exercise(
        "Temperature and top-p",
        next_probabilities,
        FILTERS,
        {
            "The kept probabilities do not add up to 1: divide them by "
            "their sum.": probabilities_not_scaled,
            "The token that reaches top_p is left out; it "
            "stays.": probabilities_without_last,
            "The logits are multiplied by the temperature; they are divided "
            "by it.": lambda logits, t, top_p: next_probabilities(
                logits, 1 / t, top_p
            ),
            "The filter comes before the temperature. Divide first, then "
            "filter.": probabilities_filtered_first,
            "A removed token has the logit 0, which is not improbable at "
            "all. Use -inf.": probabilities_with_zero_logits,
        },
        (
            "Divide by the temperature, take the softmax, and sort.",
            "A token stays if the sum of the more likely ones is below "
            "top_p. Set the others to 0 and divide by the sum.",
        ),
    ),
    "4.3": Exercise(
        "Votes and ties",
        vote,
        VOTES,
        {
            "In a tie you take the answer seen last; the one seen first "
            "wins.": vote_with_late_ties,
            "In a tie you take the answer that sorts first; the one seen "
            "first wins.": vote_with_sorted_ties,
            "Samples without an answer have voted; they vote for "
            "nobody.": lambda answers: Counter(answers).most_common(1)[0][0],
            "More than half of the samples are not needed: the most "
            "frequent answer wins.": vote_of_the_absolute_majority,
            "This is the number of votes; the answer is asked "
            "for.": lambda answers: answers.count(vote(answers)),
        },
        (
            "Count the answers that are not None, in the order given.",
            "A dict keeps that order, and max(votes, key=votes.get) returns "
            "the first of equals. Its argument default helps if nobody votes.",
        ),
    ),
    "4.4": Exercise(
        "Stopping a vote early",
        is_decided,
        VOTES_UNDER_WAY,
        {
            "An answer that has not been seen yet may get all samples still "
            "to come.": partial(is_decided, has_new=False),
            "A tie goes to the answer seen first, and that may be the one "
            "behind.": partial(is_decided, ties="won"),
            "A tie goes to the answer seen first: an answer seen later than "
            "the leader loses it.": partial(is_decided, ties="open"),
            "More than half of all samples is enough, but not "
            "necessary.": is_more_than_half,
            "Samples without an answer have voted; they vote for "
            "nobody.": is_decided_with_missing,
        },
        (
            "Give all samples still to come to one other answer. Can it win?",
            "Try every answer seen so far and a new one with 0 votes. It "
            "wins with more votes than the leader, or with as many if it was "
            "seen earlier.",
        ),
    ),
    "4.5": Exercise(
        "A score as tie-breaker",
        vote_with_scores,
        SCORED_VOTES,
        {
            "This adds up the scores. The number of votes comes "
            "first.": partial(vote_with_scores, key=sum),
            "In a tie, the highest single score decides, not the "
            "sum.": partial(
                vote_with_scores, key=lambda own: (len(own), sum(own))
            ),
            "The votes are ignored: the highest score settles ties "
            "only.": partial(vote_with_scores, key=max),
            "The scores are ignored: in a tie, the highest score "
            "decides.": lambda answers, scores: vote(answers),
            "Samples without an answer have voted; they vote for "
            "nobody.": vote_with_scores_and_missing,
        },
        (
            "For each answer, collect the scores of its samples.",
            "Compare pairs: (number of votes, highest score).",
        ),
    ),
    "4.6": Exercise(
        "Mean against sum",
        best_by_mean,
        SCORED_TOKENS,
        {
            "This is the sum, which prefers short samples. Divide by the "
            "number of tokens.": lambda rows: first_best(map(sum, rows)),
            "This compares the worst tokens; the mean is asked "
            "for.": lambda rows: first_best(map(min, rows)),
            "This is the mean of the probabilities; take the mean of their "
            "logarithms.": lambda rows: first_best(
                fmean(map(exp, row)) for row in rows
            ),
            "This is the least likely sample. Log-probabilities are "
            "negative, and the one nearest to 0 is best.": lambda rows: (
                first_best(-fmean(row) for row in rows)
            ),
            "In a tie you take the last sample; the first one "
            "wins.": last_best_by_mean,
        },
        (
            "Compute one number per sample, then look for the position of "
            "the largest.",
            "scores.index(max(scores)) finds the first one.",
        ),
    ),
    "4.7": Exercise(
        "Refinement with a scorer",
        refine,
        REVISIONS,
        {
            "A revision with the same score is refused: it must be "
            "higher.": refine_with("equal"),
            "A revision without an answer is never accepted.": refine_with(
                "missing"
            ),
            "A refused revision ends the refining.": refine_with("refused"),
            "Compare a revision with the text that stands, which may not be "
            "the draft any more.": refine_with("against the draft"),
            "A revision that repeats the answer ends the "
            "refining.": refine_with("repeated"),
        },
        (
            "Keep the answer and the score that stand, and go through the "
            "revisions.",
            "Break if the revision has no answer or no higher score; accept "
            "it otherwise, and break if its answer is the old one.",
        ),
    ),
    "4.8": Exercise(
        "Min-p",
        min_p_kept,
        MIN_P,
        {
            "The threshold is a share of the highest probability, not a "
            "probability.": lambda logits, p: positions(
                logits.softmax(-1) >= p
            ),
            "Compare probabilities; shares of logits mean "
            "nothing.": lambda logits, p: positions(
                logits >= p * logits.max()
            ),
            "These are the tokens that are removed.": min_p_removed,
            "This is top-p: it adds up probabilities.": lambda logits, p: (
                positions(is_in_top_p(logits.softmax(-1), p))
            ),
        },
        (
            "Take the softmax first.",
            "Keep the places where p >= min_p * p.max().",
        ),
        lambda answer, *case: sorted(answer(*case)),
    ),
    "4.9": Exercise(
        "The ceiling",
        pass_at,
        POOLS,
        {
            "This draws with replacement. No sample of the pool is drawn "
            "twice.": lambda n, size, right: 1 - (1 - right / size) ** n,
            "This is the chance that all n are right.": chance_that_all_are,
            "This is the chance that none of the n is right.": lambda *pool: (
                1 - pass_at(*pool)
            ),
            "Adding up the chances counts subsets with two right samples "
            "twice.": lambda n, size, right: min(1, n * right / size),
        },
        (
            "It is easier to count the subsets without any right sample.",
            "comb(N - c, n) of the comb(N, n) subsets have none.",
        ),
    ),
}
