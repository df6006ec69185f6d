"""The GRPO family as a table: a row for a paper, never a file.

A new term is a field of `LossConfig` and a branch in `objective`.

A row holds what the paper changes; learning rate, steps and sizes are the
model's (`settings`). With one update a batch every ratio is 1, no clip acts,
and "gspo", "cispo" and "sapo" have the gradient of "grpo" up to the weight
of a token. Constants are the papers', and theirs are long answers.
"""

from dataclasses import fields, replace

from .config import GRPOConfig, LossConfig

LOSS_FIELDS = {each.name for each in fields(LossConfig)}


def _row(advantages="group_std", **changes):
    """A `GRPOConfig`; what `LossConfig` has goes to its loss."""
    loss = {name: changes.pop(name) for name in LOSS_FIELDS & changes.keys()}
    loss = LossConfig(**loss)
    return GRPOConfig(loss=loss, advantages=advantages, **changes)


SEQUENCE_MEAN = {"reduction": "sequence_mean"}
NO_CLIP = {"clip_low": None, "clip_high": None}
# variant_config sets the length to max_new_tokens
CONSTANT = {"reduction": "constant", "constant_length": 128}

GRPO_VARIANTS = {
    # Shao et al. 2024, arXiv 2402.03300, without the KL term
    "grpo": _row(**SEQUENCE_MEAN),
    # The same with its KL term; coefficient of arXiv 2402.03300
    "grpo_kl": _row(**SEQUENCE_MEAN, kl_coef=0.04),
    # Liu et al. 2025, arXiv 2503.20783: no std, no division by the length
    "dr_grpo": _row("group_mean", **CONSTANT),
    # Ahmadian et al. 2024, arXiv 2402.14740: REINFORCE, others as baseline
    "rloo": _row("rloo", **NO_CLIP),
    # Hu 2025, arXiv 2501.03262: whitened over the batch, no groups. Here
    # over rollouts; the paper counts a rollout once a token
    "reinforce_pp": _row("batch_std"),
    # Liu et al. 2025, arXiv 2508.08221: group mean, batch std, token mean
    "lite_ppo": _row("group_mean_batch_std"),
    # Yu et al. 2025, arXiv 2503.14476: clip-higher, token mean, groups
    # without signal replaced, a ramp in the last fifth (4,096 of 20,480
    # tokens there), no KL. The paper samples until the batch is full
    "dapo": _row(
        clip_low=0.2, clip_high=0.28, dynamic_sampling=4, overlong_share=0.2
    ),
    # Zheng et al. 2025, arXiv 2507.18071: one ratio a sequence. The clip is
    # for a mean log ratio over thousands of tokens
    "gspo": _row(
        **SEQUENCE_MEAN, ratio="sequence", clip_low=3e-4, clip_high=4e-4
    ),
    # MiniMax-M1, arXiv 2506.13585: the clipped ratio as a weight, no lower
    # bound; the upper one is ScaleRL's, arXiv 2510.13786
    "cispo": _row(objective="cispo", clip_low=None, clip_high=5.0),
    # SAPO, arXiv 2511.20347: a sigmoid for a clip; tau 1 and 1.05
    "sapo": _row(**SEQUENCE_MEAN, **NO_CLIP, objective="sapo"),
    # MaxRL, arXiv 2602.02710: divided by the solve rate, summed over tokens
    "maxrl": _row("maxrl", **CONSTANT),
    # OlmoRL, arXiv 2512.13961: DAPO's pieces with a mean for a baseline
    # and a weight for the sampler's mismatch, at most 2; no KL
    "olmo3": _row(
        "group_mean", clip_high=0.272, tis_cap=2.0, dynamic_sampling=4
    ),
    # DeepSeek-V3.2, arXiv 2512.02556: KL weighted by the ratio, bad stale
    # rollouts left out (delta is not stated there), log-probs over what
    # top-p kept. KL "can be weak" in mathematics: R1's 0.001
    "deepseek_v32": _row(
        "group_mean",
        **SEQUENCE_MEAN,
        kl_coef=0.001,
        kl_ratio_weighted=True,
        off_policy_delta=0.5,
        top_p=0.95,
        keep_sampling_mask=True,
        minibatches=4,
    ),
    # GDPO, arXiv 2601.05242: several rewards, each normalised by itself
    "gdpo": _row("per_reward", **SEQUENCE_MEAN),
    # GRPO, weighted by min(pi_old / pi_sampler, 2): truncated importance
    # sampling for an engine that samples other than it trains
    "grpo_tis": _row(**SEQUENCE_MEAN, tis_cap=2.0),
}


def variant_config(name, **changes):
    """A row of GRPO_VARIANTS with some fields of `GRPOConfig` changed.

    The constant that Dr. GRPO divides by follows max_new_tokens. Raises
    ValueError for an unknown variant.
    """
    if name not in GRPO_VARIANTS:
        raise ValueError(
            f"unknown variant {name!r}; there are {', '.join(GRPO_VARIANTS)}"
        )
    config = replace(GRPO_VARIANTS[name], **changes)
    if config.loss.reduction != "constant":
        return config
    loss = replace(config.loss, constant_length=config.max_new_tokens)
    return replace(config, loss=loss)
