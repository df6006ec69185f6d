"""What differs between models, in one table: a row a model.

The same cell runs on every model, for it reads its numbers here. `RFS_MODEL`
names the model, `RFS_FAST=1` the reduced row of continuous integration.

Sources: LOG.md for the pocket rows, Qwen3's model cards for its sampling.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from reasoning_from_scratch.runs import find_run, resolve_checkpoint


class Values(dict):
    """Some fields of a configuration, also read as attributes."""

    def __getattr__(self, name):
        if name not in self:
            raise AttributeError(f"no {name!r} among {', '.join(self)}")
        return self[name]

    def but(self, **changes):
        """The same values with some changed."""
        return Values(self | changes)

    def of(self, kind) -> dict:
        """Those that a dataclass has: what its row says to it."""
        return {f.name: self[f.name] for f in fields(kind) if f.name in self}


@dataclass(frozen=True)
class ModelSettings:
    """One model's row: everything a chapter sets by the model it runs on."""

    name: str
    problems: str  # a name that load_problems knows
    prompts: Mapping[str, str]  # what the two prompts are called here
    max_new_tokens: int
    temperature: float  # when several answers are sampled
    batch_size: int  # rows decoded together
    grpo: Values  # of GRPOConfig: the chapter's run (ch05)
    distillation: Values  # of DistillationConfig (ch06), and its teacher
    top_p: float = 1.0
    top_k: int = 0
    num_test_problems: int = 2000  # for claims
    num_quick_problems: int = 500  # for a first look
    num_samples: int = 16  # answers a problem, to vote and to choose

    @property
    def is_chat(self) -> bool:
        """Whether the model was trained to answer in turns."""
        return self.prompts["direct"].startswith("chat")


PLAIN_PROMPTS = {"direct": "direct", "step-by-step": "step-by-step"}
BOXED_PROMPTS = {"direct": "boxed", "step-by-step": "boxed-step-by-step"}
CHAT_PROMPTS = {"direct": "chat-no-think", "step-by-step": "chat"}

# quick_…: of a run inside a notebook
POCKET_GRPO = Values(
    steps=300,
    quick_steps=40,
    prompts_per_step=16,
    group_size=8,
    learning_rate=3e-4,
    quick_learning_rate=1e-4,
    cosine_decay=True,
    temperature=1.0,
    max_new_tokens=128,
    eval_every=50,
)
POCKET_DISTILLATION = Values(
    teacher="pocket-teacher",
    teacher_prompt="direct",  # how it is asked
    num_traces=3000,  # problems the teacher is asked
    quick_traces=1500,
    thinking="short",
    epochs=2,
    batch_size=16,
    learning_rate=2e-3,
    warmup_steps=10,
    max_tokens=384,
)
POCKET = ModelSettings(
    name="pocket",
    problems="pocketmath",
    prompts=PLAIN_PROMPTS,
    max_new_tokens=192,
    temperature=0.7,
    batch_size=256,
    grpo=POCKET_GRPO,
    distillation=POCKET_DISTILLATION,
)
# It reasons from the start: what it learns is to write every step out
COARSE_GRPO = POCKET_GRPO.but(
    steps=100,
    learning_rate=1e-4,
    cosine_decay=False,
    eval_every=20,
)
QWEN3_BASE = ModelSettings(
    name="qwen3-base",
    problems="math500",
    prompts=BOXED_PROMPTS,
    max_new_tokens=2048,
    temperature=0.7,
    batch_size=32,
    grpo=POCKET_GRPO.but(
        steps=50,
        quick_steps=20,
        prompts_per_step=8,
        learning_rate=1e-6,
        quick_learning_rate=1e-6,
        cosine_decay=False,
        max_new_tokens=1024,
        eval_every=10,
    ),
    distillation=POCKET_DISTILLATION.but(
        teacher="qwen3-1.7b",
        teacher_prompt="chat",
        thinking="tags",
        batch_size=8,
        learning_rate=1e-5,
        max_tokens=2048,
    ),
    num_test_problems=500,
)
QWEN3_CHAT = replace(
    QWEN3_BASE,
    name="qwen3-chat",
    prompts=CHAT_PROMPTS,
    temperature=0.6,
    top_p=0.95,
    top_k=20,
)

BASE_SIZES = ("0.6b", "1.7b", "4b", "8b", "14b")
CHAT_SIZES = (*BASE_SIZES, "32b")

ROWS = [
    POCKET,
    replace(POCKET, name="pocket-coarse", grpo=COARSE_GRPO),
    replace(POCKET, name="pocket-teacher", max_new_tokens=320),
    *(replace(QWEN3_BASE, name=f"qwen3-{size}-base") for size in BASE_SIZES),
    *(replace(QWEN3_CHAT, name=f"qwen3-{size}") for size in CHAT_SIZES),
]
SETTINGS: dict[str, ModelSettings] = {row.name: row for row in ROWS}


def default_model() -> str:
    """The model that is meant when none is named."""
    return os.environ.get("RFS_MODEL") or "pocket"


def get_settings(name=None, *, fast=None) -> ModelSettings:
    """Look up a model's row, or that of its family.

    `name` is a key of SETTINGS, a Hub id, a model or run folder, a model that
    `load_model` opened, or None. `fast` None asks the environment's RFS_FAST.
    """
    if not isinstance(name, (str, Path)):
        name = getattr(name, "settings_name", None)  # a model; or None
    row = SETTINGS[_family(str(name or default_model()))]
    if fast is None:
        fast = os.environ.get("RFS_FAST") == "1"
    return _reduced(row) if fast else row


def is_pocket(name) -> bool:
    """Tell whether a model is one of the built-in family."""
    return _family(str(name)).startswith("pocket")


def _family(name: str) -> str:
    """Find the key of the row that fits a model best."""
    if Path(name).parts[:1] == ("runs",):
        find_run(name)  # no guess about a run that is not there
    return _known_family(name) or "pocket"


def _known_family(name: str, seen: tuple = ()) -> str | None:
    """The row that a model's name or its config tells of, if they do."""
    if name.lower() in SETTINGS:
        return name.lower()
    config = _read_config(name, find_run)
    source = config.get("model")  # a run: the model it started from
    if isinstance(source, str) and name not in seen:
        known = _known_family(source, (*seen, name))
        if known:
            return known
        config = _read_config(name, resolve_checkpoint)
    key = name.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1].lower()
    if key in SETTINGS:
        return key
    # The real Qwen3 vocabulary has 151,936 rows, a pocket one under 2,000.
    if "qwen3" in key or config.get("vocab_size", 0) > 100_000:
        size = next((s for s in CHAT_SIZES if f"-{s}" in key), "0.6b")
        is_base = "base" in key and size in BASE_SIZES
        return f"qwen3-{size}-base" if is_base else f"qwen3-{size}"
    return None


def _read_config(name: str, find_folder) -> dict:
    try:
        path = find_folder(name) / "config.json"
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _reduced(row: ModelSettings) -> ModelSettings:
    """Shrink counts and steps so that every cell runs in seconds."""
    return replace(
        row,
        num_test_problems=24,
        num_quick_problems=24,
        num_samples=4,
        grpo=row.grpo.but(
            steps=2,
            quick_steps=2,
            prompts_per_step=4,
            group_size=4,
            eval_every=2,
        ),
        distillation=row.distillation.but(
            num_traces=32, quick_traces=48, epochs=1
        ),
    )
