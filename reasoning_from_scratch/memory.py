"""How much memory a model will take, and what to do when there is too little.

`predict_memory` adds up what is held at the fullest moment of each stage, by
the shape of a model and a `Workload`; no model is built for it, and no torch
is imported. What an allocator loses between blocks is not counted, nor what
a library unpacks for itself (bfloat16 matrices on a CPU without the format).

Source: Korthikanti et al. 2022, arXiv 2205.05198 (activations by the layer).
"""

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace

# As in `llm.logprobs` and `training.optimization`, whose pieces bound memory
CHUNK_ENTRIES = 2**25
OPTIMIZER_PIECE = 2**24
# Of one entry of float32 logits behind a loss: they, their gradient, results
# on the way; where a teacher's are compared, these too
LOGIT_BYTES = {"forward": 20, "reverse": 20, "jsd": 36}
PLAIN_LOGIT_BYTES = 16
USABLE = 0.9  # of a device's memory: the driver and gaps take the rest
DECODED_TOGETHER = 256  # rows, where nothing else is said
# What training does without, one after the other, where memory is short
GIVEN_UP = (
    {},
    {"activation_checkpointing": True},
    {"track_kl": False},
    {"moments": "bfloat16", "moment_dtype": "bfloat16"},
)
# How CUDA, MPS, XPU, cuBLAS and the CPU's allocators say it
OUT_OF_MEMORY = re.compile(
    "out of memory|can't allocate memory|not enough memory|ALLOC_FAILED"
)
# Settings that memory alone depends on: a resumed run may change them
MEMORY_SETTINGS = (
    "micro_batch_size",
    "micro_batch_tokens",
    "activation_checkpointing",
    "decoding_batch_size",
)


# ---- When there is too little ----


class OutOfMemory(MemoryError):
    """A device's memory is full; the message says what to try."""


def is_out_of_memory(error):
    """Whether an error of PyTorch, of any device, or Python says so."""
    if isinstance(error, MemoryError):
        return True
    is_ours = isinstance(error, RuntimeError)
    return is_ours and OUT_OF_MEMORY.search(str(error)) is not None


@contextmanager
def advised(advice):
    """Turn an error for want of memory into an `OutOfMemory` with advice."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    else:
        return
    # Outside the handler, where nothing holds on to the tensors any more
    raise OutOfMemory(f"out of memory; {advice}")


def decoding_advice(rows, flag="--decoding-batch-size"):
    """What to try when decoding so many rows took too much."""
    if rows > 1:
        return f"try {flag} {rows // 2}"
    return "one row alone is too much: try a smaller --max-new-tokens"


def learning_advice(config, rows, tokens):
    """What to try when rows of so many tokens could not be learned at once."""
    name = "micro_batch_size"
    if not hasattr(config, name):
        name, rows = "micro_batch_tokens", rows * tokens
    size = min(getattr(config, name), rows)
    least = 1 if name == "micro_batch_size" else tokens
    if size > least:
        flag = f"--{name.replace('_', '-')}"
        return f"try {flag} {max(least, size // 2)}"
    if not config.activation_checkpointing:
        return "try --activation-checkpointing"
    return (
        "the smallest micro-batch is too much: a new run with bfloat16 "
        "moments, shorter answers or a smaller model takes less"
    )


# ---- What it will take ----


@dataclass(frozen=True)
class Workload:
    """What is held and done at once; nothing is learned from 0 rows."""

    weight_bytes: int = 2  # of a number in the model
    # Rows decoded together, and the columns of each: prompt and answer
    decoding_rows: int = 0
    decoding_tokens: int = 0
    is_filtered: bool = False  # top-k or top-p sort the vocabulary
    # One backward pass: rows, their columns, those that are learned
    learning_rows: int = 0
    learning_tokens: int = 0
    learned_tokens: int = 0
    is_single: bool = False  # one backward pass an update
    checkpointing: bool = False
    moment_bytes: int = 4
    frozen_bytes: int = 0  # models beside: reference, teacher
    logit_bytes: int = PLAIN_LOGIT_BYTES


def predict_memory(shape, work):
    """Bytes at the fullest moment of each stage, by its name.

    Args:
        shape: a `Qwen3Config`.
        work: a `Workload`.

    Returns:
        dict of "generation", "scoring", "update" and "optimizer", those that
        take place; the largest is the peak.
    """
    held = shape.num_parameters * work.weight_bytes + work.frozen_bytes
    if work.learning_rows:
        masters = 0 if work.weight_bytes == 4 else 2
        per_weight = masters + 2 * work.moment_bytes
        held += shape.num_parameters * per_weight
    stages = {}
    if work.decoding_rows:
        stages["generation"] = held + _generation_bytes(shape, work)
    if work.learning_rows:
        gradients = shape.num_parameters * work.weight_bytes
        num_tokens = work.learning_rows * work.learning_tokens
        stages["scoring"] = held + _scoring_bytes(shape, work, num_tokens)
        stages["update"] = held + _update_bytes(shape, work, num_tokens)
        piece = min(OPTIMIZER_PIECE, _embedding_size(shape))
        working = 12 if work.weight_bytes == 4 else 20  # float32, masters
        stages["optimizer"] = held + gradients + working * piece
    return stages


def activation_bytes(shape, weight_bytes):
    """What a layer keeps for its backward pass, in bytes a token."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    queries, keys = _query_size(shape), _key_size(shape)
    # Float32 kept for the inverse norms and the attention's log-sum
    small = 8 + 4 * (2 * shape.num_heads + shape.num_kv_heads)
    if weight_bytes == 4:  # a norm keeps its input, the state itself
        numbers = 6 * hidden + 4 * queries + 4 * keys + 4 * inner
        return 4 * numbers + small
    # The norms compute on a float32 copy, which they keep
    return 16 * hidden + 10 * (queries + keys) + 8 * inner + small


