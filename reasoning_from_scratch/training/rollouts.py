"""Rollouts: what the policy answers when it is asked, and what that earned.

One tensor layout serves sampling, scoring and the loss. A row is a prompt and
its completion, padded on the right, where a causal model never looks:

    p p p c c c E .        p prompt   c completion   E end token
    p p p p p c E .        . padding

Masks and log-probs are (rows, tokens - 1): column t belongs to token t + 1,
the one that the model predicts at t.

With top-p or top-k a token's log-prob is one over the part of the vocabulary
that the *sampling* policy kept, log pi(o | kept) = z_o - log sum_kept exp(z);
that set is stored as token ids (DeepSeek-V3.2, arXiv 2512.02556).
"""

from dataclasses import dataclass, replace

import torch
from torch.nn.utils.rnn import pad_sequence

from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.llm import SamplingConfig, generate
from reasoning_from_scratch.llm.generation import DEFAULT_BATCH_SIZE
from reasoning_from_scratch.llm.logprobs import MAX_CHUNK_ENTRIES
from reasoning_from_scratch.llm.sampling import (
    filter_min_p,
    filter_top_k,
    filter_top_p,
    scale_by_temperature,
)
from reasoning_from_scratch.memory import advised, decoding_advice

from .rewards import RewardSet, accuracy_reward

# The policy's own distribution, nothing cut off
ON_POLICY = SamplingConfig(temperature=1.0)
ROW_TENSORS = "token_ids", "key_mask", "mask", "sampler_logprobs"
NOTHING = -1  # pads a set of kept ids
ROWS_AT_ONCE = 64  # that kept ids are looked for: memory


@dataclass(frozen=True)
class RolloutBatch:
    """Completions of some prompts, grouped by prompt; rows = all of them."""

    token_ids: torch.Tensor  # (rows, tokens) int64
    key_mask: torch.Tensor  # (rows, tokens) bool, false on padding
    mask: torch.Tensor  # (rows, tokens - 1) bool, true on completion tokens
    sampler_logprobs: torch.Tensor  # (rows, tokens - 1) float32, as drawn
    rewards: torch.Tensor  # (prompts, rollouts) float32, summed
    reward_parts: torch.Tensor  # (prompts, rollouts, num_rewards) float32
    truncated: torch.Tensor  # (rows,) bool, no end token in time
    texts: list  # of the completions, without the end token
    problems: list  # one per prompt
    reward_set: RewardSet  # what the rewards are
    num_reward_failures: int
    # (rows, tokens - 1, kept) int32: what truncated sampling left over
    kept_ids: torch.Tensor | None = None

    @property
    def group_size(self):
        """Completions a prompt."""
        return self.rewards.shape[1]

    @property
    def lengths(self):
        """(rows,) completion tokens, the end token included."""
        return self.mask.sum(dim=1)

    @property
    def row_tensors(self):
        """What scoring reads, by name; each is one row a completion."""
        tensors = {n: getattr(self, n) for n in (*ROW_TENSORS, "kept_ids")}
        return {k: v for k, v in tensors.items() if v is not None}

    def select_prompts(self, indices):
        """The batch of these prompts alone, in this order."""
        indices = torch.as_tensor(indices, dtype=torch.long)
        size = self.group_size
        rows = (indices[:, None] * size + torch.arange(size)).flatten()
        by_row = {**self.row_tensors, "truncated": self.truncated}
        return replace(
            self,
            **{name: values[rows] for name, values in by_row.items()},
            rewards=self.rewards[indices],
            reward_parts=self.reward_parts[indices],
            texts=[self.texts[row] for row in rows.tolist()],
            problems=[self.problems[i] for i in indices.tolist()],
        )


def collect_rollouts(
    model,
    tokenizer,
    problems,
    *,
    prompt="direct",
    group_size=8,
    sampling=ON_POLICY,
    keep_sampling_mask=False,
    max_new_tokens=128,
    reward=accuracy_reward,
    require_end=True,
    seed=0,
    batch_size=None,
):
    """Let the policy answer every problem `group_size` times.

    Args:
        prompt: a name of PROMPTS or a template.
        group_size: completions a prompt; its prefill is shared.
        sampling: a `SamplingConfig`, not greedy.
        keep_sampling_mask: take log-probs over what top_p and top_k left
            over (see above); without it they are refused.
        max_new_tokens: a longer completion is truncated.
        reward: callable (text, problem) -> float, a mapping of them by
            name, or a `RewardSet`.
        require_end: a truncated completion earns at most 0.
        seed: with a problem's id it fixes the sampled tokens.
        batch_size: rows decoded together; None fits memory.

    Returns:
        a `RolloutBatch` on the model's device, rewards on the CPU.

    Raises:
        ValueError: sampling that the loss could not account for.
    """
    if sampling.is_greedy:
        raise ValueError(
            "rollouts need temperature > 0: greedy ones of a prompt are equal"
        )
    if sampling.is_filtered and not keep_sampling_mask:
        raise ValueError(
            "rollouts refuse top_k, top_p and min_p: the loss takes "
            "log-probs over the full vocabulary; use the temperature alone "
            "or set keep_sampling_mask=True"
        )
    prompts = [render_prompt(prompt, p, tokenizer) for p in problems]
    num_rows = min(len(prompts) * group_size, batch_size or DEFAULT_BATCH_SIZE)
    with advised(decoding_advice(num_rows)):
        outputs = generate(
            model,
            tokenizer,
            prompts,
            max_new_tokens=max_new_tokens,
            sampling=sampling,
            num_samples=group_size,
            seed=seed,
            ids=[p.id or p.problem for p in problems],
            batch_size=batch_size,
        )
    prompt_ids = repeat(map(tokenizer.encode, prompts), group_size)
    tensors = lay_out(prompt_ids, outputs, tokenizer.pad_id, model.device)
    if keep_sampling_mask:
        tensors |= renormalise_over_kept(
            model, tensors, sampling, tokenizer.vocab_size
        )
    rewards = RewardSet.of(reward)
    return RolloutBatch(
        **tensors,
        **reward_outputs(problems, outputs, rewards, require_end=require_end),
        problems=list(problems),
        reward_set=rewards,
    )


