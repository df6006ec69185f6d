"""Settings of training: GRPO, distillation, on-policy distillation.

Combinations that would do nothing, or something else than they say, are
refused with a ValueError. The papers' settings stand in `variants`. No torch
here.
"""

from dataclasses import dataclass, field

from reasoning_from_scratch.options import check_options, option

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
ADVANTAGES = (*ADVANTAGE_MODES, PER_REWARD)
DIVERGENCES = ("forward", "reverse", "jsd")


@dataclass(frozen=True)
class LossConfig:
    """What one member of the GRPO family does with log-probs; see grpo_loss.

    Raises ValueError for what is out of range or cannot go together.
    """

    # "sequence": geometric mean (GSPO)
    ratio: str = option("token", choices=("token", "sequence"))
    # 1 - clip_low <= ratio <= 1 + clip_high; None: no bound
    clip_low: float | None = option(0.2, least=0)
    clip_high: float | None = option(0.2, least=0)
    reduction: str = option(
        "token_mean", choices=("token_mean", "sequence_mean", "constant")
    )
    # 0 is usual for maths (DAPO, Dr. GRPO, Olmo 3)
    kl_coef: float = option(0.0, least=0)
    kl_estimator: str = option("k3", choices=("k1", "k2", "k3"))
    kl_ratio_weighted: bool = False  # times pi / pi_old (DeepSeek-V3.2)
    # "cispo" and "sapo": soft weights
    objective: str = option("clip", choices=("clip", "cispo", "sapo"))
    constant_length: int | None = None  # tokens; L of "constant"
    sapo_tau_positive: float = 1.0  # arXiv 2511.20347
    sapo_tau_negative: float = 1.05
    off_policy_delta: float | None = None  # nats a token; None: no mask
    tis_cap: float | None = None  # 2 to 3 is usual; None: no correction

    def __post_init__(self):
        check_options(self)
        has_clip = self.clip_low is not None or self.clip_high is not None
        is_constant = self.reduction == "constant"
        is_k2, is_soft = self.kl_estimator == "k2", self.objective != "clip"
        is_refused = {
            "reduction 'constant' divides by constant_length, and nothing "
            "else reads it; set both or neither": (
                is_constant != (self.constant_length is not None)
            ),
            "objective 'sapo' replaces the clip by a sigmoid; set "
            "clip_low=None and clip_high=None": (
                self.objective == "sapo" and has_clip
            ),
            "objective 'cispo' weighs by a clipped ratio; set clip_high "
            "(ScaleRL has 5)": self.objective == "cispo" and not has_clip,
            f"objective {self.objective!r} is defined for token ratios; use "
            "ratio='token'": self.ratio == "sequence" and is_soft,
            "kl_ratio_weighted corrects k1 and k3, where kl_coef > 0; leave "
            "it out": self.kl_ratio_weighted and (is_k2 or not self.kl_coef),
        }
        refuse(is_refused)


@dataclass(frozen=True)
class TrainingConfig:
    """What every training has; AdamW is the optimizer of all."""

    prompt: str = "direct"  # a name of PROMPTS or a template
    temperature: float = option(1.0, "of the samples; of a divergence")
    activation_checkpointing: bool = option(
        False, "compute activations twice: slower, less memory"
    )
    decoding_batch_size: int | None = option(
        None, "rows decoded together: memory (default: what fits)"
    )
    weight_decay: float = option(0.0, least=0)
    max_grad_norm: float = 1.0
    moments: str = option(
        "float32", "of AdamW: memory", choices=("float32", "bfloat16")
    )
    seed: int = option(0, "of the data order and the samples", least=0)

    def __post_init__(self):
        check_options(self)


