"""Rollouts: what the policy answers when it is asked, and what that earned.

One tensor layout serves sampling, scoring and the loss. A row is a prompt
padded on the left and its completion padded on the right, so all completions
start in one column:

    . . p p p | c c c E .        p prompt   c completion   E end token
    p p p p p | c E . . .        . padding

Masks and log-probs are (rows, tokens - 1): column t belongs to token t + 1,
the one that the model predicts at t.

With top-p or top-k a token's log-prob is one over the part of the vocabulary
that the *sampling* policy kept, log pi(o | kept) = z_o - log sum_kept exp(z);
that set is stored as token ids (DeepSeek-V3.2, arXiv 2512.02556).
"""

from dataclasses import dataclass, replace

import torch

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
NOTHING = -1  # pads a set of kept ids
ROWS_AT_ONCE = 64  # that kept ids are looked for: memory
ROW_TENSORS = ("token_ids", "key_mask", "mask", "sampler_logprobs")


@dataclass(frozen=True)
class RolloutBatch:
    """Completions of some prompts, grouped by prompt; rows = all of them."""

    token_ids: torch.Tensor  # (rows, tokens) int64
    key_mask: torch.Tensor  # (rows, tokens) bool, false on padding
    mask: torch.Tensor  # (rows, tokens - 1) bool, true on completion tokens
    sampler_logprobs: torch.Tensor  # (rows, tokens - 1) float32, as drawn
    rewards: torch.Tensor  # (prompts, rollouts) float32, weighted sum
    reward_parts: torch.Tensor  # (prompts, rollouts, num_rewards) float32
    truncated: torch.Tensor  # (rows,) bool, no end token in time
    texts: list  # of the completions, without the end token
    problems: list  # one a prompt
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
        tensors = {name: getattr(self, name) for name in ROW_TENSORS}
        if self.kept_ids is not None:
            tensors["kept_ids"] = self.kept_ids
        return tensors

    def select_prompts(self, indices):
        """The batch of these prompts alone, in this order."""
        indices = torch.as_tensor(indices, dtype=torch.long)
        size = self.group_size
        rows = (indices[:, None] * size + torch.arange(size)).flatten()
        by_row = {
            name: values[rows] for name, values in self.row_tensors.items()
        }
        return replace(
            self,
            **by_row,
            truncated=self.truncated[rows],
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
        sampling: a `SamplingConfig`, not greedy; top_p and top_k need
            keep_sampling_mask.
        keep_sampling_mask: take log-probs over what top_p and top_k left
            over (see above), here and in the loss.
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
            "rollouts need temperature > 0: greedy completions of a prompt "
            "are all equal and teach nothing"
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
        tensors = renormalise_over_kept(
            model, tensors, sampling, tokenizer.vocab_size
        )
    return assemble_batch(
        problems,
        outputs,
        tensors,
        reward_set=RewardSet.of(reward),
        require_end=require_end,
    )


def assemble_batch(problems, outputs, tensors, *, reward_set, require_end):
    """Reward what was generated and put all of it in one `RolloutBatch`."""
    group_size = len(outputs) // len(problems)
    truncated = torch.tensor([o.stop_reason == "length" for o in outputs])
    texts = [output.text for output in outputs]
    values, num_failures = reward_set.score(
        texts, repeat(problems, group_size)
    )
    if require_end:
        values[truncated] = values[truncated].clamp(max=0.0)
    shape = len(problems), group_size
    lengths = torch.tensor([len(output.token_ids) for output in outputs])
    parts = reward_set.with_length(
        values.view(*shape, -1), lengths.view(shape)
    )
    return RolloutBatch(
        **tensors,
        rewards=reward_set.total(parts),
        reward_parts=parts,
        truncated=truncated,
        texts=texts,
        problems=list(problems),
        reward_set=reward_set,
        num_reward_failures=num_failures,
    )


def repeat(items, times):
    """Each item so many times in a row: one entry a completion."""
    return [item for item in items for _ in range(times)]


def lay_out(prompt_ids, outputs, pad_id, device=None):
    """Place prompts and completions in one rectangle: the ROW_TENSORS."""
    start = max(map(len, prompt_ids))
    width = start + max(len(output.token_ids) for output in outputs)
    shape = len(outputs), width
    token_ids = torch.full(shape, pad_id)
    key_mask = torch.zeros(shape, dtype=torch.bool)
    mask = torch.zeros(shape, dtype=torch.bool)
    logprobs = torch.zeros(shape)
    for row, (ids, output) in enumerate(zip(prompt_ids, outputs, strict=True)):
        end = start + len(output.token_ids)
        token_ids[row, start - len(ids) : end] = torch.tensor(
            ids + output.token_ids
        )
        key_mask[row, start - len(ids) : end] = True
        mask[row, start:end] = True
        logprobs[row, start:end] = torch.tensor(output.logprobs)
    tensors = token_ids, key_mask, mask[:, 1:], logprobs[:, 1:]
    return {
        name: tensor.to(device)
        for name, tensor in zip(ROW_TENSORS, tensors, strict=True)
    }


def join_rollouts(batches):
    """One batch of several of one group size, padded to one rectangle."""
    starts = [int(batch.mask.any(dim=0).int().argmax()) for batch in batches]
    widths = [batch.mask.shape[1] for batch in batches]
    pairs = list(zip(starts, widths, strict=True))
    right = max(width - start for start, width in pairs)
    margins = [
        (max(starts) - start, right - width + start) for start, width in pairs
    ]
    joined = {
        name: _stack([b.row_tensors[name] for b in batches], margins)
        for name in batches[0].row_tensors
    }
    for name in ("rewards", "reward_parts", "truncated"):
        joined[name] = torch.cat([getattr(batch, name) for batch in batches])
    return replace(
        batches[0],
        **joined,
        texts=[text for batch in batches for text in batch.texts],
        problems=[p for batch in batches for p in batch.problems],
        num_reward_failures=sum(b.num_reward_failures for b in batches),
    )


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
    """Add `kept_ids`, and take the sampler's log-probs over them."""
    mask = tensors["mask"]
    targets = tensors["token_ids"][:, 1:]
    chunk_size = max(1, MAX_CHUNK_ENTRIES // model.config.vocab_size)
    found = []
    for rows in torch.arange(len(mask)).split(ROWS_AT_ONCE):
        hidden = model.hidden_states(
            tensors["token_ids"][rows], key_mask=tensors["key_mask"][rows]
        )
        is_completion = mask[rows]
        found += [
            kept_token_ids(
                model.lm_logits(states), drawn, sampling, vocab_size
            )
            for states, drawn in zip(
                hidden[:, :-1][is_completion].split(chunk_size),
                targets[rows][is_completion].split(chunk_size),
                strict=True,
            )
        ]
    width = max(ids.shape[1] for ids, _ in found)
    kept_ids = torch.full(
        (*mask.shape, width), NOTHING, dtype=torch.int32, device=mask.device
    )
    kept_ids[mask] = torch.cat([widen(ids, width) for ids, _ in found])
    logprobs = tensors["sampler_logprobs"].clone()
    logprobs[mask] -= torch.cat([log_mass for _, log_mass in found])
    return {**tensors, "sampler_logprobs": logprobs, "kept_ids": kept_ids}


def widen(kept_ids, width):
    """Room for sets of `width` ids: pads the last dimension."""
    missing = width - kept_ids.shape[-1]
    return torch.nn.functional.pad(kept_ids, (0, missing), value=NOTHING)


def _stack(parts, margins):
    """Row tensors under each other; a margin is columns left and right."""
    width, value, depth = max(part.shape[-1] for part in parts), 0, ()
    if parts[0].dim() == 3:  # kept ids
        parts = [widen(part, width) for part in parts]
        value, depth = NOTHING, (0, 0)
    return torch.cat(
        [
            torch.nn.functional.pad(part, (*depth, *margin), value=value)
            for part, margin in zip(parts, margins, strict=True)
        ]
    )
