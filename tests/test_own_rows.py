"""No notebook shows one model's rows under the name of another.

What a notebook reads of `results/` goes through three functions, and these
leave another model's rows out.
"""

import json
import re
from pathlib import Path

import pytest

from reasoning_from_scratch import results
from reasoning_from_scratch.results import is_measured, ladder, load_results

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("ch0*/*.ipynb"))


def test_rows_and_curves_of_another_model_are_as_good_as_missing(monkeypatch):
    rows = load_results()
    monkeypatch.delenv("RFS_MODEL", raising=False)
    own = results.results_of()
    for name in ("ch03-direct", "ch05-grpo-coarse"):  # its own, a sister's
        assert own[name] == rows[name] and is_measured(own[name])
    assert results.load_curve("ch05-grpo") and ladder(rows)

    for model in ("qwen3-0.6b-base", "pocket-teacher", "runs/mine"):
        monkeypatch.setenv("RFS_MODEL", model)
        for row in results.results_of().values():
            is_kept = "group" in row or row["model"] == model
            assert is_kept or not is_measured(row)
            assert is_kept or not row.keys() & {"accuracy", "value"}
        assert (
            "on pocket, not on"
            in results.results_of()["ch03-direct"]["reason"]
        )
        assert results.load_curve("ch05-grpo") == []
        assert {row["model"] for row in ladder(rows)} <= {model}
    assert is_measured(results.results_of("pocket-teacher")["ch06-teacher"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_read_rows_by_model(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    codes = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    for code in codes:
        assert not re.search(r"results import .*\bFOLDER\b", code), code
        assert not re.search(r"results/[\w*{}-]+\.json", code), code
        calls = re.findall(r"(\w*\(?)load_results\(\)", code)
        assert set(calls) <= {"ladder("}, code  # which filters by itself
