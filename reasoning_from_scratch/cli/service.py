"""Answers in OpenAI's protocol, whole or in pieces, from an `Engine`."""

import asyncio
import json
import math
import secrets
import time
from dataclasses import dataclass, field

from ..evaluation.prompts import render_prompt
from ..settings import get_settings
from .requests import (
    Refused,
    read_body,
    read_flag,
    read_messages,
    read_number,
    read_object,
    read_stops,
)

SECONDS_BETWEEN_LOOKS = 0.5  # whether a client is still there
LEAST_LOGPROB = -9999.0  # JSON has no infinity
MAX_CHARACTERS_PER_TOKEN = 32  # a longer prompt is not even encoded


@dataclass
class Asked:
    """A request that was read, and its rows in the engine."""

    is_chat: bool
    is_streamed: bool
    has_logprobs: bool
    num_alternatives: int
    has_usage: bool  # also at the end of a stream
    num_prompt_tokens: int = 0
    readers: list = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    created: int = field(default_factory=lambda: int(time.time()))
    id: str = field(default_factory=lambda: secrets.token_hex(12))


class Service:
    """Answers requests with what an engine decodes for them."""

    def __init__(self, engine, name, seconds):
        self.engine, self.tokenizer = engine, engine.tokenizer
        self.name, self.seconds = name, seconds
        self.settings = get_settings(name)

    async def models(self, request):
        """Tell what is served."""
        about = {
            "id": self.name,
            "object": "model",
            "created": 0,
            "owned_by": "reasoning_from_scratch",
            "max_model_len": self.engine.context,
            "is_chat": self.settings.is_chat,
            "temperature": self.settings.temperature,
        }
        return {"object": "list", "data": [about]}

    async def chat(self, request):
        """Answer a conversation's last turn."""
        body = await read_body(request)
        turns = read_messages(body)
        options = read_object(body, "chat_template_kwargs")
        thinks = read_flag(options, "enable_thinking", default=True)
        texts = [self.render(turns, thinks)]
        wants = read_flag(body, "logprobs")
        number = read_number(body, "top_logprobs", 0, 0, 20)
        return await self.answer(request, body, texts, True, wants, number)

    async def complete(self, request):
        """Go on with texts as they are."""
        body = await read_body(request)
        texts = body.get("prompt")
        texts = [texts] if isinstance(texts, str) else texts
        is_list = isinstance(texts, list) and texts
        if not is_list or not all(isinstance(text, str) for text in texts):
            raise Refused("prompt must be a string or several", 400, "prompt")
        number = read_number(body, "logprobs", None, 0, 5)
        wants = number is not None
        return await self.answer(request, body, texts, False, wants, number)

    def render(self, turns, thinks):
        """The text that the model goes on with.

        A base model never learned to chat: the last turn is its problem.
        """
        if not self.settings.is_chat:
            way = "step-by-step" if thinks else "direct"
            return render_prompt(
                self.settings.prompts[way], turns[-1]["content"]
            )
        try:
            return self.tokenizer.apply_chat_template(
                turns, enable_thinking=thinks
            )
        except ValueError as error:
            raise Refused(f"{str(error)!r}", 400, "messages") from None

    async def answer(self, request, body, texts, is_chat, wants, number):
        """Put the rows of a request in the engine -> its answer."""
        if body.get("model") not in (None, self.name):
            raise Refused(
                f"no such model; this is {self.name!r}", 404, "model"
            )
        about = read_object(body, "stream_options")
        asked = Asked(
            is_chat=is_chat,
            is_streamed=read_flag(body, "stream"),
            has_logprobs=wants,
            num_alternatives=number or 0,
            has_usage=read_flag(about, "include_usage"),
        )
        self.submit(asked, body, texts)
        if not asked.is_streamed:
            return await self.whole_answer(request, asked)
        stream = self.stream(request, asked)
        await anext(stream)  # begun: now it tidies up whatever happens
        return stream

    def submit(self, asked, body, texts):
        """Make the rows that a request asks for."""
        from ..llm.engine import QueueFull, Reader, ServedRow
        from ..llm.generation import row_seeds

        most = self.engine.max_waiting
        count = read_number(body, "n", 1, 1, most)
        if len(texts) * count > most:
            raise Refused(f"at most {most} answers at once", 400, "n")
        sampling = self.read_sampling(body)
        seed = read_number(body, "seed", None, -(2**63), 2**63 - 1)
        seed = secrets.randbits(62) if seed is None else seed
        stops = read_stops(body)
        limits = [
            read_number(body, name, None, 1, self.engine.context)
            for name in ("max_completion_tokens", "max_tokens")
        ]
        limit = limits[0] or limits[1]
        seeds = row_seeds(texts, None, count, seed)
        for text, numbers in zip(texts, seeds, strict=True):
            prompt = self.encode(text, limit)
            asked.num_prompt_tokens += len(prompt)
            room = self.engine.context - len(prompt)
            for each in numbers:
                row = ServedRow(
                    prompt,
                    each,
                    sampling,
                    limit or min(room, self.settings.max_new_tokens),
                    is_streamed=asked.is_streamed or bool(stops),
                    num_alternatives=asked.num_alternatives,
                    listener=asked.news,
                )
                reader = Reader(
                    row,
                    self.tokenizer,
                    stops,
                    splits=asked.is_chat,
                    is_thinking=asked.is_chat
                    and text.rstrip().endswith("<think>"),
                )
                asked.readers.append(reader)
        try:
            self.engine.submit([reader.row for reader in asked.readers])
        except QueueFull as error:
            raise Refused(str(error), 429) from None

    def read_sampling(self, body):
        """How to sample: as the request says, else as the model's row does."""
        from ..llm import SamplingConfig

        row = self.settings
        heat = read_number(body, "temperature", row.temperature, 0, 100, False)
        top_p = read_number(body, "top_p", row.top_p, 0, 1, False)
        top_k = read_number(body, "top_k", row.top_k, -1, 2**31)
        if heat == 0:
            return SamplingConfig()
        # 0 keeps the likeliest token alone, as our smallest number does
        return SamplingConfig(heat, max(top_k, 0), top_p or 1e-9)

    def encode(self, text, limit):
        """A prompt's token ids, if they leave room for an answer."""
        context = self.engine.context
        prompt = ()
        if len(text) <= MAX_CHARACTERS_PER_TOKEN * context:
            prompt = tuple(self.tokenizer.encode(text))
            if not prompt:
                raise Refused("the prompt is empty")
        if not prompt or len(prompt) + (limit or 1) > context:
            size = f"{len(prompt):,} tokens" if prompt else "too many tokens"
            raise Refused(
                f"the prompt has {size}; with {limit or 1:,} of an answer it "
                f"exceeds the context of {context:,}"
            )
        return prompt

    async def follow(self, request, asked):
        """Yield what comes in: a choice's number, tokens and texts."""
        end = time.monotonic() + self.seconds
        look = 0.0
        waiting = dict(enumerate(asked.readers))
        try:
            while waiting:
                try:
                    async with asyncio.timeout(SECONDS_BETWEEN_LOOKS):
                        await asked.news.wait()
                except TimeoutError:
                    pass
                asked.news.clear()
                now = time.monotonic()
                if now > end:
                    raise Refused(f"no answer in {self.seconds} seconds", 504)
                if now > look:
                    look = now + SECONDS_BETWEEN_LOOKS
                    if await request.is_disconnected():
                        raise Refused("the client went away", 499)
                for number, reader in list(waiting.items()):
                    tokens, pieces = reader.read()
                    if reader.row.error:
                        raise Refused(reader.row.error, 500)
                    if reader.finish_reason:
                        del waiting[number]
                    if tokens or pieces or reader.finish_reason:
                        yield number, tokens, pieces
        finally:
            for reader in asked.readers:
                reader.row.is_finished = True

    async def whole_answer(self, request, asked):
        """The answer to a request that waits for all of it."""
        texts = [{} for _ in asked.readers]
        tokens = [[] for _ in asked.readers]
        async for number, new, pieces in self.follow(request, asked):
            tokens[number] += new
            for kind, text in pieces:
                texts[number][kind] = texts[number].get(kind, "") + text
        choices = [
            self.choice(asked, number, new, text, reader.finish_reason)
            for number, (new, text, reader) in enumerate(
                zip(tokens, texts, asked.readers, strict=True)
            )
        ]
        return {**self.head(asked, choices), "usage": self.usage(asked)}

    async def stream(self, request, asked):
        """The answer in pieces, as server-sent events; the first is empty."""
        events = self.follow(request, asked)
        try:
            yield ""
            async for number, tokens, pieces in events:
                reason = asked.readers[number].finish_reason
                for kind, text in pieces or [("content", "")]:
                    choice = self.choice(asked, number, tokens, {kind: text})
                    tokens = []  # told once
                    yield event(self.head(asked, [choice]))
                if reason:
                    choice = self.choice(asked, number, [], {}, reason)
                    yield event(self.head(asked, [choice]))
            if asked.has_usage:
                usage = {"usage": self.usage(asked)}
                yield event(self.head(asked, []) | usage)
        except Refused as refusal:
            yield event(refusal.as_body())
        finally:
            await events.aclose()
            for reader in asked.readers:
                reader.row.is_finished = True
        yield "data: [DONE]\n\n"

    def head(self, asked, choices):
        """What every answer and every piece of one begins with."""
        kind = "text_completion"
        if asked.is_chat:
            kind = "chat.completion" + ".chunk" * asked.is_streamed
        return {
            "id": f"rfs-{asked.id}",
            "object": kind,
            "created": asked.created,
            "model": self.name,
            "choices": choices,
        }

    def usage(self, asked):
        """How many tokens were read and written."""
        written = sum(reader.num_read for reader in asked.readers)
        return {
            "prompt_tokens": asked.num_prompt_tokens,
            "completion_tokens": written,
            "total_tokens": asked.num_prompt_tokens + written,
        }

    def choice(self, asked, number, tokens, texts, reason=None):
        """One answer, or a piece of it."""
        choice = {"index": number, "finish_reason": reason, "logprobs": None}
        tokens = tokens if asked.has_logprobs else []
        entries = (self.describe_token(asked, number, t) for t in tokens)
        entries = list(filter(None, entries))
        if not asked.is_chat:
            choice["text"] = texts.get("content", "")
            if asked.has_logprobs:
                choice["logprobs"] = {
                    "tokens": [e["token"] for e in entries],
                    "token_logprobs": [e["logprob"] for e in entries],
                    "top_logprobs": [
                        {
                            e["token"]: e["logprob"]
                            for e in each["top_logprobs"]
                        }
                        for each in entries
                    ],
                    "text_offset": [],
                }
            return choice
        if asked.has_logprobs:
            choice["logprobs"] = {"content": entries}
        if asked.is_streamed:
            return choice | {"delta": {"role": "assistant", **texts}}
        message = {"role": "assistant", "content": "", **texts}
        return choice | {"message": message}

    def describe_token(self, asked, number, token):
        """A token with its log-probability; none of the one that ends."""
        written = asked.readers[number].row.written
        token_id = written["token_ids"][token]
        if token_id in self.tokenizer.stop_ids:
            return None
        entry = self.describe(token_id, written["logprobs"][token])
        entry["top_logprobs"] = []
        if count := asked.num_alternatives:
            names = ("alternatives", "alternative_logprobs")
            ids, logprobs = (written[name][token][:count] for name in names)
            entry["top_logprobs"] = list(map(self.describe, ids, logprobs))
        return entry

    def describe(self, token_id, logprob):
        """A token's text, bytes and log-probability."""
        content = self.tokenizer.token_bytes(token_id)
        return {
            "token": content.decode("utf-8", "replace"),
            "logprob": logprob if math.isfinite(logprob) else LEAST_LOGPROB,
            "bytes": list(content),
        }


def event(content) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(content)}\n\n"
