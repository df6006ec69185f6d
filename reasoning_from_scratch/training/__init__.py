"""Stage 4, learning to reason: reinforcement learning and distillation.

Names are imported on first use, so that a configuration can be read without
loading torch.
"""

from importlib import import_module

_MODULES = {
    "config": [
        "LossConfig",
        "GRPOConfig",
        "DistillationConfig",
        "OnPolicyConfig",
        "VerifierConfig",
    ],
    "variants": ["GRPO_VARIANTS", "variant_config"],
    "rewards": [
        "accuracy_reward",
        "format_reward",
        "partial_credit_reward",
        "length_penalty",
        "RewardSet",
    ],
    "code_reward": ["CodeReward", "run_program"],
    "rollouts": ["collect_rollouts", "RolloutBatch"],
    "objective": [
        "grpo_loss",
        "group_advantages",
        "per_reward_advantages",
    ],
    "grpo": ["train_grpo"],
    "distillation": ["train_distillation"],
    "distillation_loss": ["soft_distillation_loss"],
    "sft_data": ["Example", "encode_example", "encode_traces"],
    "traces": ["Trace", "filter_traces", "read_traces"],
    "on_policy": ["train_on_policy", "collect_verified_samples"],
    "learned_verifier": ["train_head"],
    "teacher": [
        "EndpointTeacher",
        "LocalTeacher",
        "generate_teacher_traces",
    ],
}
_HOMES = {name: home for home, names in _MODULES.items() for name in names}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
