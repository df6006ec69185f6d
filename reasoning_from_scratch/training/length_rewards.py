"""What an answer's length adds to its reward: ways to ask for brevity.

Each takes which rollouts are right and how many tokens they have, both
(prompts, rollouts), and returns the term to add to the reward, same shape.
They differ in what "long" is measured against: a target for all, the others
of the group, the right ones of the group, how easy the problem is, or the
limit that cuts answers off (that one stands in a `GRPOConfig`). With the
weights in `LENGTH_TERMS` no wrong answer, however short, is worth more
than a right one of up to 100 tokens.

Sources stand at the functions. Left out: targets that the prompt states, for
which a model must first learn to read them (the full L1).
"""

from functools import partial

import torch

STD_EPSILON = 1e-6  # added to a standard deviation of lengths, tokens


def target_length_term(is_right, lengths, *, target, slope):
    """Right answers earn more the further they stay below a target.

        R = 1[right] clip(slope (target - n) + 1/2, 0, 1)

    A right answer of exactly `target` tokens earns one half.

    Args:
        target: tokens.
        slope: reward a token.

    Source: LCPO-Max, "L1", Aggarwal and Welleck 2025, arXiv 2503.04697.
    """
    earned = (slope * (target - lengths) + 0.5).clamp(0.0, 1.0)
    return is_right * (earned - 1.0)


def group_length_term(is_right, lengths):
    """Shorter than the middle of the group is good, longer is bad.

        lambda = 1/2 - (n - min) / (max - min)

    A right answer gets lambda, a wrong one only the blame, min(0, lambda);
    nobody gets anything where all have one length.

    Source: Kimi k1.5, arXiv 2501.12599, section 2.3.3.
    """
    shortest = lengths.amin(dim=1, keepdim=True)  # (prompts, 1)
    spread = lengths.amax(dim=1, keepdim=True) - shortest
    share = 0.5 - (lengths - shortest) / spread.clamp(min=1)
    share = torch.where(spread > 0, share, 0.0)
    return torch.where(is_right, share, share.clamp(max=0.0))


def right_length_term(is_right, lengths, *, alpha):
    """Right answers lose by their length among the group's right ones.

        R = 1[right] (1 - alpha sigmoid((n - mean) / std))

    mean and std are over the right rollouts of the prompt; wrong ones get
    nothing, so that a wrong answer has no reason to be short.

    Args:
        alpha: in [0, 1); the most that a right answer can lose.

    Source: Arora and Zanette 2025, arXiv 2502.04463.
    """
    count = is_right.sum(dim=1, keepdim=True).clamp(min=1)  # (prompts, 1)
    lengths = lengths.float()
    mean = (lengths * is_right).sum(dim=1, keepdim=True) / count
    square = ((lengths - mean) ** 2 * is_right).sum(dim=1, keepdim=True)
    std = (square / count).sqrt()
    excess = (lengths - mean) / (std + STD_EPSILON)
    return -alpha * torch.sigmoid(excess) * is_right


def easy_length_term(is_right, lengths, *, beta):
    """Every token costs, and costs more where the problem is easy.

        R = 1[right] - beta n max(p, 1/G)

    p is the solve rate of the prompt's G rollouts: what they all solve
    should be said shortly, what few solve may take its time.

    Args:
        beta: reward a token on a problem that is always solved.

    Source: ALP, Xiang et al. 2025, arXiv 2506.05256.
    """
    solve_rate = is_right.float().mean(dim=1, keepdim=True)  # (prompts, 1)
    return -beta * lengths * solve_rate.clamp(min=1 / lengths.shape[1])


def overlong_length_term(is_right, lengths, *, limit, buffer):
    """Nothing up to a margin below the limit, then falling to -1 at it.

        0,  ((limit - buffer) - n) / buffer,  -1 from n = limit on

    What runs into the limit is cut off and wrong; the ramp says so before.

    Args:
        limit: the most tokens that an answer may have.
        buffer: tokens of the ramp, 0 < buffer < limit.

    Source: DAPO, arXiv 2503.14476, equation 13 (20,480 and 4,096 there).
    """
    over = (lengths - (limit - buffer)) / buffer
    return -over.clamp(0.0, 1.0).to(torch.float32)


# Weights for answers of about 45 tokens; the papers' are for thousands.
LENGTH_TERMS = {
    "target": partial(target_length_term, target=32, slope=0.02),
    "group": group_length_term,
    "right": partial(right_length_term, alpha=0.4),
    "easy": partial(easy_length_term, beta=0.01),
}
