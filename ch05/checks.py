"""The exercises of chapter 5: right answers, known mistakes, hints."""

import torch
import torch.nn.functional as F
from check import Exercise, tensor, value_and_gradient

from reasoning_from_scratch.training.objective import (
    clip_ratio,
    clipped_objective,
    group_advantages,
    kl_per_token,
)

# 5.1 Advantages --------------------------------------------------------


def advantages_by_n(rewards):
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std(dim=1, keepdim=True, correction=0) + 1e-4)


def advantages_of_batch(rewards):
    return (rewards - rewards.mean()) / (rewards.std() + 1e-4)


def advantages_across_prompts(rewards):
    centred = rewards - rewards.mean(dim=0, keepdim=True)
    return centred / (rewards.std(dim=0, keepdim=True) + 1e-4)


def advantages_unguarded(rewards):
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / rewards.std(dim=1, keepdim=True)


def advantages_negative(rewards):
    return -group_advantages(rewards)


REWARDS = (
    (tensor([1, 0, 0, 0], [1, 1, 0, 0]),),
    (tensor([1, 1, 1, 1], [0, 0, 1, 0]),),
    (tensor([0.5, 0.25, 2.0], [3.0, 1.0, 1.0]),),
)

# 5.2 Leaving oneself out -----------------------------------------------


def leave_one_out(rewards):
    return group_advantages(rewards, mode="rloo")


def baseline_with_oneself(rewards):
    return rewards - rewards.mean(dim=1, keepdim=True)


def others_over_n(rewards):
    others = rewards.sum(dim=1, keepdim=True) - rewards
    return rewards - others / rewards.shape[1]


# 5.3 The clip ----------------------------------------------------------


def clipped_loss(ratio, advantages, epsilon):
    clipped = clip_ratio(ratio, epsilon, epsilon)
    return -clipped_objective(ratio, clipped, advantages).mean()


def clipped_maximum(ratio, advantages, epsilon):
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
    return -torch.maximum(ratio * advantages, clipped * advantages).mean()


def clipped_always(ratio, advantages, epsilon):
    return -(ratio.clamp(1 - epsilon, 1 + epsilon) * advantages).mean()


def clipped_upside_down(ratio, advantages, epsilon):
    return -clipped_loss(ratio, advantages, epsilon)


def clipped_never(ratio, advantages, epsilon):
    return -(ratio * advantages).mean()


def clipped_around_zero(ratio, advantages, epsilon):
    clipped = ratio.clamp(-epsilon, epsilon)
    return -torch.minimum(ratio * advantages, clipped * advantages).mean()


RATIOS = (
    (tensor(0.5, 0.9, 1.0, 1.1, 1.5), tensor(1, 1, 1, 1, 1), 0.2),
    (tensor(0.5, 0.9, 1.0, 1.1, 1.5), tensor(-1, -1, -1, -1, -1), 0.2),
    (tensor(0.7, 1.3, 2.0), tensor(0.5, -2, 1), 0.1),
)

# 5.4 The KL term -------------------------------------------------------


def kl_loss(logprobs, ref_logprobs):
    return kl_per_token(logprobs, ref_logprobs).mean()


def kl_first(logprobs, ref_logprobs):
    return (logprobs - ref_logprobs).mean()


def kl_second(logprobs, ref_logprobs):
    return ((logprobs - ref_logprobs).square() / 2).mean()


def kl_reversed(logprobs, ref_logprobs):
    return kl_per_token(ref_logprobs, logprobs).mean()


def kl_shifted(logprobs, ref_logprobs):
    log_ratio = ref_logprobs - logprobs
    return (log_ratio.exp() - log_ratio).mean()


LOGPROBS = (
    (tensor(-1.0, -0.5, -2.0), tensor(-1.5, -0.5, -1.0)),
    (tensor(-0.1, -3.0), tensor(-0.2, -2.0)),
)

# 5.5 The mean over tokens ----------------------------------------------


def token_mean(values, mask):
    return values.masked_fill(~mask, 0.0).sum() / mask.sum()


def mean_of_means(values, mask):
    sums = values.masked_fill(~mask, 0.0).sum(dim=1)
    return (sums / mask.sum(dim=1)).mean()


def mean_with_padding(values, mask):
    return values.masked_fill(~mask, 0.0).mean()


def mean_of_all(values, mask):
    return values.mean()


def sum_over_rows(values, mask):
    return values.masked_fill(~mask, 0.0).sum() / mask.shape[0]


def sum_of_tokens(values, mask):
    return values.masked_fill(~mask, 0.0).sum()


def multiplied_mean(values, mask):
    return (values * mask).sum() / mask.sum()


