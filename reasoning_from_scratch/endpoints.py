"""A client for chat endpoints that speak OpenAI's protocol.

Trouble that may pass is tried again, later each time; what cannot be mended
becomes an `EndpointError` for that one request. The key is read from the
environment when it is needed, so that nothing of ours can hold it.
"""

import email.utils
import json
import os
import random
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

import httpx

from reasoning_from_scratch.options import check_options, option

RETRIED_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
RETRIED_STATUSES |= frozenset(range(520, 525))  # a proxy's, of its server
MAX_BODY_BYTES = 32 * 2**20
SHORTEST_SECRET = 7  # "EMPTY" and "ollama" are stand-ins, and may be words
# What reading JSON of another form than expected may raise
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


@dataclass(frozen=True)
class EndpointSettings:
    """Where to ask, how patiently, and how much may be spent."""

    base_url: str  # such as http://localhost:8000/v1
    model: str
    key_variable: str = option(
        "OPENAI_API_KEY", "environment variable that holds the key"
    )
    timeout: float = option(300.0, "seconds to wait for one answer")
    max_retries: int = option(
        5, "further attempts when a request fails", least=0
    )
    first_delay: float = 1.0  # seconds; doubles with every retry
    max_delay: float = 120.0  # seconds; a longer Retry-After gives up
    max_concurrent: int = option(8, "requests under way at once")
    requests_per_minute: float | None = option(None, "rate limit")
    max_requests: int | None = option(
        None, "budget: attempts, retries included"
    )
    max_tokens: int | None = option(
        None, "budget: tokens of prompts and answers together"
    )

    def __post_init__(self):
        check_options(self)
        parts = urlsplit(self.base_url)
        is_http = parts.scheme in ("http", "https") and parts.hostname
        if not is_http or parts.username or parts.password or parts.query:
            raise ValueError(
                "base_url must begin with http:// or https:// and hold no "
                "user, password or query; the key belongs into the "
                f"environment variable {self.key_variable}"
            )


@dataclass(frozen=True)
class Completion:
    """One answer of the endpoint."""

    text: str
    thinking: str  # what a reasoning model sent apart from its answer
    finish_reason: str  # "stop", "length", …
    num_tokens: int  # of thinking and text


class EndpointError(Exception):
    """A request that stays unanswered; the message says why."""


class BudgetSpent(EndpointError):
    """The request was not sent: the allowance is used up."""


class _Passing(EndpointError):
    """Trouble that may pass."""

    wait = 0.0  # seconds, what the server asks for


