"""Problem sets: fields, errors that name the line, splits, downloads."""

import gzip
import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from huggingface_hub import errors
from tiny import DATA

from reasoning_from_scratch.evaluation import verify
from reasoning_from_scratch.evaluation.problems import (
    PROBLEM_SETS,
    Problem,
    load_problems,
    load_splits,
    opening_problems,
    problems_digest,
    refuse_test_problems,
)


def write_lines(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    return path


def test_the_fields_of_common_data_sets_are_understood():
    assert load_problems(DATA / "mine.jsonl") == [
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
    array.write_text(json.dumps(rows, indent=2), "utf-8")
    packed = tmp_path / "p.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    assert load_problems(lines) == load_problems(array)
    assert load_problems(lines) == load_problems(packed)
    assert load_problems(lines, limit=2) == load_problems(lines)[:2]


ROWS = b"".join(b'{"problem": "%d", "answer": "1"}\n' % n for n in range(99))
PACKED = gzip.compress(ROWS)
GOOD = b'{"problem": "0 + 0", "answer": "0", "id": "one"}\n'
TWICE = b'{"problem": "x", "answer": "2", "id": "one"}'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", GOOD + b"{broken", "line 2 is not valid .* on each line"),
        ("p.jsonl", GOOD + b"[" * 100_000, "line 2 is not valid JSON"),
        ("p.jsonl", GOOD + b"3", "line 2 is no JSON object"),
        ("p.jsonl", GOOD + b'{"text": "1"}', "line 2 has no problem text"),
        ("p.jsonl", b'{"problem": "", "answer": "2"}', "1 has no problem te"),
        ("p.jsonl", GOOD + b'{"problem": "1 + 1"}', "line 2 has no answer"),
        ("p.jsonl", b'{"problem": "1", "answer": [2]}', "1 has no answer"),
        ("p.jsonl", b'{"problem": "1", "answer": true}', "1 has no answer"),
        ("p.jsonl", GOOD + TWICE, "line 2 has the id 'one' of p.jsonl line 1"),
        ("p.jsonl", b"\n", "p.jsonl holds no problem"),
        ("p.jsonl", b"\xff\xfe\x00", "p.jsonl is not UTF-8"),
        ("p.json", b'{\n  "data": []\n}', "p.json line 1 .* on each line"),
        ("p.jsonl.gz", PACKED[:150], "no whole gzip file"),
        ("p.jsonl.gz", PACKED[:20] + ROWS, "p.jsonl.gz .* whole gzip"),
        ("p.jsonl.gz", ROWS, "no whole gzip file"),
    ],
)
def test_a_bad_line_or_file_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_problems(path)


def test_an_unknown_name_split_or_limit_lists_what_there_is():
    with pytest.raises(FileNotFoundError, match="pocketmath, math500"):
        load_problems("math5000")
    with pytest.raises(ValueError, match="train or validation or test"):
        load_problems("pocketmath", split="dev")
    for limit in (0, -5):  # a slice would take -5 for all but five
        with pytest.raises(ValueError, match=f"limit .* got {limit}"):
            load_problems("pocketmath", limit=limit)


def test_opening_problems_are_spread_over_the_levels(tmp_path):
    rows = [
        {"problem": f"{n}", "answer": "1", "level": 1 + n % 5}
        for n in range(50)
    ]
    chosen = opening_problems(write_lines(tmp_path / "p.jsonl", *rows))
    assert Counter(p.level for p in chosen) == dict.fromkeys(range(1, 6), 2)
    assert [p.problem for p in chosen[:4]] == ["0", "5", "1", "6"]
    rows = [row | {"level": ""} for row in rows]  # then simply the first ten
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
def test_test_sets_say_what_their_solutions_say(name, number, levels):
    problems = load_problems(name)
    assert len(problems) == len({p.id for p in problems}) == number
    assert all(p.answer and p.solution for p in problems)
    assert levels in (None, Counter(p.level for p in problems))
    for problem in problems:
        end = f"\n#### {problem.answer}" if name == "gsm8k" else ""
        assert verify(problem.solution + end, problem.answer), problem.id


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
    one, two = Problem("1 + 1", "2", id="a"), Problem("1 + 2", "3", id="b")
    digest = problems_digest([one, two])
    assert re.fullmatch("[0-9a-f]{12}", digest)
    changes = {"answer": "3"}, {"problem": "1 + 1 ="}, {"id": "c"}
    others = [[replace(one, **change), two] for change in changes]
    assert digest not in map(problems_digest, [[two, one], [one], *others])


COMMIT = "a" * 40


@pytest.fixture
def put_on_hub(tmp_path, monkeypatch):
    """A function that puts a training set on a stand-in of the Hub."""

    def download(repo_id, filename, *, repo_type, revision, endpoint):
        if (repo_type, revision) != ("dataset", COMMIT):
            raise errors.LocalEntryNotFoundError("offline")
        return str(tmp_path / repo_id / filename)

    def put(name, *rows, revision=COMMIT):
        source = (name, revision, "train.jsonl")
        monkeypatch.setitem(PROBLEM_SETS, name, {"train": source})
        (tmp_path / name).mkdir()
        write_lines(tmp_path / name / source[2], *rows)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    return put


def test_the_hub_is_asked_for_a_pinned_commit(put_on_hub):
    put_on_hub("mine", {"problem": "1 + 1", "answer": "2"})
    assert load_problems("mine", split="train") == [
        Problem("1 + 1", "2", id="mine/train-1")
    ]
    put_on_hub("gone", revision="b" * 40)
    with pytest.raises(FileNotFoundError, match="--problems pocketmath"):
        load_problems("gone", split="train")
    sources = [s for sets in PROBLEM_SETS.values() for s in sets.values()]
    unpinned = [s[0] for s in sources if len(s) == 3 and len(s[1]) < 40]
    assert unpinned == ["nlile/hendrycks-MATH-benchmark"]


def test_math_train_leaves_out_what_math500_holds(put_on_hub):
    held_out = load_problems("math500")[3].problem
    put_on_hub(
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