def _generation_bytes(shape, work):
    """Cache, logits and what a step computes, at the fullest step."""
    rows, columns = work.decoding_rows, work.decoding_tokens
    per_column = 2 * shape.num_layers * _key_size(shape) * work.weight_bytes
    cache = rows * columns * per_column
    copied = cache // shape.num_layers // 2  # as finished rows are dropped
    # Logits as they come, scaled, and the distribution and its sums; to
    # filter, they are sorted, each with its place
    per_entry = work.weight_bytes + (28 if work.is_filtered else 16)
    logits = rows * shape.vocab_size * per_entry
    results = rows * columns * 32  # tokens, log-probs, random numbers
    return cache + results + max(copied, logits)


def _scoring_bytes(shape, work, num_tokens):
    """A pass without gradient: one layer at a time, then the logits."""
    state = num_tokens * shape.hidden_size * work.weight_bytes
    inner = 3 * shape.intermediate_size + 2 * shape.hidden_size
    attention = shape.hidden_size + 2 * _key_size(shape)
    attention += 5 * _query_size(shape)
    layer = num_tokens * max(inner, attention) * work.weight_bytes
    # Without a gradient they are there twice
    return state + max(layer, state + 8 * _chunk(shape, work))


def _update_bytes(shape, work, num_tokens):
    """A backward pass: behind the logits, or at the first or last layer."""
    size, hidden = work.weight_bytes, shape.hidden_size
    kept = activation_bytes(shape, size) * num_tokens
    per_layer = num_tokens * hidden * size if work.checkpointing else kept
    # Behind the layers: the last state, its norm, those that are learned
    ending = num_tokens * hidden * (12 if size == 4 else 8)
    ending += _learned(work) * hidden * size
    states = shape.num_layers * per_layer
    gradients = shape.num_parameters * size
    before = 0 if work.is_single else gradients
    # Tied embeddings gather their gradient in a buffer until the last part
    head = _embedding_size(shape) * size
    buffer = head if shape.tie_word_embeddings else 0
    chunk = _chunk(shape, work) * work.logit_bytes
    if _chunk(shape, work) < _learned(work) * shape.vocab_size:
        chunk = max(chunk + head, 3 * head)  # what there is, more, their sum
    working = num_tokens * 2 * shape.intermediate_size * size
    if work.checkpointing:
        working += kept
    return max(
        before + states + ending + chunk,
        before + states + buffer + working,
        gradients + buffer + per_layer + working,
        gradients + 2 * buffer + (0 if work.is_single else head),
    )


