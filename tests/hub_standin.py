"""A stand-in for the Hugging Face Hub on the loopback, for one repository.

It answers the four requests of a download: what a revision is, which files
it has, a file's checksum, and its bytes from any position. What it sends can
be made to stall, to stop short or to be damaged. Uploads are accepted too.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + 34 * "0"
REPOSITORY = "acme/tiny"


class HubStandin:
    """Serves the files of a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.url = ""  # what HF_ENDPOINT must be set to
        self.requests = []  # (method, path, Range header or None)
        self.stall_after = None  # send so many bytes of a file, then wait
        self.released = threading.Event()  # for this
        self.sizes = {}  # file name -> size to claim instead of the true one
        self.contents = {}  # file name -> bytes to send instead
        self.error = None  # (status, X-Error-Code): answer to everything
        self.uploaded = {}  # file name -> bytes

    def fetched(self, file):
        """The Range headers with which a file's bytes were asked for."""
        return [
            byte_range
            for method, path, byte_range in self.requests
            if method == "GET" and path.endswith(f"/{file}")
        ]

    def environment(self, home, **settings):
        """The variables with which the Hub's library asks here."""
        ours = {"HF_ENDPOINT": self.url, "HF_HOME": str(home)}
        ours |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        return {**os.environ, **ours, "NO_PROXY": "127.0.0.1", **settings}

    def size(self, path):
        return self.sizes.get(path.name, path.stat().st_size)

    @contextlib.contextmanager
    def serving(self):
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
    def log_message(self, *args):
        """Keep the test's output clean."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        self.hub.requests.append((self.command, path, None))
        answer = {"url": f"{self.hub.url}/{REPOSITORY}"}
        if "/preupload/" in path:
            regular = {"uploadMode": "regular", "shouldIgnore": False}
            files = json.loads(body)["files"]
            answer = {"files": [{**file, **regular} for file in files]}
        elif "/commit/" in path:
            answer = {"commitUrl": f"{answer['url']}/commit/{COMMIT}"}
            answer["commitOid"] = COMMIT
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.hub.uploaded[line["value"]["path"]] = content
        self._send(json.dumps(answer).encode())

    def do_GET(self):
        path = self.path.split("?")[0]
        byte_range = self.headers.get("Range")
        self.hub.requests.append((self.command, path, byte_range))
        file = self.hub.folder / path.rsplit("/", 1)[-1]
        if self.hub.error is not None:
            status, code = self.hub.error
            self._send(b"{}", status, {"X-Error-Code": code})
        elif "/revision/" in path:
            about = {"id": REPOSITORY, "sha": COMMIT}
            self._send(json.dumps(about).encode())
        elif "/tree/" in path:
            about = {"type": "file", "oid": 40 * "0"}
            listing = [
                {**about, "path": each.name, "size": self.hub.size(each)}
                for each in self.hub.folder.iterdir()
            ]
            self._send(json.dumps(listing).encode())
        elif file.is_file():
            self._send_file(file, byte_range)
        else:
            self._send(b"", 404, {"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET

    def _send_file(self, path, byte_range):
        true_content = path.read_bytes()
        checksum = hashlib.sha256(true_content).hexdigest()
        content = self.hub.contents.get(path.name, true_content)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{checksum}"'}
        if self.command == "HEAD":
            headers["Content-Length"] = self.hub.size(path)
        start = int(re.findall(r"\d+", byte_range)[0]) if byte_range else 0
        if byte_range:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers["Content-Range"] = whole
        self._send(content[start:], 206 if byte_range else 200, headers)

    def _send(self, body, status=200, headers=()):
        self.send_response(status)
        headers = {"Content-Length": len(body), **dict(headers)}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "HEAD":
            return
        stall = self.hub.stall_after or len(body)
        # A reader may have been killed
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body[:stall])
            if stall < len(body):
                self.hub.released.wait()