NAN = float("nan")
TOKENS = (
    (tensor([1, 2, 3, 4], [5, 9, 9, 9]), tensor([1] * 4, [1, 0, 0, 0]) > 0),
    (tensor([1, 1, NAN], [4, 2, 0]), tensor([1, 1, 0], [1, 1, 1]) > 0),
)

# 5.6 The mask of a completion ------------------------------------------


def completion_mask(token_ids, num_prompt_tokens, stop_id):
    """True on what the model wrote, the stop token included."""
    mask = torch.zeros(len(token_ids), dtype=torch.bool)
    for place in range(num_prompt_tokens, len(token_ids)):
        mask[place] = True
        if token_ids[place] == stop_id:
            break
    return mask


def mask_without_end(token_ids, num_prompt_tokens, stop_id):
    mask = completion_mask(token_ids, num_prompt_tokens, stop_id)
    return mask & (token_ids != stop_id)


def mask_with_prompt_end(token_ids, num_prompt_tokens, stop_id):
    mask = completion_mask(token_ids, num_prompt_tokens, stop_id)
    mask[num_prompt_tokens - 1] = True
    return mask


def mask_one_late(token_ids, num_prompt_tokens, stop_id):
    mask = completion_mask(token_ids, num_prompt_tokens, stop_id)
    mask[num_prompt_tokens] = False
    return mask


def mask_with_padding(token_ids, num_prompt_tokens, stop_id):
    return torch.arange(len(token_ids)) >= num_prompt_tokens


def mask_of_prompt(token_ids, num_prompt_tokens, stop_id):
    return torch.arange(len(token_ids)) < num_prompt_tokens


IDS = (
    (torch.tensor([5, 6, 7, 8, 9, 2, 0, 0]), 3, 2),
    (torch.tensor([5, 6, 7, 8, 9, 4]), 2, 2),  # cut off: no stop token
    (torch.tensor([5, 2, 7, 2, 0, 0]), 2, 2),  # the prompt has one, too
)

# 5.7 Log-probability of a completion -----------------------------------


def completion_logprob(logits, token_ids, num_prompt_tokens):
    logprobs = F.log_softmax(logits[:-1], dim=-1)
    picked = logprobs.gather(1, token_ids[1:, None])[:, 0]
    return picked[num_prompt_tokens - 1 :].sum()


def unshifted_logprob(logits, token_ids, num_prompt_tokens):
    logprobs = F.log_softmax(logits, dim=-1)
    picked = logprobs.gather(1, token_ids[:, None])[:, 0]
    return picked[num_prompt_tokens:].sum()


def logprob_one_short(logits, token_ids, num_prompt_tokens):
    return completion_logprob(logits, token_ids, num_prompt_tokens + 1)


def logprob_with_prompt(logits, token_ids, num_prompt_tokens):
    return completion_logprob(logits, token_ids, 1)


def sum_of_logits(logits, token_ids, num_prompt_tokens):
    picked = logits[:-1].gather(1, token_ids[1:, None])[:, 0]
    return picked[num_prompt_tokens - 1 :].sum()


def mean_logprob(logits, token_ids, num_prompt_tokens):
    total = completion_logprob(logits, token_ids, num_prompt_tokens)
    return total / (len(token_ids) - num_prompt_tokens)


def sum_of_probabilities(logits, token_ids, num_prompt_tokens):
    logprobs = F.log_softmax(logits[:-1], dim=-1)
    picked = logprobs.gather(1, token_ids[1:, None])[:, 0]
    return picked[num_prompt_tokens - 1 :].exp().sum()


def random_logits(tokens, vocab, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tokens, vocab, generator=generator).double()


SEQUENCES = (
    (random_logits(5, 4, 0), torch.tensor([0, 3, 1, 2, 2]), 2),
    (random_logits(6, 3, 1), torch.tensor([1, 0, 2, 2, 0, 1]), 3),
)

