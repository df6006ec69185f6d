"""The numbers that shape a Qwen model, to and from its `config.json`.

Qwen2 and Qwen2.5 differ from Qwen3 in two flags. Mixtures of experts, sliding
windows and stretched RoPE are refused by name.

Sources: Yang et al. 2025, "Qwen3 Technical Report"; Yang et al. 2024, "Qwen2.5
Technical Report"; the published config files.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from reasoning_from_scratch.files import read_json

# Our field -> its name in config.json, where that is another
HF_NAMES = {
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
}
# What transformers assumes where a file leaves these out
HF_DEFAULTS = {
    "tie_word_embeddings": False,
    "rope_theta": 10_000.0,
    "head_dim": 128,  # but for Qwen2
}
# What a model_type means for the attention: no file says it
FAMILIES = {
    "qwen3": {"qkv_bias": False, "qk_norm": True},
    "qwen2": {"qkv_bias": True, "qk_norm": False},
}


@dataclass(frozen=True)
class Qwen3Config:
    """Shape of a dense Qwen model; the defaults are Qwen3-0.6B's.

    A size that cannot be built raises a ValueError.
    """

    vocab_size: int = 151_936
    hidden_size: int = 1024
    num_layers: int = 28
    num_heads: int = 16
    num_kv_heads: int = 8
    head_dim: int = 128  # explicit: not hidden_size / num_heads
    intermediate_size: int = 3072
    rope_theta: float = 1_000_000.0
    max_position_embeddings: int = 40_960
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True
    qkv_bias: bool = False  # a bias in the three projections: Qwen2
    qk_norm: bool = True  # normalised queries and keys: Qwen3

    def __post_init__(self):
        for name, value in asdict(self).items():
            is_positive = isinstance(value, (int, float)) and value > 0
            is_flag = isinstance(getattr(Qwen3Config, name), bool)
            if not (is_positive or is_flag):
                raise ValueError(f"{name} must be positive, got {value!r}")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads ({self.num_heads}) must be a multiple of "
                f"num_kv_heads ({self.num_kv_heads}): every key-value head "
                "serves the same number of query heads"
            )
        if self.head_dim % 2:
            raise ValueError(
                f"head_dim must be even, got {self.head_dim}: "
                "RoPE rotates its entries in pairs"
            )

    @classmethod
    def from_hf(cls, source):
        """Read an official configuration, of transformers 4 or 5.

        `source` is the content of a `config.json` as a dict, or the path of
        such a file or its folder. FileNotFoundError: none is there;
        ValueError: another architecture, or a variant not built here.
        """
        where = "config.json"
        if not isinstance(source, dict):
            path = Path(source)
            where = path / "config.json" if path.is_dir() else path
            if not where.is_file():
                raise FileNotFoundError(
                    f"no config.json at {where}; a model folder holds "
                    "config.json, model.safetensors and tokenizer.json"
                )
            source = read_json(where)
        _check_supported(source, where)
        # transformers 5 moved rope_theta into rope_parameters
        source = {**source, **(source.get("rope_parameters") or {})}
        names = {ours: HF_NAMES.get(ours, ours) for ours in asdict(cls())}
        sizes = HF_DEFAULTS | FAMILIES[source["model_type"]]
        if not sizes["qk_norm"]:
            with suppress(KeyError, TypeError, ZeroDivisionError):
                width, heads = source["hidden_size"], names["num_heads"]
                sizes["head_dim"] = width // source[heads]
        given = {ours: source.get(theirs) for ours, theirs in names.items()}
        sizes |= {n: value for n, value in given.items() if value is not None}
        if missing := [names[name] for name in names if name not in sizes]:
            raise ValueError(
                f"{where} lacks {', '.join(missing)}; "
                "is this a complete checkpoint?"
            )
        try:
            sizes["rope_theta"] = float(sizes["rope_theta"])
            return cls(**sizes)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from error

    def to_hf(self):
        """The official `config.json` as a dict, for transformers 4 and 5."""
        sizes = asdict(self)
        flags = {name: sizes.pop(name) for name in ("qkv_bias", "qk_norm")}
        family = next((f for f, has in FAMILIES.items() if has == flags), None)
        if family is None:
            raise ValueError(
                f"no published model has qkv_bias={self.qkv_bias} and "
                f"qk_norm={self.qk_norm}, so no other program could open "
                f"this one; make them those of one of {', '.join(FAMILIES)}"
            )
        rope = {"rope_theta": self.rope_theta, "rope_type": "default"}
        return {
            "architectures": [f"{family.capitalize()}ForCausalLM"],
            "model_type": family,
            **{HF_NAMES.get(name, name): sizes[name] for name in sizes},
            "rope_parameters": rope,
            "hidden_act": "silu",
            **({"attention_bias": False} if family == "qwen3" else {}),
            "attention_dropout": 0.0,
            "initializer_range": 0.02,
            "use_cache": True,
            "use_sliding_window": False,
        }

    @property
    def num_parameters(self):
        """Trainable numbers in the model; tied embeddings count once."""
        hidden, heads = self.hidden_size, self.num_heads + self.num_kv_heads
        attention = 2 * hidden * self.head_dim * heads
        biases = self.head_dim * (heads + self.num_kv_heads) * self.qkv_bias
        norms = 2 * hidden + 2 * self.head_dim * self.qk_norm
        feed_forward = 3 * hidden * self.intermediate_size
        layer = attention + biases + norms + feed_forward
        embeddings = 1 if self.tie_word_embeddings else 2
        return (
            embeddings * self.vocab_size * hidden
            + self.num_layers * layer
            + hidden
        )


def _check_supported(source, where):
    """Refuse what this implementation would compute wrongly."""
    if "model_type" not in source:
        raise ValueError(
            f"{where} describes no model: it has no model_type (an "
            "evaluation's run holds none); name a model, the folder of one, "
            "or a run that trained one"
        )
    family = source["model_type"]
    if family not in [*FAMILIES]:  # which may be a list
        raise ValueError(
            f"{where} describes model_type {family!r}, but only dense Qwen3 "
            "('qwen3') and Qwen2 or Qwen2.5 models ('qwen2') are "
            "implemented here"
        )
    scaling = source.get("rope_scaling") or source.get("rope_parameters") or {}
    rope_type = scaling.get("rope_type", scaling.get("type", "default"))
    activation = source.get("hidden_act", "silu")
    known = f"{family.capitalize()}ForCausalLM"
    architecture = (source.get("architectures") or [known])[0]
    unsupported = {
        f"RoPE type {rope_type!r}": rope_type != "default",
        "attention_bias": family == "qwen3" and source.get("attention_bias"),
        "use_sliding_window": source.get("use_sliding_window")
        or "sliding_attention" in (source.get("layer_types") or ()),
        f"activation {activation!r}": activation != "silu",
        "use_mrope": source.get("use_mrope"),
        # A reward model or classifier has another head
        f"architecture {architecture}": architecture != known,
    }
    found = [name for name, present in unsupported.items() if present]
    if found:
        raise ValueError(
            f"{where} asks for {', '.join(found)}, "
            "which is not implemented here"
        )


def _dense(hidden, layers, heads, kv_heads, inner, **more):
    sizes = {"hidden_size": hidden, "num_layers": layers, "num_heads": heads}
    sizes |= {"num_kv_heads": kv_heads, "intermediate_size": inner}
    return Qwen3Config(**sizes, **more)


_UNTIED = {"tie_word_embeddings": False}
_QWEN2 = FAMILIES["qwen2"] | {"max_position_embeddings": 32_768}
_LARGE_QWEN2 = _QWEN2 | _UNTIED | {"vocab_size": 152_064}
QWEN3_CONFIGS = {
    "0.6b": _dense(1024, 28, 16, 8, 3072),
    "1.7b": _dense(2048, 28, 16, 8, 6144),
    "4b": _dense(2560, 36, 32, 8, 9728),
    "8b": _dense(4096, 36, 32, 8, 12_288, **_UNTIED),
    "14b": _dense(5120, 40, 40, 8, 17_408, **_UNTIED),
    "32b": _dense(5120, 64, 64, 8, 25_600, **_UNTIED),
}
# The general Qwen2.5; Math and the models distilled from R1 have another
# rope_theta, and some of the latter untied embeddings: config.json says so
QWEN2_CONFIGS = {
    "0.5b": _dense(896, 24, 14, 2, 4864, head_dim=64, **_QWEN2),
    "1.5b": _dense(1536, 28, 12, 2, 8960, **_QWEN2),
    "3b": _dense(2048, 36, 16, 2, 11_008, **_QWEN2),
    "7b": _dense(3584, 28, 28, 4, 18_944, **_LARGE_QWEN2),
    "14b": _dense(5120, 48, 40, 8, 13_824, **_LARGE_QWEN2),
    "32b": _dense(5120, 64, 40, 8, 27_648, **_LARGE_QWEN2),
    "72b": _dense(8192, 80, 64, 8, 29_568, **_LARGE_QWEN2),
}
