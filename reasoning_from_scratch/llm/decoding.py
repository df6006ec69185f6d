"""The decoding loop: one new token for every row, again and again.

`decode` is the only loop there is; whole answers, streams, batches and groups
of samples are ways of consuming it. Rows of unequal prompts are padded on the
left, a prompt is prefilled once for all of its samples, and rows that have
finished leave the batch. On a GPU a step, from reading the newest tokens to
choosing the next, is recorded once and replayed with a single launch.
"""

import functools
import weakref
from dataclasses import dataclass, field

import torch

from . import fused_step
from .kv_cache import KVCache
from .logprobs import distribution_statistics
from .sampling import choose_token, uniform_numbers

# A device other than the CPU waits for the host at every look at `finished`
STEPS_BETWEEN_LOOKS = 8
# Copying the cache to drop rows pays once this share of them has finished
SHARE_TO_DROP = 1 / 8

STATIC_COLUMNS = 64  # the width of a static cache is a multiple of this

_COMPILED = weakref.WeakKeyDictionary()


@dataclass
class DecodingState:
    """Everything that changes while decoding; rows are samples.

    The results are indexed by the original row; `active` maps the rows that
    are still in the batch to them. A recorded step writes into these very
    tensors.
    """

    token_ids: torch.Tensor  # (rows, max_new_tokens)
    logprobs: torch.Tensor  # (rows, max_new_tokens) float32
    num_tokens: torch.Tensor  # (rows,) how many of them count
    position: torch.Tensor  # (1,) of the next token
    active: torch.Tensor  # (batch,) original row of each row in the batch
    finished: torch.Tensor  # (batch,) bool
    newest: torch.Tensor  # (batch,) the tokens chosen last
    logits: torch.Tensor  # (batch, vocab) of the next token
    cache: KVCache
    key_mask: torch.Tensor | None  # (batch, max_tokens), None: no padding
    statistics: dict = field(default_factory=dict)

    def record(self, token_ids, logprobs, stop_ids):
        """Store one new token a row and note which rows it ends."""
        self.token_ids[self.active, self.position] = token_ids
        self.logprobs[self.active, self.position] = logprobs
        self.num_tokens[self.active] += ~self.finished
        if len(stop_ids):
            self.finished |= torch.isin(token_ids, stop_ids)
        self.newest.copy_(token_ids)
        self.position += 1

    def record_statistics(self):
        """Store the measures of the distribution behind the token."""
        for name, values in distribution_statistics(self.logits).items():
            if name not in self.statistics:
                self.statistics[name] = torch.zeros_like(self.logprobs)
            self.statistics[name][self.active, self.position] = values

    def drop_finished(self):
        """Let finished rows leave; whether any did.

        With a static cache the batch shrinks to powers of two, finished
        rows filling up, so that few shapes are ever compiled.
        """
        batch = len(self.active)
        num_left = int((~self.finished).sum())
        size = num_left
        if self.cache.static:
            size = min(batch, 1 << max(num_left - 1, 0).bit_length())
        if num_left == 0 or batch - size < max(1, SHARE_TO_DROP * batch):
            return False
        # Unfinished rows first, each part in its old order
        rows = self.finished.int().argsort(stable=True)[:size]
        self.cache.keep(rows)
        self.active, self.finished = self.active[rows], self.finished[rows]
        self.newest = self.newest[rows]
        if self.key_mask is not None:
            self.key_mask = self.key_mask[rows]
        return True


@torch.inference_mode()
def prefill(model, prompts, *, num_samples, max_new_tokens, static=False):
    """Read the prompts once and make room for every sample.

    Args:
        prompts: lists of token ids, at least one token each.
        num_samples: rows a prompt; each shares the prompt's prefill.
        max_new_tokens: room to leave in the cache.
        static: fixed shapes for a compiled step or a CUDA graph.
    """
    width = max(map(len, prompts))
    padded = [[0] * (width - len(ids)) + ids for ids in prompts]  # masked
    token_ids = torch.tensor(padded, device=model.device)
    max_tokens = width + max_new_tokens
    if static:  # few shapes, for each one is compiled
        max_tokens += -max_tokens % STATIC_COLUMNS
    cache = KVCache(
        model.config,
        len(prompts),
        max_tokens,
        device=model.device,
        dtype=model.dtype,
        static=static,
    )
    lengths = torch.tensor([len(ids) for ids in prompts])[:, None]
    columns = torch.arange(max_tokens)
    key_mask = (columns >= width - lengths).to(model.device)
    if static:  # columns not yet written do not count
        key_mask[:, width:] = False
    elif min(map(len, prompts)) == width:
        key_mask = None  # no padding: plain causal attention
    is_cut = key_mask is not None and not static
    logits = model(
        token_ids,
        cache,
        key_mask[:, :width] if is_cut else key_mask,
        last_only=True,
    )[:, -1]
    cache.expand(num_samples)
    if key_mask is not None:
        key_mask = key_mask.repeat_interleave(num_samples, dim=0)
    logits = logits.repeat_interleave(num_samples, dim=0)
    return new_state(logits, cache, key_mask, max_new_tokens)


