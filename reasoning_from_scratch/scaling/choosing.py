"""Choosing among samples: by votes, by a score, by a learned verifier.

Every method that samples is a way to draw and a way to choose. A chooser is a
callable (samples, problem) -> position; a scorer is a callable (sample,
problem) -> float, higher is better. Only the oracle looks at the problem. The
learned verifier is a head of two layers on the hidden states of the model
that reads its solution again, trained in `training.learned_verifier`.

Sources: Wang et al. 2022 (self-consistency, arXiv 2203.11171); Kang et al.
2025 (self-certainty, arXiv 2502.18581); Cobbe et al. 2021 (verifier, arXiv
2110.14168); Li et al. 2022, "DiVeRSe" (its weighted vote, arXiv 2206.02336).
"""

from dataclasses import replace
from functools import partial
from math import exp

from reasoning_from_scratch.evaluation.grouping import group_answers
from reasoning_from_scratch.evaluation.verifier import verify
from reasoning_from_scratch.files import load_state
from reasoning_from_scratch.runs import find_file

from .samples import draw_samples, make_output, split
from .stopping import keep_most_confident, lowest_window_score
from .votes import majority_vote

HEAD = "head"  # the learned verifier's folder in a run folder
VERIFIER = "runs/verifier"  # the run that is meant when none is named
ROWS = 64  # solutions that the verifier reads at once


def mean_logprob_score(sample, problem=None):
    """Score by the mean log-probability of the tokens, in nats.

    The mean and not the sum: a sum would prefer the shortest sample.
    """
    return sample.mean_logprob


def answer_logprob_score(sample, problem=None):
    """Score by the mean log-probability of the answer's own tokens."""
    if sample.answer_logprob is None:
        return float("-inf")
    return sample.answer_logprob


def self_certainty_score(sample, problem=None):
    """Score by the mean over tokens of KL(uniform || model), in nats."""
    if sample.self_certainty is None:
        raise ValueError(
            "the sample has no self-certainty; "
            "draw it with draw_samples(..., statistics=True)"
        )
    return sample.self_certainty


def heuristic_score(sample, problem=None):
    """Score by the look of it: finished, one box, a calculation before it."""
    is_finished = sample.stop_reason == "stop"
    has_one_box = sample.text.count(r"\boxed{") == 1
    work, _, _ = sample.text.partition(r"\boxed{")
    has_work = "=" in work
    return is_finished + has_one_box + has_work


def oracle_score(sample, problem):
    """Score 1 for a right answer: the ceiling, for it reads the reference."""
    return float(verify(sample.text, problem.answer))


def probability_weight(sample, problem=None):
    """Weigh a vote by the mean probability of its tokens, in (0, 1]."""
    return exp(sample.mean_logprob)


def pick_best(samples, problem=None, scorer=mean_logprob_score):
    """Return the position of the best score; a tie goes to the earliest."""
    scores = [scorer(sample, problem) for sample in samples]
    return scores.index(max(scores))


def choose_by_vote(samples, problem=None, weigh=None):
    """Return the position of the first sample with the winning answer.

    `weigh` is a scorer. Where no sample has an answer, the first is chosen.
    """
    groups = group_answers([sample.answer for sample in samples])
    weights = weigh and [weigh(sample, problem) for sample in samples]
    winner = majority_vote(groups, weights)
    return 0 if winner is None else groups.index(winner)


def choose_by_confidence(
    samples, problem=None, *, scorer=lowest_window_score, share=0.5
):
    """Vote among the most confident share, each by its confidence."""
    scores = [scorer(sample, problem) for sample in samples]
    kept = keep_most_confident(scores, share)
    voters = [samples[position] for position in kept]
    return kept[choose_by_vote(voters, problem, weigh=scorer)]


def sample_and_choose(
    *question, draw=draw_samples, choose=choose_by_vote, **drawing
):
    """Answer each problem with the one chosen of its samples."""
    _, _, problems, _ = question  # model, tokenizer, problems, prompts
    pools = draw(*question, **drawing)
    chosen = map(choose, pools, problems)
    return list(map(make_output, pools, chosen))


def self_consistency(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=16,
    weigh=None,
    **drawing,
):
    """Answer each problem by a vote among its samples.

    Wrong paths scatter over many answers while right ones meet, so the
    answer most samples reach is right more often than a single sample.

    `weigh` is a callable (sample, problem) -> weight, None gives one vote
    each; the rest is as for `draw_samples`. Returns one MethodOutput per
    problem: its response is the first sample with the winning answer, or the
    first of all where no sample has one.
    """
    question = (model, tokenizer, problems, prompts)
    drawing |= {"choose": partial(choose_by_vote, weigh=weigh)}
    return sample_and_choose(*question, num_samples=num_samples, **drawing)


def best_of_n(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=16,
    scorer=mean_logprob_score,
    **drawing,
):
    """Answer each problem with its best sample.

    The scorer is a callable (sample, problem) -> float, higher is better; the
    rest is as for `draw_samples`. Returns one MethodOutput per problem.
    """
    question = (model, tokenizer, problems, prompts)
    drawing |= {"choose": partial(pick_best, scorer=scorer)}
    return sample_and_choose(*question, num_samples=num_samples, **drawing)


