"""The decoding loop: one new token for every row, again and again.

Whole answers, streams, groups of samples and a server's requests are ways of
consuming `decode`. A row that has finished gives its place to one that waits
(continuous batching); when none waits, the batch shrinks.

Source: Yu et al. 2022, "Orca" (scheduling by iteration).
"""

import functools
from collections import defaultdict
from dataclasses import dataclass, field

import torch

from reasoning_from_scratch.device import compile_or_eager

from .kv_cache import KVCache
from .sampling import SamplingConfig, choose_token, uniform_numbers

# Looking for rows that finished waits for a device other than the CPU
STEPS_BETWEEN_LOOKS = 8
SHARE_TO_CHANGE = 1 / 8  # of the places: then reading prompts, moving pays
ROWS_FILLED_AT_ONCE = 64  # bounds the memory that reading prompts takes
STATIC_COLUMNS = 64  # the width of a static cache is a multiple of this


@dataclass(eq=False)
class Row:
    """A completion to be written, and what has been written of it."""

    prompt: tuple  # token ids
    seed: int  # from `row_seed`
    sampling: SamplingConfig
    max_new_tokens: int
    is_finished: bool = False  # set it, and the row leaves
    # Name -> an entry per token: token_ids, logprobs, and what is measured
    written: dict = field(default_factory=lambda: defaultdict(list))

    @property
    def token_ids(self):
        return self.written["token_ids"]


NOBODY = Row((), 0, SamplingConfig(), 0, is_finished=True)


def graphed_step(run, cache, token_ids):
    """A decoding step, a thousand short kernels, replayed by one launch.

    A CUDA graph reads and writes fixed addresses, those of a static cache and
    of token_ids; the logits that it returns are overwritten by the next call.
    """
    device = token_ids.device
    lengths = cache.lengths.clone()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        # Once beforehand: compiles, and libraries take their workspace
        stream, pool = _recording(device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            run(token_ids, cache, last_only=True)
            cache.lengths.copy_(lengths)
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph, pool):  # recorded, not carried out
            logits = run(token_ids, cache, last_only=True)

    def replay():
        graph.replay()
        return logits

    return replay


@functools.cache
def _recording(device):
    """A stream, for libraries keep 32 MB for each, and graphs' memory."""
    return torch.cuda.Stream(device), torch.cuda.graph_pool_handle()


