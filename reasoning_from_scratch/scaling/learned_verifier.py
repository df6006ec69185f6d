"""A learned verifier: a small head on the model's own hidden states.

The model that wrote a solution reads it again; what it holds of it inside
goes through a head of two layers, trained on right and wrong samples (see
`training.learned_verifier`), which says how likely the solution is right.
Best-of-n takes the likeliest, a weighted vote adds the chances up. The model
itself is frozen. Nothing here loads torch before a model is asked.

Sources: Cobbe et al. 2021 (arXiv 2110.14168); Li et al. 2022, "DiVeRSe"
(arXiv 2206.02336), for the weighted vote.
"""

from math import exp

from reasoning_from_scratch.evaluation.grouping import group_answers
from reasoning_from_scratch.runs import find_file, load_state
from reasoning_from_scratch.scaling.samples import (
    DIGITS,
    draw_samples,
    make_output,
)
from reasoning_from_scratch.scaling.votes import majority_vote

HEAD = "head"  # its folder in a run folder
VERIFIER = "runs/verifier"  # the run that is meant when none is named
ROWS = 64  # solutions read at once


def choose_by_verifier(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=16,
    verifier=VERIFIER,
    is_vote=False,
    **decoding,
):
    """Answer each problem with what a learned verifier makes of its samples.

    Args:
        problems, prompts: as for `draw_samples`.
        num_samples: samples per problem.
        verifier: the run folder of `rfs verifier`.
        is_vote: answers vote with their samples' chances of being right;
            otherwise the sample of the highest chance answers.
        decoding: passed on to `draw_samples`.

    Returns:
        One MethodOutput per problem; each sample has its `verifier` logit.
    """
    head = load_head(verifier, model.config.hidden_size)
    pools = draw_samples(
        model,
        tokenizer,
        problems,
        prompts,
        num_samples=num_samples,
        **decoding,
    )
    texts = [sample.text for pool in pools for sample in pool]
    repeated = [prompt for prompt in prompts for _ in range(num_samples)]
    logits = score_solutions(model, tokenizer, head, repeated, texts)
    outputs = []
    for place, pool in enumerate(pools):
        scores = logits[place * num_samples : (place + 1) * num_samples]
        output = make_output(pool, pick_by_score(pool, scores, is_vote))
        for sample, score in zip(output.samples, scores, strict=True):
            sample["verifier"] = round(score, DIGITS)
        outputs.append(output)
    return outputs


def pick_by_score(samples, scores, is_vote=False):
    """Return the position of the sample that answers.

    Args:
        samples: the Samples of one problem.
        scores: one logit each, log(p / (1 - p)).
        is_vote: add up p for each answer; the first sample of the heaviest
            answer is taken.
    """
    if is_vote:
        groups = group_answers([sample.answer for sample in samples])
        chances = [1 / (1 + exp(-min(score, 50))) for score in scores]
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
    """What the model holds of solutions that it reads.

    Args:
        model, tokenizer: as `load_model` returns them.
        prompts, texts: one rendered prompt and one completion a solution.

    Returns:
        (solutions, 3 * hidden + 2) float32: the final hidden states' mean
        over the completion, the last one, that before the least likely
        token; the mean and the least log-probability of the tokens.
    """
    import torch

    pairs = [
        (tokenizer.encode(prompt), tokenizer.encode(text) or [0])
        for prompt, text in zip(prompts, texts, strict=True)
    ]
    order = sorted(range(len(pairs)), key=lambda i: sum(map(len, pairs[i])))
    features = [None] * len(pairs)
    for start in range(0, len(order), ROWS):
        chosen = order[start : start + ROWS]
        with torch.inference_mode():
            rows = _features(model, [pairs[i] for i in chosen])
        for place, i in enumerate(chosen):
            features[i] = rows[place]
    return torch.stack(features)


def _features(model, pairs):
    """`solution_features` of one batch, padded on the right."""
    import torch

    from reasoning_from_scratch.llm.logprobs import hidden_logprobs

    width = max(len(prompt) + len(text) for prompt, text in pairs)
    token_ids = torch.zeros(len(pairs), width, dtype=torch.long)
    mask = torch.zeros(len(pairs), width, dtype=torch.bool)
    for row, (prompt, text) in enumerate(pairs):
        end = len(prompt) + len(text)
        token_ids[row, :end] = torch.tensor(prompt + text)
        mask[row, len(prompt) : end] = True
    token_ids, mask = token_ids.to(model.device), mask.to(model.device)
    hidden = model.hidden_states(token_ids)  # (rows, tokens, hidden)
    # Column t of logprobs is token t + 1
    logprobs, _ = hidden_logprobs(model, hidden[:, :-1], token_ids[:, 1:])
    counts = mask.sum(dim=1, keepdim=True)
    weights = mask / counts
    mean = (hidden * weights[..., None]).sum(dim=1)
    rows = torch.arange(len(pairs), device=model.device)
    columns = torch.arange(width, device=model.device)
    last = (columns * mask).amax(dim=1)
    least = logprobs.masked_fill(~mask[:, 1:], torch.inf).min(dim=1)
    parts = [
        mean,
        hidden[rows, last],
        hidden[rows, least.indices],
        (logprobs * weights[:, 1:]).sum(dim=1, keepdim=True),
        least.values[:, None],
    ]
    return torch.cat(parts, dim=1).float().cpu()


def head_logits(head, features):
    """Two layers: (solutions, features) -> (solutions,) logits.

    Args:
        head: dict of tensors: `mean` and `scale` of the features, `inner`
            (features, units) with `inner_bias`, `outer` (units,) with
            `outer_bias`.
    """
    from torch.nn.functional import gelu

    x = (features - head["mean"]) / head["scale"]
    x = gelu(x @ head["inner"] + head["inner_bias"])
    return x @ head["outer"] + head["outer_bias"]


def load_head(run, hidden_size):
    """Read the head of a run of `rfs verifier`.

    Raises:
        FileNotFoundError: no head there.
        ValueError: one for hidden states of another size.
    """
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