@dataclass(frozen=True)
class GRPOConfig(TrainingConfig):
    """One training run: what is sampled, compared, optimised and measured.

    Raises ValueError for what is out of range or cannot go together.
    """

    loss: LossConfig = field(default_factory=LossConfig)
    advantages: str = option("group_std", choices=ADVANTAGES)
    # Rollouts of one step
    steps: int = option(100, "training steps")
    prompts_per_step: int = option(16, "problems a step")
    group_size: int = option(8, "completions a problem", least=2)
    top_p: float = option(1.0, "needs --keep-sampling-mask", most=1)
    top_k: int = option(0, "needs --keep-sampling-mask", least=0)
    keep_sampling_mask: bool = option(
        False, "take log-probs over what --top-p and --top-k keep"
    )
    max_new_tokens: int = option(128, "a longer completion is truncated")
    require_end: bool = True  # a truncated completion earns nothing
    overlong_share: float = option(
        0.0, "last part of --max-new-tokens, that costs", least=0, below=1
    )
    dynamic_sampling: int = option(
        0, "rounds that replace groups without signal", least=0
    )
    curriculum: float | None = option(
        None, "solve rate to draw problems near, by level", below=1
    )
    # Updates from one batch of rollouts
    epochs: int = option(1, "passes over a step's rollouts")
    minibatches: int = option(1, "optimizer steps a pass")
    micro_batch_size: int = option(64, "rows in one backward pass: memory")
    # A rate of 1e-6 is usual from 0.6B parameters on
    learning_rate: float = option(1e-4, "of AdamW, after the warm-up")
    warmup_steps: int = option(2, least=0)  # optimizer steps, linear from 0
    cosine_decay: bool = option(False, "the rate falls to zero at the end")
    # Watching
    track_kl: bool = True  # distance to the start; costs a second model
    eval_every: int = option(
        25, "steps between evaluations on validation; 0: never", least=0
    )
    eval_problems: int = option(300, "validation problems of one evaluation")
    checkpoint_every: int = option(25, "steps; the last one is always saved")
    sample_every: int = 5  # between texts kept for reading

    def __post_init__(self):
        super().__post_init__()
        is_kept, is_filtered = self.keep_sampling_mask, self.is_filtered
        is_maxrl = self.advantages == "maxrl"
        is_batch = self.advantages == "batch_std"
        is_masked = self.loss.off_policy_delta is not None
        is_refused = {
            "top_p and top_k need keep_sampling_mask=True: the loss takes "
            "log-probs over the full vocabulary": is_filtered and not is_kept,
            "keep_sampling_mask keeps what top_p and top_k leave over, and "
            "both are off; set one": is_kept and not is_filtered,
            "'maxrl' divides by a group's mean reward, which the overlong "
            "penalty can turn negative; set "
            "overlong_share=0": self.overlong_share > 0 and is_maxrl,
            "dynamic_sampling replaces groups of equal rewards, in which "
            "'batch_std' finds a signal; set one or the "
            "other": self.dynamic_sampling > 0 and is_batch,
            f"minibatches ({self.minibatches}) must divide prompts_per_step "
            f"({self.prompts_per_step})": (
                self.prompts_per_step % self.minibatches
            ),
            "off_policy_delta masks stale rollouts, but epochs=1 and "
            "minibatches=1 never reuse one; raise either or leave it "
            "out": is_masked and self.is_on_policy,
        }
        refuse(is_refused)

    @property
    def is_filtered(self):
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
class DistillationConfig(TrainingConfig):
    """One training run on traces: supervised, with hard or soft targets.

    Raises ValueError for a value outside its range.
    """

    # What is learned
    loss: str = option(
        "hard",
        "hard; with --teacher a divergence; on-policy also sampled",
        choices=("hard", *DIVERGENCES),
    )
    beta: float = option(0.5, "of jsd: 0 is forward, 1 reverse", below=1)
    # "short": without scratch work; "plain": without the tags; "none"
    thinking: str = option(
        "tags",
        "how much of a teacher's is learned",
        choices=("tags", "short", "plain", "none"),
    )
    max_tokens: int = option(384, "a longer example is left out")
    # Batches
    epochs: int = option(2, "passes over the examples")
    batch_size: int = option(64, "examples an update")
    micro_batch_tokens: int = option(1024, "of one backward pass: memory")
    # A rate of 1e-5 is usual from 0.6B parameters on
    learning_rate: float = option(1e-3, "of AdamW, after the warm-up")
    # Linear; then a cosine to zero
    warmup_steps: int = option(10, "updates to reach that rate", least=0)
    eval_every: int = option(
        0, "updates between evaluations; 0: one after each epoch", least=0
    )
    eval_problems: int = option(100, "validation problems of one evaluation")
    max_new_tokens: int = 192  # of an answer in one


@dataclass(frozen=True)
class OnPolicyConfig(TrainingConfig):
    """One run of on-policy distillation: the student writes, the teacher
    marks every token. Raises ValueError for a value outside its range.
    """

    # "sampled": log p_T - log p_S of the drawn token as its advantage;
    # else a divergence of the full distributions
    loss: str = option("sampled", choices=("sampled", *DIVERGENCES))
    beta: float = option(0.5, below=1)  # of jsd
    # Completions of one step
    steps: int = option(100, "on-policy: updates")
    prompts_per_step: int = option(64, "on-policy: problems an update")
    group_size: int = 1  # completions a prompt
    max_new_tokens: int = 192
    teacher_prompt: str = ""  # to the teacher; empty: the same
    micro_batch_tokens: int = 1024  # of one backward pass
    learning_rate: float = 1e-4  # own texts want a small step
    warmup_steps: int = option(5, least=0)
    # Watching
    eval_every: int = option(25, least=0)  # steps
    eval_problems: int = option(100, least=0)


@dataclass(frozen=True)
class VerifierConfig:
    """How the head of a learned verifier is trained."""

    units: int = option(32, "of the head's inner layer")
    epochs: int = option(20, "passes over the samples")
    batch_size: int = option(256, "samples an update")
    learning_rate: float = option(1e-3, "of AdamW")
    weight_decay: float = option(0.1, "of AdamW", least=0)
    seed: int = option(0, "of the head's weights and the order", least=0)

    def __post_init__(self):
        check_options(self)


def check_teacher(config, has_teacher):
    """Raise ValueError unless a loss on traces has the teacher it needs."""
    if has_teacher == (config.loss == "hard"):
        raise ValueError(
            f"loss={config.loss!r} with{'' if has_teacher else 'out'} a "
            "teacher model: the hard loss takes none, the others need one"
        )


def refuse(is_refused):
    """Raise ValueError for the first reason that holds, of reason -> bool."""
    for reason, holds in is_refused.items():
        if holds:
            raise ValueError(reason)
