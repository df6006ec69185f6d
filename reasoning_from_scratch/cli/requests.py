"""Reading a request of OpenAI's protocol, which anybody may have written.

Whatever is wrong becomes a `Refused`: a status and a sentence.
"""

import asyncio
import json

MAX_BODY_BYTES = 2**20
BODY_SECONDS = 30  # for all of it to arrive
MAX_STOPS, MAX_STOP_CHARACTERS = 16, 256
# What would change an answer and is not done; null and these are let pass
REFUSED = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "echo": False,
    "suffix": "",
    "tools": [],
    "functions": [],
    "response_format": {"type": "text"},
    "best_of": 1,
}


class Refused(Exception):
    """A request that is not answered: its status, and what is wrong."""

    def __init__(self, message, status=400, param=None):
        super().__init__(message)
        self.status, self.param = status, param

    def as_body(self):
        """The error in the protocol's form."""
        kind = (
            "server_error" if self.status >= 500 else "invalid_request_error"
        )
        error = {"message": str(self), "type": kind, "param": self.param}
        return {"error": {**error, "code": None}}


async def read_body(request) -> dict:
    """The JSON object that a client sends, if it is one of decent size."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind.strip().lower() != "application/json":
        raise Refused("send JSON, with Content-Type: application/json", 415)
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MAX_BODY_BYTES:
                    limit = f"{MAX_BODY_BYTES:,} bytes"
                    raise Refused(f"the body is larger than {limit}", 413)
    except TimeoutError:
        raise Refused("the body did not arrive in time", 408) from None
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is no JSON: {str(error)[:100]!r}") from None
    if not isinstance(body, dict):
        raise Refused("the body must be a JSON object")
    for name, allowed in REFUSED.items():
        if body.get(name) not in (None, allowed):
            raise Refused(f"{name} is not supported; leave it out", 400, name)
    return body


def read_number(body, name, default, least, most, is_whole=True):
    """A number of a request, or its default; null counts as left out."""
    value = body.get(name)
    if value is None:
        return default
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_right = is_number and least <= value <= most
    if not is_right or is_whole and value != int(value):
        kind = "a whole number" if is_whole else "a number"
        raise Refused(
            f"{name} must be {kind} from {least} to {most}", 400, name
        )
    return int(value) if is_whole else float(value)


def read_flag(body, name, default=False):
    """A switch of a request."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refused(f"{name} must be true or false", 400, name)
    return default if value is None else value


def read_object(body, name):
    """A part of a request that is an object itself; null is an empty one."""
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise Refused(f"{name} must be an object", 400, name)
    return value or {}


def read_stops(body):
    """The texts before which an answer ends."""
    stops = body.get("stop")
    stops = [stops] if isinstance(stops, str) else stops or []
    is_right = isinstance(stops, list) and len(stops) <= MAX_STOPS
    if not is_right or not all(
        isinstance(stop, str) and 0 < len(stop) <= MAX_STOP_CHARACTERS
        for stop in stops
    ):
        raise Refused(
            f"stop must be a string or at most {MAX_STOPS} strings, of 1 to "
            f"{MAX_STOP_CHARACTERS} characters each",
            400,
            "stop",
        )
    return stops


def read_messages(body):
    """The turns of a conversation, with plain texts."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("messages must be a list of turns", 400, "messages")
    turns = []
    for number, turn in enumerate(messages):
        turn = turn if isinstance(turn, dict) else {}
        role, content = turn.get("role"), turn.get("content")
        if isinstance(content, list):  # parts, of which we know one kind
            parts = [p.get("text") for p in content if isinstance(p, dict)]
            texts = [text for text in parts if isinstance(text, str)]
            content = "".join(texts) if len(texts) == len(content) else None
        role = "system" if role == "developer" else role
        roles = ("system", "user", "assistant")
        if role not in roles or not isinstance(content, str):
            raise Refused(
                f"messages[{number}] needs a role of {', '.join(roles)} and "
                "a content that is text",
                400,
                "messages",
            )
        turns.append({"role": role, "content": content})
    return turns
