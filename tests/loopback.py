"""A chat endpoint on loopback that behaves as badly as a test asks."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def chat_answer(text, finish_reason="stop", **message):
    """A good answer, as OpenAI's protocol writes it."""
    message = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return {"choices": [choice], "usage": usage}


class ChatServer:
    """Answers each request with the next of its script, then the last.

    A step of the script is a dict (sent as JSON), bytes (sent as they are),
    a status number, a (status, headers) pair, "cut" (hangs up in the middle
    of the body), "drip" (a byte now and then), a number of seconds as a float
    (waits, then answers well), or a callable from the request's body to one
    of these. `requests` are (headers, parsed body) of each, in order;
    `most_at_once` is the highest number of them under way together.
    """

    def __init__(self, *script):
        self.script = list(script)
        self.requests = []
        self.most_at_once = 0
        self._under_way = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_POST(self):
                server._serve(self)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(
            target=self._http.serve_forever, args=(0.01,), daemon=True
        ).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._http.shutdown()
        self._http.server_close()

    def _serve(self, handler):
        length = int(handler.headers["Content-Length"])
        body = json.loads(handler.rfile.read(length))
        with self._lock:
            number = min(len(self.requests), len(self.script) - 1)
            self.requests.append((dict(handler.headers), body))
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        step = self.script[number]
        step = step(body) if callable(step) else step
        if isinstance(step, float):
            time.sleep(step)
            step = chat_answer("late")
        with self._lock:  # before the client can ask for the next
            self._under_way -= 1
        with contextlib.suppress(OSError):  # the client hung up
            self._answer(handler, step)

    def _answer(self, handler, step):
        status, headers = 200, {}
        if isinstance(step, tuple):
            status, headers = step
            step = b"no"
        elif isinstance(step, int):
            status, step = step, b"no"
        content = b"{" if isinstance(step, str) else step
        if isinstance(step, dict):
            content = json.dumps(step).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        promised = 1000 if isinstance(step, str) else len(content)
        handler.send_header("Content-Length", str(promised))
        handler.end_headers()
        handler.wfile.write(content)
        for _ in range(100 if step == "drip" else 0):
            time.sleep(0.05)
            handler.wfile.write(b" ")
            handler.wfile.flush()