class EndpointClient:
    """Sends chat requests, alone or many at once; counts what they cost."""

    def __init__(self, settings):
        self.settings = settings
        self.num_requests = 0  # attempts sent so far
        self.num_tokens = 0  # paid for so far
        self._lock = threading.Lock()
        self._next_start = 0.0  # on the monotonic clock, for the rate limit
        self._stopped = threading.Event()
        limits = httpx.Limits(max_connections=settings.max_concurrent)
        self._http = httpx.Client(timeout=settings.timeout, limits=limits)
        self._url = settings.base_url.rstrip("/") + "/chat/completions"

    def complete(self, messages, **options):
        """Ask for a `Completion`; options as the temperature are sent along.

        Requests already under way may still overshoot max_tokens.
        """
        known = self.settings
        body = {"model": known.model, "messages": messages, **options}
        for attempt in range(known.max_retries + 1):
            self._take_turn()
            try:
                return self._read_completion(self._post(body))
            except _Passing as trouble:
                last = trouble
            if last.wait > known.max_delay:
                raise EndpointError(
                    f"{last}; the server asks to wait {last.wait:.0f} s, "
                    f"longer than max_delay ({known.max_delay:.0f} s)"
                )
            if attempt < known.max_retries:  # doubling, with jitter
                longest = min(known.first_delay * 2**attempt, known.max_delay)
                jitter = random.uniform(0.5, 1.0)
                self._sleep(max(last.wait, jitter * longest))
        raise EndpointError(f"{last} (gave up after {attempt + 1} attempts)")

    def complete_many(self, requests, **options):
        """Ask for many answers at once and yield them as they come in.

        Pairs of an id and messages are taken as they are needed; each id
        comes back once, with a Completion or with its EndpointError.
        """

        def ask(messages):
            try:
                return self.complete(messages, **options)
            except EndpointError as error:
                return error

        pool = ThreadPoolExecutor(self.settings.max_concurrent)
        pending, requests = {}, iter(requests)
        try:
            while True:
                room = self.settings.max_concurrent - len(pending)
                for request_id, messages in islice(requests, room):
                    pending[pool.submit(ask, messages)] = request_id
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(future), future.result()
        except KeyboardInterrupt:
            self._stopped.set()  # what is under way is not tried again
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _take_turn(self):
        """Count the attempt against the budget and wait for the rate."""
        per_minute = self.settings.requests_per_minute
        with self._lock:
            for what in ("requests", "tokens"):
                spent = getattr(self, f"num_{what}")
                most = getattr(self.settings, f"max_{what}")
                if most is not None and spent >= most:
                    raise BudgetSpent(
                        f"the budget is spent: {spent:,} of max_{what}={most}"
                    )
            self.num_requests += 1
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + (60 / per_minute if per_minute else 0)
        self._sleep(start - now)

    def _sleep(self, seconds):
        """Wait, unless the user stops it."""
        if self._stopped.wait(seconds):
            raise EndpointError("stopped before the answer")

    def _post(self, body):
        """Send one request and return the body of a good answer."""
        deadline = time.monotonic() + self.settings.timeout
        content = bytearray()
        try:
            with self._http.stream(
                "POST", self._url, json=body, headers=self._headers()
            ) as response:
                for chunk in response.iter_bytes():  # endless, or in drops
                    content += chunk
                    if len(content) > MAX_BODY_BYTES:
                        raise _Passing("the answer exceeds 32 MiB")
                    if time.monotonic() > deadline:
                        raise _Passing("the answer did not end in time")
        except ValueError as error:  # the key or the body is unfit
            raise EndpointError(str(error)) from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            reason = self._scrub(str(error)) or type(error).__name__
            raise _Passing(f"no answer from {self._url}: {reason}") from None
        if response.status_code == 200:
            return content
        excerpt = self._scrub(content[:300].decode("utf-8", "replace"))
        message = f"{self._url} answered {response.status_code}: {excerpt}"
        if response.status_code not in RETRIED_STATUSES:
            raise EndpointError(message)
        trouble = _Passing(message)
        asked = response.headers.get("retry-after", "").strip()
        trouble.wait = _seconds(asked)
        raise trouble

    def _key(self):
        return os.environ.get(self.settings.key_variable, "").strip()

    def _headers(self):
        """The authorization header, where there is a key."""
        key = self._key()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(
                f"{self.settings.key_variable} holds characters that no key "
                "has; set it to the bare key"
            )
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _scrub(self, text):
        """Take the key, and characters that are none, out of a text."""
        key, text = self._key(), text.encode("utf-8", "replace").decode()
        is_secret = len(key) >= SHORTEST_SECRET
        return text.replace(key, "[key]") if is_secret else text

    def _read_completion(self, content):
        """Parse an answer; count its tokens, which are paid for anyway."""
        usage = None
        try:
            answer = json.loads(content)
            usage = answer.get("usage")
            choice = answer["choices"][0]
            message = choice["message"]
            by_server = map(message.get, ("reasoning_content", "reasoning"))
            texts = [
                message.get("content") or "",
                next(filter(None, by_server), ""),
                choice.get("finish_reason") or "",
            ]
            text, thinking, finish_reason = map(self._scrub, texts)
        except (*UNREADABLE, RecursionError) as error:
            self._count_tokens(usage, guess=0)
            start = self._scrub(content[:80].decode("utf-8", "replace"))
            raise _Passing(
                f"{self._url} answered in an unknown form "
                f"({type(error).__name__}): {start!r}"
            ) from None
        # Without a count, about three characters for each token
        guess = (len(text) + len(thinking)) // 3 + 1
        num_tokens = self._count_tokens(usage, guess)
        return Completion(text, thinking, finish_reason, num_tokens)

    def _count_tokens(self, usage, guess):
        """Add up what an answer cost; returns the part without its prompt."""
        usage = usage if isinstance(usage, dict) else {}
        counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
        num_prompt, num_new = (
            count if type(count) is int and count >= 0 else default
            for count, default in zip(counts, (0, guess), strict=True)
        )
        with self._lock:
            self.num_tokens += num_prompt + num_new
        return num_new


def _seconds(value):
    """Read Retry-After, in seconds or as a date; 0 where it is neither."""
    try:
        if value.replace(".", "", 1).isdecimal():
            return float(value)
        moment = email.utils.parsedate_to_datetime(value)
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
