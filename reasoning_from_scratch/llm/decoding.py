"""The decoding loop: one new token for every row, again and again.

Whole answers, streams and groups of samples are ways of consuming `decode`.
Unequal prompts are padded on the left, a prompt is prefilled once for all of
its samples, and rows that have finished leave the batch.
"""

import functools
import weakref

import torch

from reasoning_from_scratch.device import compile_or_eager

from .kv_cache import KVCache
from .logprobs import distribution_statistics
from .sampling import choose_token, uniform_numbers

# A device other than the CPU waits for the host at every look at `finished`
STEPS_BETWEEN_LOOKS = 8
# Copying the cache to drop rows pays once this share of them has finished
SHARE_TO_DROP = 1 / 8

STATIC_COLUMNS = 64  # the width of a static cache is a multiple of this

_COMPILED = weakref.WeakKeyDictionary()


class GraphedStep:
    """A decoding step, a thousand short kernels, replayed by one launch.

    A CUDA graph reads and writes fixed addresses, so the step needs a static
    cache and a token tensor of its own; another batch is recorded anew.
    """

    def __init__(self, run, cache, key_mask):
        device = key_mask.device
        self.buffers = cache.keys[0]
        self.token_ids = torch.zeros(
            cache.batch_size, 1, dtype=torch.long, device=device
        )
        length = cache.next_column.clone()

        def step():
            return run(self.token_ids, cache, key_mask, last_only=True)

        with torch.cuda.device(device):
            # Once beforehand: compiles, and libraries take their workspace
            stream = _side_stream(device)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                step()
                cache.next_column.copy_(length)
            torch.cuda.current_stream().wait_stream(stream)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):  # recorded, not carried out
                self.logits = step()

    def replay(self, token_ids):
        """Read (batch, 1) tokens -> logits, overwritten by the next call."""
        self.token_ids.copy_(token_ids)
        self.graph.replay()
        return self.logits


@functools.cache
def _side_stream(device):
    """The stream to warm up on: libraries keep 32 MB for each one they see."""
    return torch.cuda.Stream(device)


class DecodingState:
    """Everything that changes while decoding; rows are samples."""

    def __init__(self, logits, cache, key_mask, max_new_tokens):
        rows, device = len(logits), logits.device
        # The results, by original row; (rows,) of the tokens count
        self.token_ids = torch.zeros(
            rows, max_new_tokens, dtype=torch.long, device=device
        )
        self.logprobs = torch.zeros(rows, max_new_tokens, device=device)
        self.num_tokens = torch.zeros(rows, dtype=torch.long, device=device)
        self.statistics = {}  # name -> (rows, max_new_tokens)
        # The batch: its rows' original numbers, (batch,), and what they read
        self.active = torch.arange(rows, device=device)
        self.finished = torch.zeros(rows, dtype=torch.bool, device=device)
        self.logits = logits  # (batch, vocab) of the next token
        self.cache = cache
        self.key_mask = key_mask  # (batch, max_tokens), None: no padding
        self.graph = None  # the `GraphedStep` of the batch as it is

    def record(self, position, token_ids, logprobs, stop_ids):
        """Store one new token a row and note which rows it ends."""
        self.token_ids[self.active, position] = token_ids
        self.logprobs[self.active, position] = logprobs
        self.num_tokens[self.active] += ~self.finished
        if len(stop_ids):
            self.finished |= torch.isin(token_ids, stop_ids)

    def record_statistics(self, position):
        """Store the measures of the distribution behind the token."""
        for name, values in distribution_statistics(self.logits).items():
            if name not in self.statistics:
                self.statistics[name] = torch.zeros_like(self.logprobs)
            self.statistics[name][self.active, position] = values

    def drop_finished(self, token_ids):
        """Let finished rows leave; returns the remaining rows' tokens."""
        batch = len(self.active)
        num_left = int((~self.finished).sum())
        size = num_left
        if self.cache.static:  # powers of two, for each shape is compiled
            size = min(batch, 1 << max(num_left - 1, 0).bit_length())
        if num_left == 0 or batch - size < max(1, SHARE_TO_DROP * batch):
            return token_ids
        # Those still running behind the new end take finished rows' places
        rows = torch.arange(batch, device=self.active.device)[:size]
        moving = size + (~self.finished[size:]).nonzero()[:, 0]
        free = self.finished[:size].nonzero()[:, 0]
        rows[free[: len(moving)]] = moving
        self.cache.keep(rows)
        self.active, self.finished = self.active[rows], self.finished[rows]
        if self.key_mask is not None:
            self.key_mask = self.key_mask[rows]
        return token_ids[rows]


@torch.inference_mode()
def prefill(model, prompts, *, num_samples, max_new_tokens, static=False):
    """Read lists of token ids once and make room for all their samples.

    `static` means fixed shapes, for a compiled step or a CUDA graph.
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
    return DecodingState(logits, cache, key_mask, max_new_tokens)


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
    """Fill a state until every row has stopped; yields after each token.

    Args:
        row_seeds: (rows,) int64 from `row_seed`.
        vocab_size: as for `choose_token`.
        compiled: run the step through torch.compile (where there is a
            compiler); needs a static cache.
        edit: callable (state, position, token_ids) -> token_ids, (batch,)
            both, that may put other tokens in the place of those chosen;
            their log-probability is recorded as 0, for nobody drew them.
    """
    max_new_tokens = state.token_ids.shape[1]
    device = state.logits.device
    # On the CPU: not every device multiplies and shifts 64 bits alike
    uniform = uniform_numbers(row_seeds.cpu(), max_new_tokens).to(device)
    stop_ids = torch.tensor(list(stop_ids), dtype=torch.long, device=device)
    interval = 1 if device.type == "cpu" else STEPS_BETWEEN_LOOKS
    for position in range(max_new_tokens):
        with torch.inference_mode():
            token_ids, logprobs = choose_token(
                state.logits,
                uniform[state.active, position],
                sampling,
                vocab_size,
            )
            if edit is not None:
                chosen, token_ids = token_ids, edit(state, position, token_ids)
                logprobs = logprobs.masked_fill(token_ids != chosen, 0.0)
            if statistics:
                state.record_statistics(position)
            state.record(position, token_ids, logprobs, stop_ids)
        yield position + 1
        if position + 1 == max_new_tokens:
            return
        with torch.inference_mode():
            if (position + 1) % interval == 0 and len(stop_ids):
                if bool(state.finished.all()):
                    return
                token_ids = state.drop_finished(token_ids)
            state.logits = _next_logits(model, state, token_ids, compiled)


def _next_logits(model, state, token_ids, compiled):
    """Read one token a row, (batch,) -> logits (batch, vocab)."""
    cache, key_mask = state.cache, state.key_mask
    if cache.static:
        key_mask.index_fill_(1, cache.next_column, True)
    elif key_mask is not None:
        key_mask = key_mask[:, : cache.length + 1]
    run = _compile(model) if compiled else model
    if cache.static and key_mask.is_cuda:
        recorded = state.graph and state.graph.buffers
        if recorded is not cache.keys[0]:
            state.graph = GraphedStep(run, cache, key_mask)
        return state.graph.replay(token_ids[:, None])[:, -1]
    return run(token_ids[:, None], cache, key_mask, last_only=True)[:, -1]


def _compile(model):
    """The model's compiled step, kept for as long as the model lives."""
    if model not in _COMPILED:
        _COMPILED[model] = compile_or_eager(model.forward, dynamic=False)
    return _COMPILED[model]
