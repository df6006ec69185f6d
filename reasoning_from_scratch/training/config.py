"""Settings of training: GRPO, distillation, on-policy distillation.

Combinations that would do nothing, or something else than they say, are
refused with the reason. The papers' settings stand in `variants`. No torch
here, so that `rfs grpo --help` answers at once.
"""

import math
from dataclasses import dataclass, field, fields

MOMENTS = ("float32", "bfloat16")
# Modes of `group_advantages`, and one that takes several rewards apart
ADVANTAGE_MODES = (
    "group_std",
    "group_mean",
    "rloo",
    "maxrl",
    "group_mean_batch_std",
    "batch_std",
)
PER_REWARD = "per_reward"
LOSSES = ("hard", "forward", "reverse", "jsd")  # of distillation
THINKING = ("tags", "short", "plain", "none")
# Fields of any configuration by what they may be; other numbers are > 0
CHOICES = {
    "ratio": ("token", "sequence"),
    "objective": ("clip", "cispo", "sapo"),
    "reduction": ("token_mean", "sequence_mean", "constant"),
    "kl_estimator": ("k1", "k2", "k3"),
    "advantages": (*ADVANTAGE_MODES, PER_REWARD),
    "moments": MOMENTS,
    "moment_dtype": MOMENTS,
    "thinking": THINKING,
}
MAY_BE_ZERO = (
    "clip_low",
    "clip_high",
    "kl_coef",
    "top_k",
    "overlong_share",
    "dynamic_sampling",
    "hard_weight",
    "beta",
    "teacher_top_k",
    "warmup_steps",
    "weight_decay",
    "eval_every",
    "eval_problems",
    "seed",
)


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
        check_fields(self)
        has_clip = self.clip_low is not None or self.clip_high is not None
        is_constant = self.reduction == "constant"
        is_sequence = self.ratio == "sequence"
        is_clip = self.objective == "clip"
        has_length = self.constant_length is not None
        is_weighted = self.kl_ratio_weighted
        refuse(
            (
                is_constant and not has_length,
                "reduction 'constant' divides by constant_length: set it, "
                "for example to max_new_tokens",
            ),
            (
                has_length and not is_constant,
                "constant_length is only read by reduction 'constant'; set "
                "one or leave out the other",
            ),
            (
                self.objective == "sapo" and has_clip,
                "objective 'sapo' replaces the clip by a sigmoid; set "
                "clip_low=None and clip_high=None",
            ),
            (
                self.objective == "cispo" and not has_clip,
                "objective 'cispo' weighs by a clipped ratio; set clip_high "
                "(ScaleRL has 5)",
            ),
            (
                is_sequence and not is_clip,
                f"objective {self.objective!r} is defined for token ratios; "
                "use ratio='token'",
            ),
            (
                is_weighted and self.kl_coef == 0,
                "kl_ratio_weighted needs kl_coef > 0, or it does nothing",
            ),
            (
                is_weighted and self.kl_estimator == "k2",
                "kl_ratio_weighted corrects k1 and k3; the gradient of k2 is "
                "right without it",
            ),
        )


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
    top_p: float = 1.0  # below 1 needs keep_sampling_mask, as does
    top_k: int = 0  # any top_k; 0 keeps all
    keep_sampling_mask: bool = False  # log-probs over what was kept
    max_new_tokens: int = 128
    prompt: str = "direct"  # a name of PROMPTS or a template
    require_end: bool = True  # a truncated completion earns nothing
    overlong_share: float = 0.0  # last part of max_new_tokens, that costs
    dynamic_sampling: int = 0  # extra rounds to replace groups w/o signal
    curriculum: float | None = None  # solve rate to draw problems near
    # Updates from one batch of rollouts
    epochs: int = 1  # passes over the batch; 1 x 1 is on-policy
    minibatches: int = 1  # optimizer steps a pass
    micro_batch_size: int = 64  # rows in one backward pass: memory
    activation_checkpointing: bool = False  # slower, less memory
    # Optimizer (AdamW)
    learning_rate: float = 1e-4  # 1e-6 is usual from 0.6B parameters on
    warmup_steps: int = 2  # optimizer steps, linear from 0
    cosine_decay: bool = False  # then a cosine to zero; else constant
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
        check_fields(self)
        self._check_sampling()
        self._check_learning()

    def _check_sampling(self):
        refuse(
            (
                self.group_size < 2,
                f"group_size must be >= 2, got {self.group_size}: one "
                "rollout has nothing to be compared with",
            ),
            (
                not 0 < self.top_p <= 1,
                f"expected 0 < top_p <= 1, got {self.top_p}; 1.0 keeps every "
                "token",
            ),
            (
                self.is_truncated and not self.keep_sampling_mask,
                "rollouts with top_p or top_k need keep_sampling_mask=True: "
                "the loss takes log-probs over the full vocabulary, which "
                "would be another distribution's",
            ),
            (
                self.keep_sampling_mask and not self.is_truncated,
                "keep_sampling_mask keeps what top_p and top_k leave over, "
                "and both are off; set one",
            ),
            (
                self.curriculum is not None and not 0 < self.curriculum < 1,
                "curriculum is a solve rate between 0 and 1, got "
                f"{self.curriculum}; None draws all problems alike",
            ),
        )

    def _check_learning(self):
        is_maxrl = self.advantages == "maxrl"
        refuse(
            (
                not 0 <= self.overlong_share < 1,
                "overlong_share must be in [0, 1), got "
                f"{self.overlong_share}; 0.2 is DAPO's",
            ),
            (
                self.overlong_share > 0 and is_maxrl,
                "'maxrl' divides by a group's mean reward, which the "
                "overlong penalty can turn negative; set overlong_share=0",
            ),
            (
                self.dynamic_sampling > 0 and self.advantages == "batch_std",
                "dynamic_sampling replaces groups of equal rewards, but "
                "'batch_std' compares across groups and finds a signal in "
                "them; set one or the other",
            ),
            (
                self.prompts_per_step % self.minibatches,
                f"minibatches ({self.minibatches}) must divide "
                f"prompts_per_step ({self.prompts_per_step})",
            ),
            (
                self.loss.off_policy_delta is not None and self.is_on_policy,
                "off_policy_delta masks stale rollouts, but epochs=1 and "
                "minibatches=1 never reuse one; raise either or leave it out",
            ),
        )

    @property
    def is_truncated(self):
        """Whether rollouts leave some tokens out of the draw."""
        return self.top_p < 1 or self.top_k > 0

    @property
    def num_updates(self):
        """Optimizer steps of the whole run, if none is left out."""
        return self.steps * self.epochs * self.minibatches

    @property
    def is_on_policy(self):
        """Whether every rollout is used once, by the policy that wrote it."""
        return self.epochs == 1 and self.minibatches == 1


