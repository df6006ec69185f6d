"""Settings of GRPO training, and the table of its variants.

A variant is a row of `GRPO_VARIANTS`, never a file. Combinations that would
do nothing, or something else than they say, are refused with the reason.
No torch here, so that `rfs grpo --help` answers at once.
"""

from dataclasses import dataclass, field, replace

RATIOS = ("token", "sequence")
OBJECTIVES = ("clip", "cispo", "sapo")
REDUCTIONS = ("token_mean", "sequence_mean", "constant")
KL_ESTIMATORS = ("k1", "k2", "k3")
MOMENTS = ("float32", "bfloat16")


@dataclass(frozen=True)
class LossConfig:
    """What one member of the GRPO family does with log-probs; see grpo_loss.

    Raises:
        ValueError: a value outside its range, or a pair that cannot go
            together.
    """

    ratio: str = "token"  # or "sequence": geometric mean (GSPO)
    clip_low: float | None = 0.2  # ratio >= 1 - clip_low; None: no bound
    clip_high: float | None = 0.2  # ratio <= 1 + clip_high; None: no bound
    reduction: str = "token_mean"  # "sequence_mean" | "constant"
    kl_coef: float = 0.0  # 0 is usual for maths (DAPO, Dr. GRPO, Olmo 3)
    kl_estimator: str = "k3"
    kl_ratio_weighted: bool = False  # times pi / pi_old (DeepSeek-V3.2)
    objective: str = "clip"  # "cispo" | "sapo": soft weights
    constant_length: int | None = None  # tokens; L of "constant"
    sapo_tau_positive: float = 1.0  # arXiv 2511.20347
    sapo_tau_negative: float = 1.05
    off_policy_delta: float | None = None  # nats a token; None: no mask
    tis_cap: float | None = None  # 2 to 3 is usual; None: no correction

    def __post_init__(self):
        _check_choice("ratio", self.ratio, RATIOS)
        _check_choice("objective", self.objective, OBJECTIVES)
        _check_choice("reduction", self.reduction, REDUCTIONS)
        _check_choice("kl_estimator", self.kl_estimator, KL_ESTIMATORS)
        self._check_ranges()
        self._check_pairs()

    def _check_ranges(self):
        for name in ("clip_low", "clip_high", "kl_coef"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value}")
        for name in (
            "sapo_tau_positive",
            "sapo_tau_negative",
            "off_policy_delta",
            "tis_cap",
            "constant_length",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be > 0, got {value}")

    def _check_pairs(self):
        has_clip = self.clip_low is not None or self.clip_high is not None
        refusals = {
            "reduction 'constant' divides by constant_length: set it, for "
            "example to max_new_tokens": self.reduction == "constant"
            and self.constant_length is None,
            "constant_length is only read by reduction 'constant'; set one "
            "or leave out the other": self.reduction != "constant"
            and self.constant_length is not None,
            "objective 'sapo' replaces the clip by a sigmoid; set "
            "clip_low=None and clip_high=None": self.objective == "sapo"
            and has_clip,
            f"objective {self.objective!r} is defined for token ratios; use "
            "ratio='token'": self.objective != "clip"
            and self.ratio == "sequence",
            "kl_ratio_weighted needs kl_coef > 0, or it does "
            "nothing": self.kl_ratio_weighted and self.kl_coef == 0,
            "kl_ratio_weighted corrects k1 and k3; the gradient of k2 is "
            "right without it": self.kl_ratio_weighted
            and self.kl_estimator == "k2",
        }
        for reason, is_refused in refusals.items():
            if is_refused:
                raise ValueError(reason)


@dataclass(frozen=True)
class GRPOConfig:
    """One training run: what is sampled, compared, optimised and measured.

    Raises:
        ValueError: a value outside its range, or a pair that cannot go
            together.
    """

    loss: LossConfig = field(default_factory=LossConfig)
    advantages: str = "group_std"  # a mode of group_advantages | per_reward
    # Rollouts of one step
    steps: int = 100
    prompts_per_step: int = 16
    group_size: int = 8  # completions a prompt
    temperature: float = 1.0
    max_new_tokens: int = 128
    prompt: str = "direct"  # a name of PROMPTS or a template
    require_end: bool = True  # a truncated completion earns nothing
    dynamic_sampling: int = 0  # extra rounds to replace groups w/o signal
    # Updates from one batch of rollouts
    epochs: int = 1  # passes over the batch; 1 x 1 is on-policy
    minibatches: int = 1  # optimizer steps a pass
    micro_batch_size: int = 64  # rows in one backward pass: memory
    activation_checkpointing: bool = False  # slower, less memory
    # Optimizer (AdamW)
    learning_rate: float = 1e-4  # 1e-6 is usual from 0.6B parameters on
    warmup_steps: int = 2  # optimizer steps, linear from 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    moments: str = "float32"  # "bfloat16": 4 bytes a parameter less
    # Watching
    track_kl: bool = True  # distance to the start; costs a second model
    eval_every: int = 25  # steps; 0: never
    eval_problems: int = 300  # of the validation split
    checkpoint_every: int = 25  # steps; the last step is always saved
    sample_every: int = 5  # steps between texts kept for reading
    seed: int = 0

    def __post_init__(self):
        for name in (
            "steps",
            "prompts_per_step",
            "max_new_tokens",
            "epochs",
            "minibatches",
            "micro_batch_size",
            "learning_rate",
            "temperature",
            "max_grad_norm",
            "checkpoint_every",
            "sample_every",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be > 0, got {getattr(self, name)}"
                )
        _check_choice("moments", self.moments, MOMENTS)
        if self.group_size < 2:
            raise ValueError(
                f"group_size must be >= 2, got {self.group_size}: one "
                "rollout has nothing to be compared with"
            )
        if self.prompts_per_step % self.minibatches:
            raise ValueError(
                f"minibatches ({self.minibatches}) must divide "
                f"prompts_per_step ({self.prompts_per_step})"
            )
        if self.loss.off_policy_delta is not None and self.is_on_policy:
            raise ValueError(
                "off_policy_delta masks stale rollouts, but epochs=1 and "
                "minibatches=1 never reuse one; raise either or leave it out"
            )

    @property
    def is_on_policy(self):
        """Whether every rollout is used once, by the policy that wrote it."""
        return self.epochs == 1 and self.minibatches == 1


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(choices)}; got {value!r}"
        )


GRPO_VARIANTS = {
    # Shao et al. 2024, arXiv 2402.03300, without the KL term
    "grpo": GRPOConfig(loss=LossConfig(reduction="sequence_mean")),
    # The same with its KL term; coefficient of arXiv 2402.03300
    "grpo_kl": GRPOConfig(
        loss=LossConfig(reduction="sequence_mean", kl_coef=0.04)
    ),
    # Liu et al. 2025, arXiv 2503.20783: no std, no division by the length
    "dr_grpo": GRPOConfig(
        loss=LossConfig(reduction="constant", constant_length=128),
        advantages="group_mean",
    ),
    # Ahmadian et al. 2024, arXiv 2402.14740: REINFORCE, others as baseline
    "rloo": GRPOConfig(
        loss=LossConfig(clip_low=None, clip_high=None), advantages="rloo"
    ),
}


def variant_config(name, **changes):
    """A row of GRPO_VARIANTS with some of its fields changed.

    Args:
        name: a key of GRPO_VARIANTS.
        changes: fields of `GRPOConfig`. The constant that Dr. GRPO divides
            by follows max_new_tokens.

    Raises:
        ValueError: an unknown variant.
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