class DecodingBatch:
    """The rows that are decoded together, each in a place of the cache.

    A finished row stays where it is, unread, until its place is needed.
    """

    def __init__(self, model, cache, rows=()):
        self.model, self.cache = model, cache
        self.rows = list(rows)  # whose prompts have been read, by place
        # (places, 1), what each row reads next
        self.token_ids = torch.zeros_like(cache.lengths)[:, None]
        for place, row in enumerate(self.rows):
            self.token_ids[place] = row.prompt[-1]
        self.steps = {}  # number of rows -> `graphed_step`

    @classmethod
    def make(cls, model, num_places, max_tokens, *, static=False):
        """A batch with room for so many rows of so many tokens.

        `static` means fixed shapes, for a compiled step or a CUDA graph.
        """
        max_tokens += STEPS_BETWEEN_LOOKS  # a finished row goes on so long
        if static:  # few shapes, for each one is compiled
            max_tokens += -max_tokens % STATIC_COLUMNS
        cache = KVCache.of(model, num_places, max_tokens, static=static)
        return cls(model, cache)

    def change_rows(self, waiting):
        """Let the first of a deque take the places of finished rows."""
        num_places = len(self.token_ids)
        num_active = sum(not row.is_finished for row in self.rows)
        num_new = min(num_places - num_active, len(waiting))
        if num_new < min(len(waiting), SHARE_TO_CHANGE * num_places):
            num_new = 0
        size = num_active + num_new
        if size == 0:
            self.rows = []
            return
        if self.cache.static:  # powers of two, for few shapes
            size = min(num_places, 1 << (size - 1).bit_length())
        surplus = len(self.rows) - size
        if surplus < 0 or surplus >= SHARE_TO_CHANGE * len(self.rows):
            self._resize(size)
        free = [
            place for place, row in enumerate(self.rows) if row.is_finished
        ]
        if free:
            self.cache.lengths[free] = 0
            self.cache.measure()
        new = [waiting.popleft() for _ in range(num_new)]
        for start in range(0, num_new, ROWS_FILLED_AT_ONCE):
            part = slice(start, min(start + ROWS_FILLED_AT_ONCE, num_new))
            self._fill(free[part], new[part])

    def _resize(self, size):
        """Rows that stand behind the new end take free places before it."""
        rows = [*self.rows, *[NOBODY] * size][:size]
        free = (place for place, row in enumerate(rows) if row.is_finished)
        order = list(range(size))
        for place, row in enumerate(self.rows[size:], start=size):
            if not row.is_finished:
                target = next(free)
                rows[target], order[target] = row, place
        self.rows = rows
        order = self.token_ids.new_tensor(order)
        self.cache.keep(order)
        self.token_ids[:size] = self.token_ids[order]

    def _fill(self, places, rows):
        """Read the prompts of new rows, but for the last token of each.

        They are padded on the right, where a causal model never looks, and
        one that several rows share is read once.
        """
        tensor = self.token_ids.new_tensor
        prompts = list(dict.fromkeys(row.prompt for row in rows))
        numbers = {prompt: number for number, prompt in enumerate(prompts)}
        sources = tensor([numbers[row.prompt] for row in rows])
        lengths = [len(prompt) - 1 for prompt in prompts]
        width = max(lengths)
        cache = KVCache.of(self.model, len(prompts), width)
        padded = tensor([(*ids, *[0] * width)[:width] for ids in prompts])
        if width:
            self.model.hidden_states(padded, cache)
        cache.lengths = tensor(lengths)
        self.cache.take(tensor(places), cache, sources)
        last = tensor([prompt[-1] for prompt in prompts])
        self.token_ids[places, 0] = last[sources]
        for place, row in zip(places, rows, strict=True):
            self.rows[place] = row

    def next_logits(self, compiled):
        """Read one token per row -> logits (batch, vocab)."""
        size = len(self.rows)
        token_ids = self.token_ids[:size]
        run = self.model
        if compiled:
            run = functools.partial(_compile(type(run).forward), run)
        if not (self.cache.static and token_ids.is_cuda):
            return run(token_ids, self.cache, last_only=True)[:, -1]
        if size not in self.steps:
            self.steps[size] = graphed_step(run, self.cache, token_ids)
        return self.steps[size]()[:, -1]

    def choose(self, logits, uniform, vocab_size):
        """A token for every row -> token ids and logprobs, (batch,) each."""
        groups = defaultdict(list)
        for place, row in enumerate(self.rows):
            if not row.is_finished:
                groups[row.sampling].append(place)
        if len(groups) == 1:
            return choose_token(logits, uniform, *groups, vocab_size)
        token_ids = torch.zeros_like(self.token_ids[: len(logits), 0])
        logprobs = torch.zeros_like(uniform)
        for sampling, places in groups.items():
            token_ids[places], logprobs[places] = choose_token(
                logits[places], uniform[places], sampling, vocab_size
            )
        return token_ids, logprobs

    def uniform_numbers(self, num_steps):
        """(batch, steps) random numbers of the tokens that come next."""
        seeds = torch.tensor([row.seed for row in self.rows])
        done = torch.tensor([len(row.token_ids) for row in self.rows])
        # On the CPU: not every device multiplies and shifts 64 bits alike
        numbers = uniform_numbers(seeds, num_steps, done)
        return numbers.to(self.token_ids.device)

    def record(self, steps, stop_ids):
        """Give every row its part of (batch, steps), up to its end."""
        is_stop = torch.isin(steps["token_ids"], stop_ids)
        num_steps = is_stop.shape[1]
        is_stop = torch.nn.functional.pad(is_stop, (0, 1), value=True)
        ends = is_stop.int().argmax(dim=1).tolist()  # no stop: num_steps
        steps = {name: values.tolist() for name, values in steps.items()}
        for place, row in enumerate(self.rows):
            if row.is_finished:
                continue
            room = row.max_new_tokens - len(row.token_ids)
            count = min(ends[place] + 1, num_steps, room)
            for name, values in steps.items():
                row.written[name] += values[place][:count]
            if ends[place] < count or count == room:
                row.is_finished = True


@torch.inference_mode()
def decode(
    batch,
    waiting,
    *,
    stop_ids,
    vocab_size=None,
    measure=None,
    compiled=False,
    edit=None,
    steps_between_looks=None,
):
    """Decode a deque of `Row`s until each has its end.

    Yields, a few steps apart, the rows that have been given tokens. Others
    may then be added to the deque, and any may be set to be finished.

    Args:
        vocab_size: as for `choose_token`.
        measure: callable (logits) -> dict of tensors with an entry a
            row, recorded for every token.
        compiled: run the step through torch.compile (where there is a
            compiler); needs a static cache.
        edit: callable (rows, token_ids) -> token_ids, (batch,) both, that
            may put other tokens in the place of those chosen; their
            log-probability is recorded as 0, for nobody drew them.
        steps_between_looks: None is one on a CPU.
    """
    stop_ids = batch.token_ids.new_tensor(list(stop_ids))
    is_each = edit is not None or stop_ids.device.type == "cpu"
    interval = steps_between_looks or (1 if is_each else STEPS_BETWEEN_LOOKS)
    while True:
        batch.change_rows(waiting)
        rows = [row for row in batch.rows if not row.is_finished]
        if not rows:
            return
        left = max(row.max_new_tokens - len(row.token_ids) for row in rows)
        uniform = batch.uniform_numbers(min(interval, left))
        steps = defaultdict(list)
        for numbers in uniform.unbind(dim=1):
            logits = batch.next_logits(compiled)
            token_ids, logprobs = batch.choose(logits, numbers, vocab_size)
            if edit is not None:
                chosen, token_ids = token_ids, edit(batch.rows, token_ids)
                logprobs = logprobs.masked_fill(token_ids != chosen, 0.0)
            batch.token_ids[: len(token_ids), 0] = token_ids
            steps["token_ids"].append(token_ids)
            steps["logprobs"].append(logprobs)
            if measure is not None:
                for name, values in measure(logits).items():
                    steps[name].append(values)
        columns = {name: torch.stack(each, 1) for name, each in steps.items()}
        batch.record(columns, stop_ids)
        yield rows


@functools.cache
def _compile(forward):
    """A class's step, compiled; it holds on to none of the models."""
    return compile_or_eager(forward, dynamic=False)
