"""Settings of distillation: on a teacher's traces, and on the student's own.

No torch here, so that `rfs distill --help` answers at once.
"""

from dataclasses import dataclass

LOSSES = ("hard", "forward", "reverse", "jsd")
THINKING = ("tags", "short", "plain", "none")
MOMENT_DTYPES = ("float32", "bfloat16")


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
        check_choices(
            self, loss=LOSSES, thinking=THINKING, moment_dtype=MOMENT_DTYPES
        )
        check_positive(
            self,
            "temperature",
            "max_tokens",
            "epochs",
            "batch_size",
            "micro_batch_tokens",
            "learning_rate",
            "max_grad_norm",
            "max_new_tokens",
        )
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
        check_choices(
            self, loss=("sampled", *LOSSES[1:]), moment_dtype=MOMENT_DTYPES
        )
        check_positive(
            self,
            "steps",
            "prompts_per_step",
            "group_size",
            "temperature",
            "max_new_tokens",
            "micro_batch_tokens",
            "learning_rate",
            "max_grad_norm",
        )


def check_teacher(config, has_teacher):
    """Raise ValueError unless a loss on traces has the teacher it needs."""
    if has_teacher == (config.loss == "hard"):
        raise ValueError(
            f"loss={config.loss!r} with{'' if has_teacher else 'out'} a "
            "teacher model: the hard loss takes none, the others need one"
        )


def check_choices(config, **choices):
    """Raise ValueError for a field that is none of its choices."""
    for name, allowed in choices.items():
        value = getattr(config, name)
        if value not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(allowed)}; got {value!r}"
            )


def check_positive(config, *names):
    """Raise ValueError for a field that is not above zero."""
    for name in names:
        value = getattr(config, name)
        if not value > 0:
            raise ValueError(f"{name} must be > 0, got {value}")
