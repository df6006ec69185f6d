"""What differs between models, in one table: a row for each model.

The same cell runs on every model, for it reads its numbers here. `RFS_MODEL`
names the model, `RFS_FAST=1` the reduced row of continuous integration.

Sources: LOG.md; for sampling and licences the cards of Qwen and DeepSeek.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from reasoning_from_scratch.files import read_json
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
        """Those that are fields of a dataclass."""
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
    hub_id: str | None = None  # where its weights are published
    license: str = "apache-2.0"

    @property
    def is_chat(self) -> bool:
        """Whether the model was trained to answer in turns."""
        return self.prompts["direct"].startswith("chat")


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
    teacher_prompt="direct",
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
    prompts={"direct": "direct", "step-by-step": "step-by-step"},
    max_new_tokens=192,
    temperature=0.7,
    batch_size=256,
    grpo=POCKET_GRPO,
    distillation=POCKET_DISTILLATION,
)
# It reasons from the start: what it learns is to write every step out
COARSE_GRPO = POCKET_GRPO.but(
    steps=100, learning_rate=1e-4, cosine_decay=False, eval_every=20
)
QWEN3_BASE = ModelSettings(
    name="qwen3-0.6b-base",
    problems="math500",
    prompts={"direct": "boxed", "step-by-step": "boxed-step-by-step"},
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
    QWEN3_BASE, prompts=CHAT_PROMPTS, temperature=0.6, top_p=0.95, top_k=20
)
# Qwen2.5: short answers, no thinking. It fits school maths best
QWEN25_BASE = replace(
    QWEN3_BASE,
    problems="gsm8k",
    max_new_tokens=512,
    num_test_problems=1319,
    grpo=QWEN3_BASE.grpo.but(max_new_tokens=512),
    distillation=QWEN3_BASE.distillation.but(
        teacher="qwen2.5-7b-instruct",
        thinking="plain",  # no think tokens
    ),
)
# Without the words "at once" it would reason for both prompts alike
QWEN25_PROMPTS = {**CHAT_PROMPTS, "direct": "chat-at-once"}
QWEN25_CHAT = replace(
    QWEN25_BASE, prompts=QWEN25_PROMPTS, temperature=0.7, top_p=0.8, top_k=20
)
MATH = {"problems": "math500", "num_test_problems": 500}
MATH |= {"max_new_tokens": 2048}
MATH_BASE, MATH_CHAT = (
    replace(QWEN25_BASE, **MATH),
    replace(QWEN25_CHAT, **MATH),
)
# It always thinks: its template opens the think block
R1_DISTILLED = replace(
    QWEN3_CHAT,
    prompts={"direct": "chat", "step-by-step": "chat"},
    max_new_tokens=8192,
    batch_size=16,
    top_k=0,
    license="mit",
)
SIZES = "0.5B 1.5B 3B 7B 14B 32B 72B"
R1_SIZES = "1.5B 7B 14B 32B"
LICENSES = {"3B": "qwen-research", "72B": "qwen"}  # not Apache's
# A family's row, its models on the Hub, and their sizes
PUBLISHED = [
    (QWEN3_BASE, "Qwen/Qwen3-{}-Base", "0.6B 1.7B 4B 8B 14B"),
    (QWEN3_CHAT, "Qwen/Qwen3-{}", "0.6B 1.7B 4B 8B 14B 32B"),
    (QWEN25_BASE, "Qwen/Qwen2.5-{}", SIZES),
    (QWEN25_CHAT, "Qwen/Qwen2.5-{}-Instruct", SIZES),
    (QWEN25_BASE, "Qwen/Qwen2.5-Coder-{}", SIZES[:-4]),
    (QWEN25_CHAT, "Qwen/Qwen2.5-Coder-{}-Instruct", SIZES[:-4]),
    (MATH_BASE, "Qwen/Qwen2.5-Math-{}", "1.5B 7B 72B"),
    (MATH_CHAT, "Qwen/Qwen2.5-Math-{}-Instruct", "1.5B 7B 72B"),
    (R1_DISTILLED, "deepseek-ai/DeepSeek-R1-Distill-Qwen-{}", R1_SIZES),
]


def _published():
    """The row of each size; short names are the Hub's in lower case."""
    for row, hub_id, sizes in PUBLISHED:
        for size in sizes.split():
            full = hub_id.format(size)
            name = full.partition("/")[2].lower()
            terms = LICENSES.get(size, row.license)
            yield replace(row, name=name, hub_id=full, license=terms)


POCKET_TEACHER = replace(POCKET, name="pocket-teacher", max_new_tokens=320)
# What pocket became in chapters 5 to 7 -> the row whose command trained it;
# its weights are stored in bfloat16
TRAINED = {
    "pocket-grpo": "ch05-grpo-long",
    "pocket-distilled": "ch06-hard",
    "pocket-pipeline": "ch07-distil-grpo",
}
BUILT_IN = {row.name: row for row in (POCKET, POCKET_TEACHER)}
BUILT_IN |= {name: replace(POCKET, name=name) for name in TRAINED}
# `rfs pretrain --model-config pocket-coarse` makes it
POCKET_COARSE = replace(POCKET, name="pocket-coarse", grpo=COARSE_GRPO)
ROWS = [*BUILT_IN.values(), POCKET_COARSE, *_published()]
SETTINGS: dict[str, ModelSettings] = {row.name: row for row in ROWS}
# Every cell runs in seconds
FAST = dict.fromkeys(("num_test_problems", "num_quick_problems"), 24)
FAST |= {"num_samples": 4}
FAST_GRPO = dict.fromkeys(("steps", "quick_steps", "eval_every"), 2)
FAST_GRPO |= dict.fromkeys(("prompts_per_step", "group_size"), 4)
FAST_DISTILLATION = {"num_traces": 32, "quick_traces": 48, "epochs": 1}


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
    if not fast:
        return row
    distillation = row.distillation.but(**FAST_DISTILLATION)
    grpo = row.grpo.but(**FAST_GRPO)
    return replace(row, **FAST, grpo=grpo, distillation=distillation)


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
        if known := _known_family(source, (*seen, name)):
            return known
        config = _read_config(name, resolve_checkpoint)
    key = name.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1].lower()
    if key in SETTINGS:
        return key
    if key.endswith((".pth", ".pt")):  # the book's: most started from base
        is_chat = re.search("reasoning|instruct|distill", key)
        return "qwen3-0.6b" if is_chat else "qwen3-0.6b-base"
    within = [row for row in SETTINGS if row in key and "pocket" not in row]
    if within:
        return max(within, key=len)
    # Qwen's real vocabulary has 151,936 rows, a pocket one under 2,000.
    if "qwen" in key or config.get("vocab_size", 0) > 100_000:
        ends_text = config.get("eos_token_id") == 151_643  # a chat ends turns
        is_base = "base" in key or (ends_text and "instruct" not in key)
        if "qwen2" in key or config.get("model_type") == "qwen2":
            return "qwen2.5-0.5b" if is_base else "qwen2.5-0.5b-instruct"
        return "qwen3-0.6b-base" if is_base else "qwen3-0.6b"
    return None


def _read_config(name: str, find_folder) -> dict:
    try:
        return read_json(find_folder(name) / "config.json")
    except (OSError, ValueError):
        return {}
