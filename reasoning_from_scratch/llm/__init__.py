"""Stage 1, the language model: Qwen3, its cache, its tokenizer, generation.

Names are imported on first use, so that a configuration can be read without
loading torch.
"""

from importlib import import_module

_MODULES = {
    "config": ["Qwen3Config", "QWEN3_CONFIGS"],
    "qwen3": [
        "Qwen3Model",
        "RMSNorm",
        "apply_rope",
        "rope_tables",
        "attend",
        "GroupedQueryAttention",
        "FeedForward",
        "TransformerBlock",
    ],
    "kv_cache": ["KVCache"],
    "tokenizer": ["Qwen3Tokenizer"],
    "weights": ["load_model", "save_model"],
    "sampling": ["SamplingConfig"],
    "generation": ["generate", "generate_stream", "GenerationOutput"],
    "logprobs": ["token_logprobs", "sequence_logprob", "token_entropy"],
}
_HOMES = {name: home for home, names in _MODULES.items() for name in names}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
