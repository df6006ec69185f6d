"""Problem sets: fields, errors that name the line, splits, downloads."""

import gzip
import hashlib
import json
import re
import threading
import time
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reasoning_from_scratch.evaluation import verify
from reasoning_from_scratch.evaluation.problems import (
    PROBLEM_SETS,
    HubFile,
    Problem,
    load_problems,
    load_splits,
    opening_problems,
    problems_digest,
    refuse_test_problems,
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
        ('{"broken": ', "expected one object on each line, or one list"),
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
    with pytest.raises(ValueError, match="empty.jsonl is not UTF-8"):
        load_problems(path)
    path.write_text(json.dumps({"data": [{"problem": "1"}]}, indent=2))
    with pytest.raises(ValueError, match="empty.jsonl line 1 .* each line"):
        load_problems(path)


def cut_short(data):
    return data[: len(data) // 2]


def with_other_bytes(data):
    return data[:20] + bytes(byte ^ 255 for byte in data[20:30]) + data[30:]


@pytest.mark.parametrize(
    "damage", [cut_short, with_other_bytes, gzip.decompress]
)
def test_a_damaged_gzip_file_is_named(tmp_path, damage):
    path = tmp_path / "p.jsonl.gz"
    rows = b"".join(
        b'{"problem": "%d", "answer": "1"}\n' % n for n in range(99)
    )
    path.write_bytes(damage(gzip.compress(rows)))
    with pytest.raises(ValueError, match="p.jsonl.gz is no whole gzip file"):
        load_problems(path)


def test_an_unknown_name_split_or_limit_lists_what_there_is():
    with pytest.raises(FileNotFoundError, match="pocketmath, math500"):
        load_problems("math5000")
    with pytest.raises(ValueError, match="train or validation or test"):
        load_problems("pocketmath", split="dev")
    for limit in (0, -5):  # a slice would take -5 for all but five
        with pytest.raises(
            ValueError, match=f"limit must be >= 1, got {limit}"
        ):
            load_problems("pocketmath", limit=limit)


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


@pytest.mark.parametrize(
    ("name", "number", "levels"),
    [
        ("pocketmath", 2000, None),
        ("math500", 500, {1: 43, 2: 90, 3: 105, 4: 128, 5: 134}),
        ("gsm8k", 1319, {0: 1319}),
    ],
)
def test_the_test_sets_ship_with_the_package(name, number, levels):
    problems = load_problems(name)
    assert len(problems) == len({p.id for p in problems}) == number
    assert all(p.answer and p.solution for p in problems)
    if levels:
        assert Counter(p.level for p in problems) == levels


def test_the_references_that_ship_are_what_their_solutions_say():
    for problem in load_problems("math500"):
        assert verify(problem.solution, problem.answer), problem.id
    for problem in load_problems("gsm8k"):
        response = f"{problem.solution}\n#### {problem.answer}"
        assert verify(response, problem.answer), problem.id


# ---- Splits ----


def test_training_and_validation_share_no_problem(tmp_path):
    rows = [{"problem": f"{n}", "answer": "1"} for n in range(50)]
    mine = write_lines(tmp_path / "p.jsonl", *rows)
    for source, split, sizes in (
        ("pocketmath", "train", (20_000, 300)),
        ("pocketmath", "validation", (240, 60)),  # a fifth is held out
        (mine, "train", (40, 10)),
    ):
        train, validation = load_splits(source, split)
        assert (len(train), len(validation)) == sizes
        assert not {p.id for p in train} & {p.id for p in validation}
    twice = write_lines(tmp_path / "twice.jsonl", *rows[:9], rows[0])
    train, validation = load_splits(twice)  # the first is also the last
    assert [p.problem for p in validation] == ["8", "0"]
    assert [p.problem for p in train] == [str(n) for n in range(1, 8)]
    few = write_lines(tmp_path / "few.jsonl", *rows[:4])
    assert load_splits(few) == (load_problems(few), None)


def test_test_problems_are_refused_for_training_also_from_a_file(tmp_path):
    for name in ("pocketmath", "math500", "gsm8k"):
        with pytest.raises(ValueError, match=r"belongs to a test split \("):
            load_splits(name, "test")
        problem = load_problems(name)[7]
        path = write_lines(
            tmp_path / f"{name}.jsonl",
            {"problem": "1 + 1", "answer": "2"},
            {"question": f" {problem.problem}\n", "answer": "3"},
        )
        with pytest.raises(ValueError, match=f"-2'.*test split .{problem.id}"):
            load_splits(path)
    for name in ("pocketmath-test-00001", "test/algebra/7.json"):
        with pytest.raises(ValueError, match="test split"):
            refuse_test_problems([Problem("1?", "1", id=name)])
    refuse_test_problems([Problem("1?", "1", id="latest-train-3")])
    with pytest.raises(ValueError, match="expected Problem"):
        refuse_test_problems("pocketmath")


def test_the_digest_tells_problems_answers_and_order_apart():
    problems = [Problem("1 + 1", "2", id="a"), Problem("1 + 2", "3", id="b")]
    digest = problems_digest(problems)
    assert re.fullmatch("[0-9a-f]{12}", digest)
    assert digest == problems_digest(list(problems))
    changed = [
        problems[::-1],
        problems[:1],
        [replace(problems[0], answer="3"), problems[1]],
        [replace(problems[0], problem="1 + 1 ="), problems[1]],
        [replace(problems[0], id="c"), problems[1]],
    ]
    assert digest not in map(problems_digest, changed)


# ---- The Hub ----


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Serve {(repo, revision, file): bytes} as the Hub does, over loopback."""
    from huggingface_hub import constants

    files = {}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            repo, rest = self.path.removeprefix("/datasets/").split(
                "/resolve/"
            )
            revision, _, filename = rest.partition("/")
            body = files.get((repo, revision, filename))
            self.send_response(404 if body is None else 200)
            if body is None:
                self.send_header("X-Error-Code", "RevisionNotFound")
            else:
                digest = hashlib.sha256(body).hexdigest()
                self.send_header("X-Repo-Commit", "a" * 40)
                self.send_header("ETag", f'"{digest}"')
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if body and self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(
        target=server.serve_forever, args=(0.01,), daemon=True
    ).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # its retries
    server.files = files
    yield server
    server.shutdown()
    server.server_close()


def serve(hub, monkeypatch, name, *rows, revision="a" * 40):
    """Put a training set of that name on the Hub."""
    source = HubFile(f"some/{name}", revision, "train.jsonl")
    monkeypatch.setitem(PROBLEM_SETS, name, {"train": source})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    hub.files[source.repo_id, "a" * 40, source.filename] = lines.encode()


def test_a_set_is_downloaded_once_at_its_pinned_commit(hub, monkeypatch):
    serve(hub, monkeypatch, "mine", {"problem": "1 + 1", "answer": "2"})
    expected = [Problem("1 + 1", "2", id="mine/train-1")]
    assert load_problems("mine", split="train") == expected
    hub.shutdown()  # what is in the cache needs no network
    assert load_problems("mine", split="train") == expected


def test_hub_files_are_pinned_but_for_one_whose_commit_is_not_known():
    unpinned = {
        source.repo_id
        for splits in PROBLEM_SETS.values()
        for source in splits.values()
        if isinstance(source, HubFile)
        and not re.fullmatch("[0-9a-f]{40}", source.revision)
    }
    assert unpinned == {"nlile/hendrycks-MATH-benchmark"}


def test_without_the_hub_or_the_commit_the_message_says_what_to_do(
    hub, monkeypatch
):
    row = {"problem": "1 + 1", "answer": "2"}
    serve(hub, monkeypatch, "gone", row, revision="b" * 40)
    with pytest.raises(FileNotFoundError, match="--problems pocketmath"):
        load_problems("gone", split="train")
    serve(hub, monkeypatch, "mine", row)
    hub.shutdown()
    hub.server_close()
    with pytest.raises(FileNotFoundError, match="--problems pocketmath"):
        load_problems("mine", split="train")


def test_math_train_leaves_out_what_math500_holds(hub, monkeypatch):
    held_out = load_problems("math500")[3].problem
    serve(
        hub,
        monkeypatch,
        "math-train",
        {"problem": held_out.replace(" ", "\n"), "answer": "2"},
        {"problem": "What is 2 + 1?", "answer": "3", "unique_id": "test/1"},
    )
    with pytest.warns(UserWarning, match="left out 1 problems"):
        problems = load_problems("math-train", split="train")
    # MATH's own id is of an older split, and would be refused
    assert problems == [
        Problem("What is 2 + 1?", "3", id="math-train/train-2")
    ]
