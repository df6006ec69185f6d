"""Problem sets: fields, errors that name the line, and pinned downloads."""

import gzip
import hashlib
import json
import os
import shutil
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reasoning_from_scratch.evaluation.problems import (
    HUB_SETS,
    Problem,
    load_problems,
    opening_problems,
)


def write_lines(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def test_the_fields_of_common_data_sets_are_understood(tmp_path):
    path = write_lines(
        tmp_path / "mine.jsonl",
        {"problem": "1 + 1", "answer": "2", "subject": "sums", "level": 3},
        {"question": "2 + 2", "answer": "Two and two.\n#### 4"},
        {
            "problem": "3 + 3",
            "solution": r"It is $\boxed{\frac{12}{2}}$.",
            "level": "Level 5",
            "type": "Algebra",
            "unique_id": "a/7",
        },
        {"problem": "4 + 4", "answer": 8},
    )
    assert load_problems(path) == [
        Problem("1 + 1", "2", "sums", 3, "mine-1"),
        Problem("2 + 2", "4", id="mine-2", solution="Two and two."),
        Problem(
            "3 + 3",
            r"\frac{12}{2}",
            "Algebra",
            5,
            "a/7",
            r"It is $\boxed{\frac{12}{2}}$.",
        ),
        Problem("4 + 4", "8", id="mine-4"),
    ]


def test_json_lines_json_and_their_gzip_give_the_same_problems(tmp_path):
    rows = [{"problem": f"{n} + 1", "answer": str(n + 1)} for n in range(3)]
    lines = write_lines(tmp_path / "p.jsonl", *rows)
    array = tmp_path / "p.json"
    array.write_text(json.dumps(rows, indent=2))
    packed = tmp_path / "p.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    assert load_problems(lines) == load_problems(array)
    assert load_problems(lines) == load_problems(packed)
    assert load_problems(lines, limit=2) == load_problems(lines)[:2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "line 2 is not valid JSON"),
        ("3", "line 2 is no JSON object"),
        ('{"text": "1 + 1"}', "line 2 has no problem text"),
        ('{"problem": "1 + 1"}', "line 2 has no answer"),
        ('{"problem": "1 + 1", "answer": [2]}', "line 2 has no answer"),
        ('{"problem": "1 + 1", "answer": true}', "line 2 has no answer"),
        ('{"problem": "", "answer": "2"}', "line 2 has no problem text"),
        (
            '{"problem": "x", "answer": "2", "id": "one"}',
            "line 2 has the id 'one' of bad.jsonl line 1",
        ),
        ("[" * 100_000, "line 2 is not valid JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(
        '{"problem": "0 + 0", "answer": "0", "id": "one"}\n' + line
    )
    with pytest.raises(ValueError, match=message):
        load_problems(path)


def test_a_file_without_problems_or_with_other_bytes_is_refused(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text("\n")
    with pytest.raises(ValueError, match="holds no problem"):
        load_problems(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not UTF-8"):
        load_problems(path)


def test_an_unknown_name_split_or_limit_lists_what_there_is():
    with pytest.raises(FileNotFoundError, match="pocketmath, math500"):
        load_problems("math5000")
    with pytest.raises(ValueError, match="train or validation or test"):
        load_problems("pocketmath", split="dev")
    with pytest.raises(ValueError, match="limit must be >= 1, got 0"):
        load_problems("pocketmath", limit=0)


def test_opening_problems_are_spread_over_the_levels(tmp_path):
    rows = [
        {"problem": f"{n}", "answer": "1", "level": 1 + n % 5}
        for n in range(50)
    ]
    chosen = opening_problems(write_lines(tmp_path / "p.jsonl", *rows))
    assert Counter(p.level for p in chosen) == dict.fromkeys(range(1, 6), 2)
    assert [p.problem for p in chosen[:4]] == ["0", "5", "1", "6"]


def test_opening_problems_without_levels_are_the_first_ten(tmp_path):
    rows = [{"problem": f"{n}", "answer": "1"} for n in range(50)]
    chosen = opening_problems(write_lines(tmp_path / "p.jsonl", *rows))
    assert [p.problem for p in chosen] == [str(n) for n in range(10)]


class FakeHub:
    """Serves files the way the Hub does, over loopback."""

    def __init__(self):
        self.files = {}  # (repo, filename) -> bytes
        self.commit = "a" * 40
        self.old_commits = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                repo, _, rest = self.path.removeprefix("/datasets/").partition(
                    "/resolve/"
                )
                revision, _, filename = rest.partition("/")
                body = hub.files.get((repo, filename))
                known = {"main", hub.commit}
                found = body is not None and revision in known
                self.send_response(200 if found else 404)
                if not found:
                    code = "Entry" if revision in known else "Revision"
                    self.send_header("X-Error-Code", f"{code}NotFound")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                digest = hashlib.sha256(body).hexdigest()
                self.send_header("X-Repo-Commit", hub.commit)
                self.send_header("ETag", f'"{digest}"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, args=(0.01,), daemon=True
        ).start()

    def put(self, name, split, *rows):
        repo_id, files = HUB_SETS[name]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        self.files[repo_id, files[split]] = lines.encode()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    from huggingface_hub import constants

    hub = FakeHub()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("RFS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RFS_ACCEPT_CHANGED_DATA", raising=False)
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


def test_the_first_download_is_pinned_and_kept(hub, tmp_path):
    hub.put("math500", "test", {"problem": "1 + 1", "answer": "2"})
    assert load_problems("math500") == [
        Problem("1 + 1", "2", id="math500/test-1")
    ]
    pins = json.loads((tmp_path / "cache" / "pins.json").read_text())
    body = hub.files["HuggingFaceH4/MATH-500", "test.jsonl"]
    assert pins["HuggingFaceH4/MATH-500/test.jsonl"] == {
        "revision": "a" * 40,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    hub.server.shutdown()  # what is cached needs no network
    assert len(load_problems("math500")) == 1


def test_a_changed_file_is_refused_until_accepted(hub, tmp_path, monkeypatch):
    hub.put("math500", "test", {"problem": "1 + 1", "answer": "2"})
    load_problems("math500")
    hub.put("math500", "test", {"problem": "1 + 1", "answer": "3"})
    shutil.rmtree(tmp_path / "hub")
    with pytest.raises(ValueError, match="RFS_ACCEPT_CHANGED_DATA=1"):
        load_problems("math500")
    shutil.rmtree(tmp_path / "hub")
    monkeypatch.setenv("RFS_ACCEPT_CHANGED_DATA", "1")
    assert load_problems("math500")[0].answer == "3"
    monkeypatch.delenv("RFS_ACCEPT_CHANGED_DATA")
    assert load_problems("math500")[0].answer == "3"


def test_a_revision_that_is_gone_is_refused_until_accepted(hub, tmp_path):
    hub.put("math500", "test", {"problem": "1 + 1", "answer": "2"})
    load_problems("math500")
    shutil.rmtree(tmp_path / "hub")
    hub.commit = "b" * 40
    with pytest.raises(ValueError, match="no longer has revision aaaaaaaa"):
        load_problems("math500")
    assert len(load_problems("math500", accept_change=True)) == 1


def test_without_the_hub_the_message_says_what_to_do(hub, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # its retries
    hub.server.shutdown()
    hub.server.server_close()
    with pytest.raises(FileNotFoundError, match="--problems pocketmath"):
        load_problems("math500")


def test_math_train_leaves_out_what_math500_holds(hub, monkeypatch):
    lines = {"train": "train.jsonl"}
    monkeypatch.setitem(HUB_SETS, "math-train", ("some/MATH", lines))
    hub.put("math500", "test", {"problem": "What is\n1 + 1?", "answer": "2"})
    hub.put(
        "math-train",
        "train",
        {"problem": "What is 1 + 1?", "answer": "2"},
        {"problem": "What is 2 + 1?", "answer": "3"},
    )
    with pytest.warns(UserWarning, match="left out 1 problems"):
        problems = load_problems("math-train", split="train")
    assert [problem.answer for problem in problems] == ["3"]


def test_the_real_math500_file_loads_when_it_is_at_hand():
    beside = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("RFS_TEST_DATA", beside)) / "math500_test.json"
    if not path.is_file():
        pytest.skip(f"{path} is not at hand; set RFS_TEST_DATA")
    problems = load_problems(path)
    levels = Counter(problem.level for problem in problems)
    assert levels == {1: 43, 2: 90, 3: 105, 4: 128, 5: 134}
    assert all(problem.answer and problem.solution for problem in problems)
