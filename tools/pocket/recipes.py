"""How each pocket model is made: its shape, corpus mix and training.

`pocket` is the base model of every chapter, `pocket-coarse` the same,
continued on solutions that skip lines; it is not shipped. The larger sister
`pocket-teacher` has its recipe in tools/pocket_teacher.py. Importing this
needs no torch.
"""

from dataclasses import dataclass, field

from reasoning_from_scratch.llm.config import Qwen3Config
from reasoning_from_scratch.options import check_options, option

from .corpus import CorpusMix

POCKET_MODEL = Qwen3Config(
    vocab_size=704,  # the tokenizer's entries, rounded up to 64
    hidden_size=192,
    num_layers=5,
    num_heads=6,
    num_kv_heads=2,
    head_dim=32,
    intermediate_size=512,
    rope_theta=10_000.0,
    max_position_embeddings=2048,
)


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that a pre-training run depends on."""

    name: str  # row of `RECIPES` it started from
    model: Qwen3Config = POCKET_MODEL
    mix: CorpusMix = field(default_factory=CorpusMix)
    seed: int = option(0, "of weights and corpus", least=0)
    steps: int = option(3300, "optimizer steps")
    num_rows: int = 8  # of a batch
    row_tokens: int = 192  # a row holds whole documents
    matrix_lr: float = option(0.02, least=0)  # Muon's step, for the matrices
    other_lr: float = option(4e-3, least=0)  # AdamW's, for the others
    warmup_steps: int = option(40, least=0)  # linear
    decay_share: float = 0.8  # of the steps, at the end: linear to 0
    eval_every: int = 500
    checkpoint_every: int = 100
    init_from: str | None = option(None, "model to continue from, if any")
    max_new_tokens: int = 160  # of an answer when accuracy is measured
    prompts: tuple[str, ...] = ("direct", "step-by-step")  # to measure with
    is_compiled: bool = True
    is_bfloat16: bool = False  # matrix products; the weights stay float32

    def __post_init__(self):
        check_options(self)


RECIPES = {
    "pocket": PretrainConfig(name="pocket"),
    "pocket-coarse": PretrainConfig(
        name="pocket-coarse",
        mix=CorpusMix(coarse=0.62),
        steps=400,
        matrix_lr=0.005,
        other_lr=1e-3,
        decay_share=1.0,
        init_from="pocket",
    ),
}