EXERCISES = {
    "5.1": Exercise(
        "Advantages of a group",
        group_advantages,
        REWARDS,
        {
            "You divided by the standard deviation with n; PyTorch's "
            "`std` and the paper's code divide by n - 1.": advantages_by_n,
            "Mean and deviation are taken over the whole batch. A rollout is "
            "compared with the others of its own prompt.": advantages_of_batch,
            "Mean and deviation are taken over the prompts (dim=0) rather "
            "than over each prompt's rollouts (dim=1).": (
                advantages_across_prompts
            ),
            "A group of equal rewards gives NaN, because its deviation is "
            "zero. Add 1e-4 to it.": advantages_unguarded,
            "The mean is subtracted but the deviation is missing.": (
                baseline_with_oneself
            ),
            "The sign is wrong: a better rollout needs a positive "
            "advantage.": advantages_negative,
        },
        (
            "Subtract each row's mean, then divide by each row's deviation.",
            "`keepdim=True` keeps the shape (prompts, 1); add 1e-4 to `std`.",
        ),
    ),
    "5.2": Exercise(
        "A baseline without oneself",
        leave_one_out,
        REWARDS,
        {
            "The baseline contains the rollout's own reward. Average the "
            "others alone.": baseline_with_oneself,
            "The others' rewards are divided by n; there are only n - 1 of "
            "them.": others_over_n,
        },
        (
            "The sum of the others is the sum of all, less one's own.",
            "baseline = (row sum - reward) / (n - 1).",
        ),
    ),
    "5.3": Exercise(
        "The clipped loss",
        clipped_loss,
        RATIOS,
        {
            "You took the larger of the two terms. PPO takes the smaller "
            "one, which is the pessimistic choice.": clipped_maximum,
            "Only the clipped term is used. Without the minimum, a ratio "
            "that went the wrong way gets no gradient back.": clipped_always,
            "The sign is wrong: the objective is to be maximised, and the "
            "loss is its negative.": clipped_upside_down,
            "Nothing is clipped.": clipped_never,
            "The ratio is clipped around 0; it should stay around 1.": (
                clipped_around_zero
            ),
        },
        (
            "Form two products with the advantage, one of the ratio and one "
            "of the clipped ratio, and choose for each token.",
            "loss = -minimum(ratio * A, clamp(ratio, 1-e, 1+e) * A).mean()",
        ),
        value_and_gradient,
    ),
    "5.4": Exercise(
        "The KL term as a loss",
        kl_loss,
        LOGPROBS,
        {
            "This is k1, the plain log-ratio. As a loss its expected gradient "
            "is zero, so it holds the policy nowhere.": kl_first,
            "This is k2, half the squared log-ratio. A good choice as well, "
            "but the exercise asks for k3.": kl_second,
            "The two distributions are exchanged: x is the reference's "
            "probability over the policy's.": kl_reversed,
            "The 1 is missing, so equal policies do not give zero.": (
                kl_shifted
            ),
        },
        (
            "With x = reference / policy, k3 is x - 1 - log x.",
            "log x is ref_logprobs - logprobs; take the mean over tokens.",
        ),
        value_and_gradient,
    ),
    "5.5": Exercise(
        "The mean over the tokens of a batch",
        token_mean,
        TOKENS,
        {
            "This is the mean of the rows' means: a token of a short row "
            "counts more than one of a long row.": mean_of_means,
            "The padding is counted in the denominator.": mean_with_padding,
            "The mask is not used: padding enters the mean.": mean_of_all,
            "You divided by the number of rows, not of tokens.": sum_over_rows,
            "This is the sum; divide it by the number of tokens.": (
                sum_of_tokens
            ),
            "Multiplying by the mask keeps a NaN of the padding, since "
            "0 * NaN is NaN. Use masked_fill or where.": multiplied_mean,
        },
        (
            "Set what is outside the mask to zero before you add.",
            "values.masked_fill(~mask, 0).sum() / mask.sum()",
        ),
    ),
    "5.6": Exercise(
        "The mask of a completion",
        completion_mask,
        IDS,
        {
            "The stop token is left out. The model must learn to end, so it "
            "counts.": mask_without_end,
            "The mask begins one token early: the last token of the prompt "
            "was not written by the model.": mask_with_prompt_end,
            "The mask begins one token late: the first token that the model "
            "wrote is missing.": mask_one_late,
            "The padding after the stop token is counted.": mask_with_padding,
            "The mask is upside down: it is true on the prompt.": (
                mask_of_prompt
            ),
        },
        (
            "True from the first token after the prompt to the first stop "
            "token after the prompt, which is included.",
            "Look for stop_id in token_ids[num_prompt_tokens:] only; a "
            "completion that was cut off has none.",
        ),
    ),
    "5.7": Exercise(
        "The log-probability of a completion",
        completion_logprob,
        SEQUENCES,
        {
            "The logits are not shifted: those at position t are about token "
            "t + 1.": unshifted_logprob,
            "The first token of the completion is missing: the logits at the "
            "prompt's last token are about it.": logprob_one_short,
            "The prompt's own tokens are added as well.": logprob_with_prompt,
            "Logits are added where log-probabilities are asked for: apply "
            "log_softmax first.": sum_of_logits,
            "This is the mean over tokens; the log-probability of a text is "
            "the sum.": mean_logprob,
            "Probabilities are added where log-probabilities are asked "
            "for.": sum_of_probabilities,
        },
        (
            "Drop the last row of logits and the first token id, so that "
            "both have the same length.",
            "gather the ids from log_softmax(logits[:-1]), then sum from "
            "place num_prompt_tokens - 1.",
        ),
    ),
}
