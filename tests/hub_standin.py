"""A stand-in for the Hugging Face Hub on the loopback, for one repository.

It answers the four requests of a download: what a revision is, which files
it has, a file's checksum, and its bytes from any position. What it sends can
be made to stall, to stop short or to be damaged. Uploads are accepted too.
"""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + 34 * "0"
REPOSITORY = "acme/tiny"


class HubStandin:
    """Serves the files of a folder.

    Attributes:
        url: what HF_ENDPOINT must be set to.
        requests: list of (method, path, Range header or None).
        stall_after: send so many bytes of a file, then wait for `released`.
        sizes: file name -> size to claim instead of the true one.
        contents: file name -> bytes to send instead of the true ones.
        error: (status, X-Error-Code) to answer everything with.
        uploaded: file name -> bytes that were uploaded.
    """

    def __init__(self, folder):
        self.folder = folder
        self.requests = []
        self.stall_after = None
        self.released = threading.Event()
        self.sizes, self.contents = {}, {}
        self.error = None
        self.uploaded = {}

    def fetched(self, file):
        """The Range headers with which a file's bytes were asked for."""
        return [
            byte_range
            for method, path, byte_range in self.requests
            if method == "GET" and path.endswith(f"/{file}")
        ]

    def listing(self):
        return [
            {
                "type": "file",
                "path": path.name,
                "size": self.size(path),
                "oid": 40 * "0",
            }
            for path in self.folder.iterdir()
        ]

    def size(self, path):
        return self.sizes.get(path.name, path.stat().st_size)

    @contextmanager
    def serving(self):
        """Answer requests until the block ends."""
        handler = type("Handler", (_Handler,), {"hub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandin

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        self.hub.requests.append((self.command, path, None))
        page = f"{self.hub.url}/{REPOSITORY}"
        if "/preupload/" in path:
            regular = {"uploadMode": "regular", "shouldIgnore": False}
            files = json.loads(body)["files"]
            answer = {"files": [{**file, **regular} for file in files]}
        elif "/commit/" in path:
            self._take_files(map(json.loads, body.splitlines()))
            answer = {
                "commitUrl": f"{page}/commit/{COMMIT}",
                "commitOid": COMMIT,
            }
        else:
            answer = {"url": page}
        self._send_json(answer)

    def _take_files(self, lines):
        for line in lines:
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                self.hub.uploaded[line["value"]["path"]] = content

    def log_message(self, *args):
        """Keep the test's output clean."""

    def _answer(self, with_body):
        path = self.path.split("?")[0]
        byte_range = self.headers.get("Range")
        self.hub.requests.append((self.command, path, byte_range))
        file = self.hub.folder / path.rsplit("/", 1)[-1]
        if self.hub.error is not None:
            status, code = self.hub.error
            self._send(b"{}", status=status, **{"X-Error-Code": code})
        elif "/revision/" in path:
            self._send_json({"id": REPOSITORY, "sha": COMMIT})
        elif "/tree/" in path:
            self._send_json(self.hub.listing())
        elif file.is_file():
            self._send_file(file, byte_range, with_body)
        else:
            self._send(b"", status=404, **{"X-Error-Code": "EntryNotFound"})

    def _send_json(self, content):
        self._send(json.dumps(content).encode())

    def _send(self, body, *, status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, path, byte_range, with_body):
        true_content = path.read_bytes()
        checksum = hashlib.sha256(true_content).hexdigest()
        content = self.hub.contents.get(path.name, true_content)
        start = int(re.findall(r"\d+", byte_range)[0]) if byte_range else 0
        self.send_response(206 if byte_range else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{checksum}"')
        size = len(content) if with_body else self.hub.size(path)
        self.send_header("Content-Length", str(size - start))
        last = len(content) - 1
        if byte_range:
            whole = f"bytes {start}-{last}/{len(content)}"
            self.send_header("Content-Range", whole)
        self.end_headers()
        if with_body:
            self._send_bytes(content[start:])

    def _send_bytes(self, content):
        stall = self.hub.stall_after
        try:
            if stall is None or stall > len(content):
                self.wfile.write(content)
                return
            self.wfile.write(content[:stall])
            self.hub.released.wait()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the reader was killed