def draw_and_verify(*question, verifier=VERIFIER, **drawing):
    """Draw samples, with the logit of a run of `rfs verifier` noted."""
    model, tokenizer, _, prompts = question
    head = load_head(verifier, model.config.hidden_size)
    pools = draw_samples(*question, **drawing)
    repeated = [
        p for p, pool in zip(prompts, pools, strict=True) for _ in pool
    ]
    texts = [sample.text for pool in pools for sample in pool]
    logits = iter(score_solutions(model, tokenizer, head, repeated, texts))
    return [
        [replace(sample, notes={"verifier": next(logits)}) for sample in pool]
        for pool in pools
    ]


def choose_by_verifier(samples, problem=None, is_vote=False):
    """Return the position of the sample that the verifier takes."""
    noted = [sample.notes["verifier"] for sample in samples]
    return pick_by_score(samples, noted, is_vote)


def pick_by_score(samples, scores, is_vote=False):
    """Return the position of the sample that answers.

    Each score is a logit, log(p / (1 - p)). The highest is taken; in a vote
    the p of each answer add up, and the heaviest answer's first sample is.
    """
    if is_vote:
        groups = group_answers([sample.answer for sample in samples])
        chances = [1 / (1 + exp(-max(score, -50))) for score in scores]
        winner = majority_vote(groups, chances)
        if winner is not None:
            return groups.index(winner)
    return scores.index(max(scores))


def score_solutions(model, tokenizer, head, prompts, texts):
    """The verifier's logit of every solution, a list of floats."""
    import torch

    features = solution_features(model, tokenizer, prompts, texts)
    with torch.inference_mode():
        return head_logits(head, features).tolist()


def solution_features(model, tokenizer, prompts, texts):
    """What the model holds of solutions that it reads, float32.

    (solutions, 3 * hidden + 2): the final hidden states' mean over the text,
    the last one, that before the least likely token; the mean and the least
    log-probability of the tokens.
    """
    import torch

    pairs = [
        (tokenizer.encode(prompt), tokenizer.encode(text) or [0])
        for prompt, text in zip(prompts, texts, strict=True)
    ]
    order = sorted(range(len(pairs)), key=lambda i: sum(map(len, pairs[i])))
    features = {}
    for chosen in split(order, ROWS):
        rows = _features(model, [pairs[i] for i in chosen])
        features.update(zip(chosen, rows, strict=True))
    return torch.stack([features[i] for i in range(len(pairs))])


def _features(model, pairs):
    """`solution_features` of one batch, padded on the right."""
    import torch

    from reasoning_from_scratch.llm.logprobs import hidden_logprobs

    rows = [torch.tensor(prompt + text) for prompt, text in pairs]
    token_ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    # Where a prompt and where a text ends, (rows, 2)
    ends = torch.tensor([(len(p), len(p + t)) for p, t in pairs])
    token_ids, ends = token_ids.to(model.device), ends.to(model.device)
    columns = torch.arange(token_ids.shape[1], device=model.device)
    mask = (columns >= ends[:, :1]) & (columns < ends[:, 1:])
    with torch.inference_mode():
        hidden = model.hidden_states(token_ids)  # (rows, tokens, hidden)
        # Column t of logprobs is token t + 1
        logprobs, _ = hidden_logprobs(model, hidden[:, :-1], token_ids[:, 1:])
    weights = mask / mask.sum(dim=1, keepdim=True)
    every = torch.arange(len(pairs), device=model.device)
    least = logprobs.masked_fill(~mask[:, 1:], torch.inf).min(dim=1)
    parts = [
        (hidden * weights[..., None]).sum(dim=1),
        hidden[every, ends[:, 1] - 1],
        hidden[every, least.indices],
        (logprobs * weights[:, 1:]).sum(dim=1, keepdim=True),
        least.values[:, None],
    ]
    return torch.cat(parts, dim=1).float().cpu()


def head_logits(head, features):
    """Two layers: (solutions, features) -> (solutions,) logits.

    The head holds `mean` and `scale` of the features, `inner` (features,
    units) with `inner_bias`, `outer` (units,) with `outer_bias`.
    """
    from torch.nn.functional import gelu

    x = (features - head["mean"]) / head["scale"]
    x = gelu(x @ head["inner"] + head["inner_bias"])
    return x @ head["outer"] + head["outer_bias"]


def load_head(run, hidden_size):
    """Read the head of a run of `rfs verifier`, fit for this model."""
    try:
        folder = find_file(run, f"{HEAD}/state.json").parent
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no verifier: {error}; rfs verifier trains one, and "
            "--verifier NAME names its run"
        ) from None
    head = load_state(folder)
    if len(head["mean"]) != 3 * hidden_size + 2:
        raise ValueError(
            f"the verifier in {run} reads {len(head['mean'])} features, this "
            f"model gives {3 * hidden_size + 2}; train one on its samples"
        )
    return head