def reward_outputs(problems, outputs, rewards, *, require_end=True):
    """What was generated and earned: some fields of a `RolloutBatch`."""
    size = len(outputs) // len(problems)
    texts = [output.text for output in outputs]
    truncated = torch.tensor([o.stop_reason == "length" for o in outputs])
    parts, num_failures = rewards.score(texts, repeat(problems, size))
    if require_end:
        parts[truncated] = parts[truncated].clamp(max=0.0)
    lengths = torch.tensor([len(output.token_ids) for output in outputs])
    parts = rewards.with_length(
        parts.unflatten(0, (-1, size)), lengths.view(-1, size)
    )
    return {
        "rewards": parts.sum(dim=-1),
        "reward_parts": parts,
        "truncated": truncated,
        "texts": texts,
        "num_reward_failures": num_failures,
    }


def repeat(items, times):
    """Each item so many times in a row: one entry a completion."""
    return [item for item in items for _ in range(times)]


def lay_out(prompt_ids, outputs, pad_id, device=None):
    """Place prompts and completions in one rectangle: the row tensors."""
    pairs = list(zip(prompt_ids, outputs, strict=True))
    rows = [torch.tensor(ids + output.token_ids) for ids, output in pairs]
    token_ids = pad_sequence(rows, batch_first=True, padding_value=pad_id)
    starts = torch.tensor([[len(ids)] for ids in prompt_ids])
    columns = torch.arange(token_ids.shape[1])
    key_mask = columns < torch.tensor([[len(row)] for row in rows])
    mask = (key_mask & (columns >= starts))[:, 1:]
    logprobs = torch.zeros(mask.shape)
    logprobs[mask] = torch.tensor([x for o in outputs for x in o.logprobs])
    tensors = token_ids, key_mask, mask, logprobs
    named = zip(ROW_TENSORS, tensors, strict=True)
    return {name: tensor.to(device) for name, tensor in named}


def join_rollouts(batches):
    """One batch of several of one group size, padded to one rectangle."""
    joined = {}
    for name, value in vars(batches[0]).items():
        parts = [getattr(batch, name) for batch in batches]
        if isinstance(value, torch.Tensor):
            joined[name] = stack(parts, NOTHING if name == "kept_ids" else 0)
        elif isinstance(value, list | int):
            joined[name] = sum(parts, start=type(value)())
    return replace(batches[0], **joined)


def stack(parts, filler):
    """Tensors under each other, each padded behind its ends."""
    shapes = [part.shape[1:] for part in parts]
    largest = map(max, zip(*shapes, strict=True))
    counts = [len(part) for part in parts]
    stacked = parts[0].new_full((sum(counts), *largest), filler)
    for part, rows in zip(parts, stacked.split(counts), strict=True):
        rows[tuple(map(slice, part.shape))] = part
    return stacked


def kept_token_ids(logits, drawn, sampling, vocab_size=None):
    """The ids that a sampler's filters leave over, the drawn one among them.

    Returns (tokens, largest set) ids, `NOTHING` after the last, and (tokens,)
    log of the probability that they hold. From `vocab_size` on is padding.
    """
    scaled = scale_by_temperature(logits, sampling.temperature)
    drawable = scaled[:, :vocab_size]
    kept = filter_top_k(drawable, sampling.top_k)
    kept = filter_top_p(kept, sampling.top_p)
    kept = filter_min_p(kept, sampling.min_p)
    is_kept = kept > float("-inf")
    is_kept.scatter_(1, drawn[:, None], True)
    width = int(is_kept.sum(dim=1).max())
    is_member, ids = is_kept.int().sort(dim=1, descending=True, stable=True)
    ids = ids[:, :width].masked_fill(is_member[:, :width] == 0, NOTHING)
    members = drawable.masked_fill(~is_kept, float("-inf"))
    log_mass = members.logsumexp(dim=1) - scaled.logsumexp(dim=1)
    return ids.int(), log_mass


@torch.no_grad()
def renormalise_over_kept(model, tensors, sampling, vocab_size=None):
    """The `kept_ids`, and the sampler's log-probs over them."""
    mask, logprobs = tensors["mask"], tensors["sampler_logprobs"].clone()
    chunk_size = max(1, MAX_CHUNK_ENTRIES // model.config.vocab_size)
    found = []
    for start in range(0, len(mask), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        token_ids, learned = tensors["token_ids"][rows], mask[rows]
        hidden = model.hidden_states(token_ids)[:, :-1][learned]
        drawn = token_ids[:, 1:][learned]
        for chunk in torch.arange(len(drawn)).split(chunk_size):
            logits = model.lm_logits(hidden[chunk])
            found.append(
                kept_token_ids(logits, drawn[chunk], sampling, vocab_size)
            )
    sets, log_masses = zip(*found, strict=True)
    sets = stack(sets, NOTHING)
    kept_ids = sets.new_full((*mask.shape, sets.shape[1]), NOTHING)
    kept_ids[mask] = sets
    logprobs[mask] -= torch.cat(log_masses)
    return {"sampler_logprobs": logprobs, "kept_ids": kept_ids}
