"""Stage 4, learning to reason: reinforcement learning and distillation.

Names are imported on first use, so that a configuration can be read without
loading torch.
"""

from reasoning_from_scratch import import_on_use

NAMES = """
    config: LossConfig GRPOConfig DistillationConfig OnPolicyConfig
      VerifierConfig
    variants: GRPO_VARIANTS variant_config
    rewards: accuracy_reward format_reward partial_credit_reward
      length_penalty RewardSet
    rollouts: collect_rollouts RolloutBatch
    objective: grpo_loss group_advantages per_reward_advantages
    grpo: train_grpo
    distillation: train_distillation train_on_policy
    distillation_loss: soft_distillation_loss
    sft_data: Example encode_example encode_traces
    traces: Trace EndpointTeacher LocalTeacher filter_traces
      generate_teacher_traces read_traces
    learned_verifier: train_head
"""
__getattr__, __dir__, __all__ = import_on_use(__name__, NAMES)