def new_state(logits, cache, key_mask, max_new_tokens):
    """An empty result for every row of a prefilled batch."""
    rows, device = len(logits), logits.device
    return DecodingState(
        token_ids=torch.zeros(
            rows, max_new_tokens, dtype=torch.long, device=device
        ),
        logprobs=torch.zeros(rows, max_new_tokens, device=device),
        num_tokens=torch.zeros(rows, dtype=torch.long, device=device),
        position=torch.zeros(1, dtype=torch.long, device=device),
        active=torch.arange(rows, device=device),
        finished=torch.zeros(rows, dtype=torch.bool, device=device),
        newest=torch.zeros(rows, dtype=torch.long, device=device),
        logits=logits,
        cache=cache,
        key_mask=key_mask,
    )


def decode(
    model,
    state,
    *,
    sampling,
    row_seeds,
    stop_ids,
    vocab_size=None,
    statistics=False,
    compiled=False,
    edit=None,
):
    """Decode until every row has stopped or is full.

    Args:
        state: from `prefill`; it is filled in place.
        sampling: a `SamplingConfig`.
        row_seeds: (rows,) int64 from `row_seed`.
        stop_ids: token ids that end a row; the end token counts as its last.
        vocab_size: as for `choose_token`.
        statistics: also record `distribution_statistics` of every token.
        compiled: run the step through torch.compile; needs a static cache.
            An NVIDIA GPU with Triton has a faster step of its own.
        edit: callable (state, position, token_ids) -> token_ids, (batch,)
            both, that may put other tokens in the place of those chosen;
            their log-probability is recorded as 0, for nobody drew them.

    Yields:
        the number of tokens decoded so far, after each one.
    """
    max_new_tokens = state.token_ids.shape[1]
    device = state.logits.device
    uniform = uniform_numbers(row_seeds.to(device), max_new_tokens)
    stop_ids = torch.tensor(list(stop_ids), dtype=torch.long, device=device)
    interval = 1 if device.type == "cpu" else STEPS_BETWEEN_LOOKS

    def choose(position):
        token_ids, logprobs = choose_token(
            state.logits,
            uniform[state.active, state.position],
            sampling,
            vocab_size,
        )
        if edit is not None:
            chosen, token_ids = token_ids, edit(state, position, token_ids)
            logprobs = logprobs.masked_fill(token_ids != chosen, 0.0)
        if statistics:
            state.record_statistics()
        state.record(token_ids, logprobs, stop_ids)

    def advance():
        state.logits = read(state.newest[:, None])[:, -1]
        if edit is None:  # what edits looks at the tokens from outside
            choose(None)

    with torch.inference_mode():
        choose(0)
    yield 1
    read = None
    for position in range(1, max_new_tokens):
        with torch.inference_mode():
            is_time = position % interval == 0 and len(stop_ids)
            if is_time and bool(state.finished.all()):
                return
            if (is_time and state.drop_finished()) or read is None:
                read = _reader(model, state, compiled)
                step = advance
                if device.type == "cuda":
                    step = RecordedStep(advance, device)
            step()
            if edit is not None:
                choose(position)
        yield position + 1


class RecordedStep:
    """A step carried out once, then recorded as a CUDA graph and replayed.

    One step of a small model is hundreds of short kernels, and a GPU that is
    handed them one by one mostly waits for the next. A graph reads and writes
    fixed addresses: a batch of another shape needs another one.

    Source: the CUDA programming guide, "CUDA Graphs".
    """

    def __init__(self, step, device):
        self.step, self.device = step, device
        self.is_warm = False
        self.graph = None

    def __call__(self):
        """Do the next step; the first compiles, the second is recorded."""
        with torch.cuda.device(self.device):
            if not self.is_warm:
                stream = _side_stream(self.device)
                stream.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(stream):
                    self.step()
                torch.cuda.current_stream().wait_stream(stream)
                self.is_warm = True
                return
            if self.graph is None:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=_side_stream(self.device)):
                    self.step()  # recorded, not carried out
                self.graph = graph
            self.graph.replay()


@functools.cache
def _side_stream(device):
    """The stream to record on: libraries keep 32 MB for each one they see."""
    return torch.cuda.Stream(device)


def _reader(model, state, compiled):
    """What reads one token a row of this batch, (batch, 1) -> logits."""
    cache, key_mask = state.cache, state.key_mask
    if cache.static and fused_step.is_available(model):
        return fused_step.FusedStep(model, cache, key_mask)
    run = _compile(model) if compiled else model

    def read(token_ids):
        mask = key_mask
        if cache.static:
            mask.index_fill_(1, cache.next_column, True)
        elif mask is not None:
            mask = mask[:, : cache.length + 1]
        return run(token_ids, cache, mask, last_only=True)

    return read


def _compile(model):
    """The model's compiled step, kept for as long as the model lives."""
    if model not in _COMPILED:
        _COMPILED[model] = torch.compile(model.forward, dynamic=False)
    return _COMPILED[model]
