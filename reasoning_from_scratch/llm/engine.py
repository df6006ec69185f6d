"""One thread that runs the decoding loop for whoever asks.

Requests become rows of one batch: each joins at the next step that has a
place, is sampled in its own way, and leaves when it ends or when nobody waits
for it any more. `Reader` turns a row's tokens into text as they come.
"""

import asyncio
import threading
from collections import deque
from dataclasses import dataclass

import torch

from .decoding import DecodingBatch, Row, decode

STEPS_OF_PATIENCE = 1 / 8  # for each row of the batch
MAX_ALTERNATIVES = 20  # likeliest tokens that a row can be told of
THINKING, ENDED = "<think>", "</think>"


class QueueFull(Exception):
    """More rows wait than the engine was made for."""


@dataclass(eq=False)
class ServedRow(Row):
    """A row, and who is to be told of its tokens."""

    is_streamed: bool = False  # told of each token, not only of the end
    num_alternatives: int = 0
    listener: asyncio.Event | None = None
    error: str = ""


class Engine:
    """Decodes rows that come and go, at most `num_places` at once.

    Args:
        context: tokens of a row, its prompt included.
        max_waiting: rows without a place; more raise `QueueFull`.
    """

    def __init__(self, model, tokenizer, num_places, context, max_waiting):
        self.model, self.tokenizer = model, tokenizer
        self.num_places, self.context = num_places, context
        self.max_waiting = max_waiting
        self.rows = []  # those under way, with a place or without
        self.waiting = deque()  # touched by the thread alone
        self.inbox = deque()
        self._steps = 0  # since prompts were last taken in
        self._has_work = threading.Event()
        is_static = model.device.type == "cuda"
        self.batch = DecodingBatch.make(
            model, num_places, context, static=is_static
        )
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def num_active(self):
        """Rows that hold a place."""
        return sum(not row.is_finished for row in self.batch.rows)

    def submit(self, rows):
        """Let rows be decoded; called in the listeners' event loop."""
        self.rows = [row for row in self.rows if not row.is_finished]
        num_rows = len(self.rows) + len(rows)
        if num_rows > self.max_waiting + self.num_places:
            raise QueueFull(
                f"{len(self.rows)} answers are under way; try again later"
            )
        self.rows += rows
        self._loop = asyncio.get_running_loop()
        self.inbox.extend(rows)
        self._has_work.set()

    def _run(self):
        """The thread: decode whatever there is, then wait for more."""
        while True:
            self._has_work.wait()
            self._has_work.clear()
            try:
                self._admit()
                for rows in decode(
                    self.batch,
                    self.waiting,
                    stop_ids=self.tokenizer.stop_ids,
                    vocab_size=self.tokenizer.vocab_size,
                    measure=self._find_alternatives,
                ):
                    self._tell(rows)
                    self._admit()
            except Exception as error:  # of this batch; the next may work
                failed = [row for row in self.rows if not row.is_finished]
                for row in failed:
                    row.error = f"{type(error).__name__}: {error}"
                    row.is_finished = True
                self.batch.rows = []
                self._tell(failed)

    def _admit(self):
        """Take in what was submitted; forget what nobody waits for.

        A full batch does so every few steps, for each reading of prompts
        makes all of its rows wait.
        """
        self._steps += 1
        if self._steps < self.num_active * STEPS_OF_PATIENCE:
            return
        self._steps = 0
        rows = list(self.waiting)
        self.waiting.clear()
        while self.inbox:
            rows.append(self.inbox.popleft())
        self.waiting.extend(row for row in rows if not row.is_finished)

    def _tell(self, rows):
        """Wake those who wait for these rows, by one call for all."""
        rows = [row for row in rows if row.is_finished or row.is_streamed]
        if rows:
            self._loop.call_soon_threadsafe(_wake, rows)

    def _find_alternatives(self, logits):
        """The likeliest tokens, where a row of the batch asks for them."""
        rows = self.batch.rows
        if not any(row.num_alternatives for row in rows):
            return {}
        scale = [row.sampling.temperature or 1.0 for row in rows]
        scale = torch.tensor(scale, device=logits.device)[:, None]
        logprobs = (logits.float() / scale).log_softmax(dim=-1)
        count = min(MAX_ALTERNATIVES, logprobs.shape[-1])
        likeliest = logprobs.topk(count, dim=-1)
        return {
            "alternatives": likeliest.indices,
            "alternative_logprobs": likeliest.values,
        }


def _wake(rows):
    for row in rows:
        row.listener.set()


class Reader:
    """Reads a row's tokens as text: thoughts, an answer, and where to stop.

    Args:
        stops: texts that end the answer and do not belong to it.
        splits: part what stands in a think block from the answer.
        is_thinking: the prompt has opened the block already.
    """

    def __init__(
        self, row, tokenizer, stops=(), *, splits=False, is_thinking=False
    ):
        self.row, self.tokenizer, self.stops = row, tokenizer, stops
        self.kind = "reasoning_content" if is_thinking else "content"
        self.may_open = splits and not is_thinking
        self.at_start = is_thinking  # of a part: white space is left out
        self.decoder = tokenizer.stream_decoder()
        self.held = ""  # text that may be the beginning of a mark
        self.num_read = 0  # tokens
        self.finish_reason = None

    def read(self):
        """Read what is new -> numbers of its tokens, pairs (kind, text)."""
        first, pieces = self.num_read, []
        is_whole = self.row.is_finished  # asked first: tokens may come in
        text = ""
        for token in self.row.token_ids[first:]:
            if self.finish_reason:
                break
            self.num_read += 1
            if token in self.tokenizer.stop_ids:
                self.finish_reason = "stop"
                break
            text += self.decoder.push(token)
            if self.stops:  # the token that completes one is the last
                self._push(text, pieces)
                text = ""
        self._push(text, pieces)
        if is_whole and not self.finish_reason:
            self.finish_reason = "length"
        if self.finish_reason and not self.row.error:
            self._push(self.decoder.flush(), pieces, is_last=True)
            self.row.is_finished = True
        return range(first, self.num_read), pieces

    def _push(self, text, pieces, is_last=False):
        """Add text, and take out what can be no mark any more."""
        self.held += text
        if self.may_open:
            start = self.held.lstrip()
            if THINKING.startswith(start) and not is_last:
                return
            self.may_open = False
            if start.startswith(THINKING):
                self.held = start.removeprefix(THINKING)
                self.kind, self.at_start = "reasoning_content", True
        marks = list(self.stops)
        if self.kind == "reasoning_content":
            marks.append(ENDED)
        found = [(self.held.find(m), m) for m in marks if m in self.held]
        if found:
            place, mark = min(found)
            rest = self.held[place + len(mark) :]
            self._take(place, pieces)
            self.held = ""
            if mark in self.stops:
                self.finish_reason = "stop"
            else:
                self.kind, self.at_start = "content", True
                self._push(rest, pieces, is_last)
        else:
            ends = (m[:k] for m in marks for k in range(1, len(m)))
            ends = (len(end) for end in ends if self.held.endswith(end))
            kept = 0 if is_last else max(ends, default=0)
            self._take(len(self.held) - kept, pieces)

    def _take(self, size, pieces):
        text, self.held = self.held[:size], self.held[size:]
        if self.at_start:
            text = text.lstrip()
        if text:
            self.at_start = False
            pieces.append((self.kind, text))
