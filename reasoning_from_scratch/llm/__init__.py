"""Stage 1, the language model: Qwen3, its cache, its tokenizer, generation.

Names are imported on first use, so that a configuration can be read without
loading torch.
"""

from reasoning_from_scratch import import_on_use

NAMES = """
    config: Qwen3Config QWEN3_CONFIGS QWEN2_CONFIGS
    qwen3: Qwen3Model RMSNorm apply_rope rope_tables attend
      GroupedQueryAttention FeedForward TransformerBlock
    kv_cache: KVCache
    tokenizer: Qwen3Tokenizer
    weights: load_model save_model
    sampling: SamplingConfig
    generation: generate generate_stream GenerationOutput
    logprobs: token_logprobs sequence_logprob token_entropy
"""
__getattr__, __dir__, __all__ = import_on_use(__name__, NAMES)