@dataclass(frozen=True)
class DistillationConfig:
    """One training run on traces: supervised, with hard or soft targets.

    Raises:
        ValueError: a value outside its range.
    """

    # What is learned
    loss: str = "hard"  # or a divergence: "forward" | "reverse" | "jsd"
    hard_weight: float = 0.0  # share of the hard loss beside a divergence
    temperature: float = 1.0  # of both distributions in a divergence
    beta: float = 0.5  # jsd: 0 is near forward, 1 near reverse
    teacher_top_k: int = 0  # keep the teacher's k likeliest; 0: all, live
    prompt: str = "direct"  # how the problem is put to the student
    # "short": without scratch work; "plain": without the tags; "none"
    thinking: str = "tags"
    max_tokens: int = 384  # a longer example is left out, and counted
    # Batches
    epochs: int = 2
    batch_size: int = 64  # examples an update
    micro_batch_tokens: int = 1024  # of one backward pass: memory
    activation_checkpointing: bool = False  # slower, less memory
    # Optimizer (AdamW)
    learning_rate: float = 1e-3  # 1e-5 is usual from 0.6B parameters on
    warmup_steps: int = 10  # updates, linear; then a cosine to zero
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    moment_dtype: str = "float32"  # bfloat16 saves 4 bytes a parameter
    # Watching
    eval_every: int = 0  # updates; 0: at the end of each epoch
    eval_problems: int = 100  # of the validation split
    max_new_tokens: int = 192  # of an answer in an evaluation
    seed: int = 0

    def __post_init__(self):
        check_fields(self, loss=LOSSES)
        if not 0 <= self.hard_weight < 1:
            raise ValueError(
                f"hard_weight must be in [0, 1), got {self.hard_weight}; "
                "for the hard loss alone set loss='hard'"
            )
        if self.loss == "hard" and (self.hard_weight or self.teacher_top_k):
            raise ValueError(
                "hard_weight and teacher_top_k belong to a divergence; set "
                "loss='forward', 'reverse' or 'jsd', or leave them out"
            )
        if self.loss == "jsd" and not 0 < self.beta < 1:
            raise ValueError(
                f"beta must be in (0, 1), got {self.beta}; its limits are "
                "loss='forward' and loss='reverse'"
            )


@dataclass(frozen=True)
class OnPolicyConfig:
    """One run of on-policy distillation: the student writes, the teacher
    marks every token.

    Raises:
        ValueError: a value outside its range.
    """

    # "sampled": log p_T - log p_S of the drawn token as its advantage;
    # "forward" | "reverse" | "jsd": a divergence of the full distributions
    loss: str = "sampled"
    beta: float = 0.5  # of jsd
    # Completions of one step
    steps: int = 100
    prompts_per_step: int = 64
    group_size: int = 1  # completions a prompt
    temperature: float = 1.0
    max_new_tokens: int = 192
    prompt: str = "direct"  # how the problem is put to the student
    teacher_prompt: str = ""  # to the teacher; empty: the same
    micro_batch_tokens: int = 1024  # of one backward pass: memory
    activation_checkpointing: bool = False
    # Optimizer (AdamW)
    learning_rate: float = 1e-4  # own texts want a small step
    warmup_steps: int = 5
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    moment_dtype: str = "float32"
    # Watching
    eval_every: int = 25  # steps
    eval_problems: int = 100
    seed: int = 0

    def __post_init__(self):
        check_fields(self, loss=("sampled", *LOSSES[1:]))


def check_teacher(config, has_teacher):
    """Raise ValueError unless a loss on traces has the teacher it needs."""
    if has_teacher == (config.loss == "hard"):
        raise ValueError(
            f"loss={config.loss!r} with{'' if has_teacher else 'out'} a "
            "teacher model: the hard loss takes none, the others need one"
        )


def check_fields(config, **choices):
    """Raise ValueError for a field that is not what it may be."""
    for name in (each.name for each in fields(config)):
        value = getattr(config, name)
        allowed = {**CHOICES, **choices}.get(name)
        if allowed and value not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(allowed)}; got {value!r}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value}")
        is_zero_allowed = name in MAY_BE_ZERO
        if value < 0 or (value == 0 and not is_zero_allowed):
            sign = ">=" if is_zero_allowed else ">"
            raise ValueError(f"{name} must be {sign} 0, got {value}")


def refuse(*checks):
    """Raise ValueError for the first (is_refused, reason) that holds."""
    for is_refused, reason in checks:
        if is_refused:
            raise ValueError(reason)
