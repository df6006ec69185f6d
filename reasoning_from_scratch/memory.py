"""How much memory a model will take, and what to do when there is too little.

`predict_memory` adds up what is held at the fullest moment, by the shape of a
model and a `Workload`, without building one. Gaps between an allocator's
blocks are not counted, nor what a library unpacks for itself (bfloat16
matrices on a CPU without the format).

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
USABLE = 0.9  # of a device's memory: the driver and gaps take the rest
GIGABYTE = 2**30
DECODED_TOGETHER = 256  # rows, where nothing else is said
# What training does without, one after the other, where memory is short
GIVEN_UP = (
    {},
    {"activation_checkpointing": True},
    {"track_kl": False},
    {"moments": "bfloat16"},
)
# How CUDA, MPS, XPU, cuBLAS and the CPU's allocators say it
OUT_OF_MEMORY = re.compile(
    "out of memory|can't allocate memory|not enough memory|ALLOC_FAILED"
)
# Settings that memory alone depends on: a resumed run may change them
MEMORY_SETTINGS = (
    *("micro_batch_size", "micro_batch_tokens"),
    *("activation_checkpointing", "decoding_batch_size"),
)


# ---- When there is too little ----


class OutOfMemory(MemoryError):
    """A device's memory is full; the message says what to try."""


def is_out_of_memory(error):
    """Whether an error of PyTorch, of any device, or Python says so."""
    is_ours = isinstance(error, RuntimeError)
    is_told = is_ours and OUT_OF_MEMORY.search(str(error)) is not None
    return is_told or isinstance(error, MemoryError)


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
    name, size, least = "micro_batch_size", rows, 1
    if not hasattr(config, name):
        name, size, least = "micro_batch_tokens", rows * tokens, tokens
    size = min(getattr(config, name), size)
    if size > least:
        return f"try --{name.replace('_', '-')} {max(least, size // 2)}"
    if not config.activation_checkpointing:
        return "try --activation-checkpointing"
    smaller = "bfloat16 moments, shorter answers or a smaller model"
    return f"the smallest micro-batch is too much: a new run with {smaller}"


# ---- What it will take ----


@dataclass(frozen=True)
class Workload:
    """What is held and done at once; nothing is learned from 0 rows."""

    weight_bytes: int = 2  # of a number in the model
    # Rows decoded together, and the columns of each: prompt and answer
    decoding_rows: int = 0
    decoding_tokens: int = 0
    is_filtered: bool = False  # top-k or top-p sort the vocabulary
    # One backward pass of several: rows, their columns, those learned
    learning_rows: int = 0
    learning_tokens: int = 0
    learned_tokens: int = 0
    checkpointing: bool = False
    moment_bytes: int = 4
    frozen_bytes: int = 0  # models beside: reference, teacher
    logit_bytes: int = 16


def predict_memory(shape, work):
    """Bytes at the fullest moment of a `Workload` of a `Qwen3Config`.

    That is at the end of decoding, in the backward pass or in the optimizer;
    scoring rollouts keeps no activations and always takes less.
    """
    size = work.weight_bytes
    weights = shape.num_parameters * size
    held, peak = weights + work.frozen_bytes, _generation_bytes(shape, work)
    if work.learning_rows:
        masters = 0 if size == 4 else 2
        held += shape.num_parameters * (masters + 2 * work.moment_bytes)
        piece = min(OPTIMIZER_PIECE, shape.vocab_size * shape.hidden_size)
        stepping = piece * (12 if size == 4 else 20)  # float32, masters
        gradients = weights + max(_backward_bytes(shape, work), stepping)
        peak = max(peak, gradients)
    return held + peak


def _generation_bytes(shape, work):
    """Cache, logits and what a step computes, at the fullest step."""
    rows, columns = work.decoding_rows, work.decoding_tokens
    keys = shape.num_kv_heads * shape.head_dim
    copied = rows * columns * keys * work.weight_bytes
    cache = 2 * shape.num_layers * copied
    # Logits as they come, scaled, and the distribution and its sums; to
    # filter, they are sorted, each with its place
    per_entry = work.weight_bytes + (28 if work.is_filtered else 16)
    logits = rows * shape.vocab_size * per_entry
    results = rows * columns * 32  # tokens, log-probs, random numbers
    # A layer is copied as finished rows are dropped
    return cache + results + max(copied, logits)


