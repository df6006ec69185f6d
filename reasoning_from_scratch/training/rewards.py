"""Rewards: plain callables (text, problem) -> float, and sets of them.

The text is hostile input: the verifier parses and never evaluates it. What
depends on tokens (the end token, truncation) is decided in `rollouts`.
"""

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch

from reasoning_from_scratch.evaluation import extract_answer, verify


def accuracy_reward(text, problem):
    """1.0 when the last boxed answer equals the reference, else 0.0.

    A right number outside a box earns nothing: the model learns to say
    which part of its text is the answer.
    """
    return float(verify(text, problem.answer, boxed_only=True))


def format_reward(text, problem):
    """1.0 when the text states a boxed answer, right or wrong."""
    return float(extract_answer(text, boxed_only=True) is not None)


def partial_credit_reward(text, problem):
    """1.0 right in a box, 0.5 right without a box, 0.1 a wrong box, else 0."""
    if accuracy_reward(text, problem):
        return 1.0
    if verify(text, problem.answer):
        return 0.5
    return 0.1 * format_reward(text, problem)


def length_penalty(text, problem, *, free=400, limit=800):
    """0.0 up to `free` characters, falling in a line to -1.0 at `limit`.

    Raises ValueError unless 0 <= free < limit. Source: the shape of DAPO's
    overlong penalty, arXiv 2503.14476, which counts tokens.
    """
    if not 0 <= free < limit:
        raise ValueError(
            f"length_penalty needs 0 <= free < limit, got {free} and {limit}"
        )
    return -min(max((len(text) - free) / (limit - free), 0.0), 1.0)


# ---- What an answer's length adds: ways to ask for brevity ----
#
# Each takes which rollouts are right and how many tokens they have, both
# (prompts, rollouts), and returns the term to add to the reward.

STD_EPSILON = 1e-6  # added to a standard deviation of lengths, tokens


def target_length_term(is_right, lengths, *, target, slope):
    """R = 1[right] clip(slope (target - n) + 1/2, 0, 1): below a target.

    Source: LCPO-Max, "L1", arXiv 2503.04697.
    """
    earned = (slope * (target - lengths) + 0.5).clamp(0.0, 1.0)
    return is_right * (earned - 1.0)


def group_length_term(is_right, lengths):
    """Shorter than the middle of the group is good, longer is bad.

    A right answer gets 1/2 - (n - min) / (max - min), a wrong one only the
    blame, where that is below 0. Source: Kimi k1.5, arXiv 2501.12599, 2.3.3.
    """
    shortest = lengths.amin(dim=1, keepdim=True)  # (prompts, 1)
    spread = lengths.amax(dim=1, keepdim=True) - shortest
    share = 0.5 - (lengths - shortest) / spread.clamp(min=1)
    share = torch.where(spread > 0, share, 0.0)
    return torch.where(is_right, share, share.clamp(max=0.0))


def right_length_term(is_right, lengths, *, alpha):
    """Right answers lose by their length among the group's right ones.

        R = 1[right] (1 - alpha sigmoid((n - mean) / std))

    alpha in [0, 1) is the most that one can lose. Source: Arora and Zanette
    2025, arXiv 2502.04463.
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

    p is the solve rate of the G rollouts. Source: ALP, arXiv 2506.05256.
    """
    solve_rate = is_right.float().mean(dim=1, keepdim=True)  # (prompts, 1)
    return -beta * lengths * solve_rate.clamp(min=1 / lengths.shape[1])


def overlong_length_term(is_right, lengths, *, limit, buffer):
    """Nothing up to a margin below the limit, then falling to -1 at it.

    Source: DAPO, arXiv 2503.14476, equation 13 (20,480 and 4,096 there).
    """
    over = (lengths - (limit - buffer)) / buffer
    return -over.clamp(0.0, 1.0).to(torch.float32)


# Weights for answers of about 45 tokens; the papers' are for thousands. No
# wrong answer is worth more than a right one of up to 100 tokens.
LENGTH_TERMS = {
    "target": partial(target_length_term, target=32, slope=0.02),
    "group": group_length_term,
    "right": partial(right_length_term, alpha=0.4),
    "easy": partial(easy_length_term, beta=0.01),
}


# ---- Several rewards together ----


@dataclass(frozen=True)
class RewardSet:
    """Several rewards, which are added up; the first tells right (>= 1)."""

    functions: Mapping[str, Callable]
    # (is_right, lengths) -> (prompts, rollouts): the reward "length"
    length_term: Callable | None = None
    warned: set = field(default_factory=set, init=False, repr=False)

    def __post_init__(self):
        if not self.functions:
            raise ValueError("a RewardSet needs at least one reward function")

    @classmethod
    def of(cls, reward):
        """Take a callable, a mapping name -> callable, or a RewardSet."""
        if isinstance(reward, cls):
            return reward
        if isinstance(reward, Mapping):
            return cls(dict(reward))
        return cls({getattr(reward, "__name__", "reward"): reward})

    @property
    def names(self):
        """Of all rewards, in the order of the reward parts."""
        length = [] if self.length_term is None else ["length"]
        return [*self.functions, *length]

    def score(self, texts, problems):
        """Score every text: (texts, rewards) float32, and the failures.

        A reward that raised or was not finite counts as 0 and is told once;
        one that fails on every text is broken, and its first error raised.
        """
        values = torch.zeros(len(texts), len(self.functions))
        num_failures = 0
        for column, (name, function) in enumerate(self.functions.items()):
            errors = []
            for row, pair in enumerate(zip(texts, problems, strict=True)):
                try:
                    values[row, column] = _finite(function(*pair))
                except Exception as error:  # whatever a reader's reward raises
                    errors.append(error)
            num_failures += len(errors)
            if errors and len(errors) == len(texts):
                errors[0].add_note(f"reward {name} failed on all texts")
                raise errors[0]
            if errors and name not in self.warned:
                self.warned.add(name)
                message = f"reward {name} failed and counts as 0 there: "
                message += repr(errors[0])
                warnings.warn(message, RuntimeWarning, stacklevel=2)
        return values, num_failures

    def with_length(self, values, lengths):
        """(prompts, rollouts, functions) values and the length's term."""
        if self.length_term is None:
            return values
        term = self.length_term(values[..., 0] >= 1, lengths)
        return torch.cat([values, term.unsqueeze(-1)], dim=-1)


def _finite(value):
    """A reward as a number; raises ValueError where it is none."""
    with contextlib.suppress(TypeError, ValueError):
        if math.isfinite(number := float(value)):
            return number
    raise ValueError(f"returned {value!r}; it must be a finite number")