def _chunk(shape, work):
    """Entries of the logits that are there at once."""
    tokens = max(1, CHUNK_ENTRIES // shape.vocab_size)
    return min(_learned(work), tokens) * shape.vocab_size


def _learned(work):
    return work.learning_rows * work.learned_tokens


def _embedding_size(shape):
    return shape.vocab_size * shape.hidden_size


def _query_size(shape):
    return shape.num_heads * shape.head_dim


def _key_size(shape):
    return shape.num_kv_heads * shape.head_dim


# ---- What fits ----


def usable_bytes(gigabytes):
    """What to plan with on a device of so many GB, of 2^30 bytes each."""
    return int(USABLE * gigabytes * 2**30)


def fit_training(
    shape,
    config,
    gigabytes,
    *,
    weight_bytes=2,
    prompt_tokens=256,
    frozen_bytes=0,
    fixed=(),
):
    """Change a training configuration so that it fits -> (config, peak).

    The micro-batch, the rows decoded together and checkpointing come first,
    which leave what is computed as it is; then the watch on the KL, then the
    precision of the moments. The first that fits is taken.

    Args:
        shape: a `Qwen3Config`.
        gigabytes: of the device, 2^30 bytes each.
        weight_bytes: of a number in the model.
        prompt_tokens: of the longest prompt.
        frozen_bytes: of a teacher beside the model.
        fixed: names of settings that stay as they are.

    Raises:
        ValueError: it fits in no way.
    """
    room, peaks = usable_bytes(gigabytes), []
    names = vars(config).keys() - set(fixed)
    if "decoding_batch_size" in names:
        config = replace(config, decoding_batch_size=_decoded(config))
    for change in GIVEN_UP:
        changed = {name: change[name] for name in change.keys() & names}
        config = replace(config, **changed)
        for learned in _halved(config, names, "micro_batch"):
            for tried in _halved(learned, names, "decoding_batch"):
                work = training_workload(
                    shape, tried, weight_bytes, prompt_tokens, frozen_bytes
                )
                peaks.append(max(predict_memory(shape, work).values()))
                if peaks[-1] <= room:
                    return tried, peaks[-1]
    raise ValueError(
        f"this training takes {min(peaks) / 2**30:.1f} GB at the least, and "
        f"of {gigabytes:g} GB {room / 2**30:.1f} can be planned with; use a "
        "smaller model or a smaller --max-new-tokens"
    )


def fit_decoding(shape, gigabytes, *, rows, tokens, weight_bytes=2):
    """How many of so many rows, of all their tokens, fit -> (rows, peak).

    ValueError: not even one does.
    """
    room = usable_bytes(gigabytes)
    while True:
        work = Workload(weight_bytes, rows, tokens, is_filtered=True)
        peak = max(predict_memory(shape, work).values())
        if peak <= room:
            return rows, peak
        if rows == 1:
            raise ValueError(
                f"an answer takes {peak / 2**30:.1f} GB, and of "
                f"{gigabytes:g} GB {room / 2**30:.1f} can be planned with; "
                "use a smaller model or a smaller --max-new-tokens"
            )
        rows //= 2


def training_workload(
    shape, config, weight_bytes=2, prompt_tokens=256, frozen_bytes=0
):
    """The `Workload` of a training configuration, of its longest rows."""
    written = prompt_tokens + config.max_new_tokens
    if hasattr(config, "micro_batch_size"):  # GRPO
        rows, tokens = min(config.micro_batch_size, _rollouts(config)), written
        learned, moments = config.max_new_tokens, config.moments
        if config.track_kl or config.loss.kl_coef > 0:
            frozen_bytes += shape.num_parameters * weight_bytes
    else:
        tokens = learned = getattr(config, "max_tokens", written)
        rows = max(1, config.micro_batch_tokens // tokens)
        moments = config.moment_dtype
    return Workload(
        weight_bytes=weight_bytes,
        decoding_rows=config.decoding_batch_size or _decoded(config),
        decoding_tokens=written,
        learning_rows=rows,
        learning_tokens=tokens,
        learned_tokens=learned,
        checkpointing=config.activation_checkpointing,
        moment_bytes=4 if moments == "float32" else 2,
        frozen_bytes=frozen_bytes,
        logit_bytes=LOGIT_BYTES.get(config.loss, PLAIN_LOGIT_BYTES),
    )


def _rollouts(config):
    """Rows that a step samples; none where it learns from traces."""
    size = getattr(config, "group_size", 0)
    return size and config.prompts_per_step * size


def _decoded(config):
    """Rows decoded together where nothing is said: of a step or a test."""
    rows = max(_rollouts(config), config.eval_problems, 1)
    return min(DECODED_TOGETHER, rows)


def _halved(config, names, start):
    """The configuration with one size as it is, halved, …, one row."""
    name = next((n for n in vars(config) if n.startswith(start)), None)
    size = getattr(config, name)
    yield config
    while name in names and size > 1:
        size //= 2
        yield replace(config, **{name: size})