def _backward_bytes(shape, work):
    """A backward pass: behind the logits, or at the first or last layer."""
    size, hidden = work.weight_bytes, shape.hidden_size
    num_tokens = work.learning_rows * work.learning_tokens
    kept = _activation_bytes(shape, size) * num_tokens
    per_layer = num_tokens * hidden * size if work.checkpointing else kept
    states = shape.num_layers * per_layer
    # Behind the layers: the last state, its norm, those that are learned
    ending = num_tokens * hidden * (12 if size == 4 else 8)
    ending += work.learning_rows * work.learned_tokens * hidden * size
    # Tied embeddings gather their gradient in a buffer until the last part
    head = shape.vocab_size * hidden * size
    buffer = head if shape.tie_word_embeddings else 0
    # Entries of the logits behind a loss, and those that are there at once
    learned = work.learning_rows * work.learned_tokens * shape.vocab_size
    chunk = max(1, CHUNK_ENTRIES // shape.vocab_size) * shape.vocab_size
    logits = min(chunk, learned) * work.logit_bytes
    if chunk < learned:
        logits = max(logits + head, 3 * head)  # what is there, more, their sum
    working = num_tokens * 2 * shape.intermediate_size * size
    if work.checkpointing:
        working += kept
    return max(
        states + ending + logits, states + buffer + working, head + 2 * buffer
    )


def _activation_bytes(shape, weight_bytes):
    """What a layer keeps for its backward pass, in bytes per token."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    projected = (shape.num_heads + shape.num_kv_heads) * shape.head_dim
    # Float32 kept for the inverse norms and the attention's log-sum
    small = 8 + 4 * (2 * shape.num_heads + shape.num_kv_heads)
    if weight_bytes == 4:  # a norm keeps its input, the state itself
        return 24 * hidden + 16 * projected + 16 * inner + small
    # The norms compute on a float32 copy, which they keep
    return 16 * hidden + 10 * projected + 8 * inner + small


# ---- What fits ----


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
    precision of the moments; settings named in `fixed` stay. The first that
    fits in so many times 2^30 bytes is taken; ValueError: none does.
    """
    room, peaks = USABLE * gigabytes * GIGABYTE, []
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
                peaks.append(predict_memory(shape, work))
                if peaks[-1] <= room:
                    return tried, peaks[-1]
    told = _compared(min(peaks), gigabytes)
    raise ValueError(f"this training takes at the least {told}")


def fit_decoding(shape, gigabytes, *, rows, tokens, weight_bytes=2):
    """How many of so many rows, of all their tokens, fit -> (rows, peak).

    ValueError: not even one does.
    """
    while rows:
        work = Workload(weight_bytes, rows, tokens, is_filtered=True)
        peak = predict_memory(shape, work)
        if peak <= USABLE * gigabytes * GIGABYTE:
            return rows, peak
        rows //= 2
    raise ValueError(f"an answer takes {_compared(peak, gigabytes)}")


def _compared(peak, gigabytes):
    return (
        f"{peak / GIGABYTE:.1f} GB, and of {gigabytes:g} GB "
        f"{USABLE * gigabytes:.1f} can be planned with; use a smaller model "
        "or a smaller --max-new-tokens"
    )


def training_workload(
    shape, config, weight_bytes=2, prompt_tokens=256, frozen_bytes=0
):
    """The `Workload` of a training configuration, of its longest rows."""
    tokens = written = prompt_tokens + config.max_new_tokens
    if hasattr(config, "micro_batch_size"):  # GRPO
        rows = min(config.micro_batch_size, _rollouts(config))
        learned = config.max_new_tokens
        if config.track_kl or config.loss.kl_coef > 0:
            frozen_bytes += shape.num_parameters * weight_bytes
    else:
        tokens = learned = getattr(config, "max_tokens", written)
        rows = max(1, config.micro_batch_tokens // tokens)
    return Workload(
        weight_bytes=weight_bytes,
        decoding_rows=config.decoding_batch_size or _decoded(config),
        decoding_tokens=written,
        learning_rows=rows,
        learning_tokens=tokens,
        learned_tokens=learned,
        checkpointing=config.activation_checkpointing,
        moment_bytes=4 if config.moments == "float32" else 2,
        frozen_bytes=frozen_bytes,
        logit_bytes=LOGIT_BYTES.get(config.loss, Workload.logit_bytes),
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
