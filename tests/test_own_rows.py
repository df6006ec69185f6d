"""No notebook shows one model's rows under the name of another.

The cells that read `results/` and nothing else are run: every accuracy of a
pocket row is one telling number there, which may appear in what the cells
print and draw for pocket, and nowhere when RFS_MODEL names another model.
"""

import ast
import builtins
import contextlib
import io
import json
import re
from pathlib import Path
from statistics import fmean

import pytest

from reasoning_from_scratch import plots, results
from reasoning_from_scratch.results import is_measured, ladder, load_results
from reasoning_from_scratch.settings import default_model, get_settings

ROOT = Path(__file__).parents[1]
MAINS = sorted(ROOT.glob("ch0[2-7]/ch0?_main.ipynb"))
SHOWING = [path for path in MAINS if path.parent.name not in ("ch02", "ch03")]
TELLING = 0.98765
SHOWN = re.compile(r"98\.[78]")
OTHER = "qwen3-0.6b-base"


@pytest.fixture
def telling_rows(tmp_path, monkeypatch):
    """The rows of this checkout, those of pocket with one telling number."""
    for name, row in load_results().items():
        if row["model"].startswith("pocket") and "accuracy" in row:
            row |= {"low": 0.9, "accuracy": TELLING, "high": 1.0}
        text = json.dumps(row)
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    (tmp_path / "curves").symlink_to(results.FOLDER / "curves")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    return tmp_path


class Nothing:
    """A figure, or an image of one, that is not drawn."""

    alt_text = ""

    def __init__(self, *_, **__):
        pass

    def savefig(self, *_, **__):
        pass


def code_cells(path):
    """The source of each code cell of a notebook."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    codes = ("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return [code for code in codes if not code.startswith(("!", "%"))]


def names_in(code):
    """The names that a cell reads, and those that it makes."""
    nodes = list(ast.walk(ast.parse(code)))
    names = [n for n in nodes if isinstance(n, ast.Name)]
    made = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    made |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    made |= {
        alias.asname or alias.name.partition(".")[0]
        for n in nodes
        if isinstance(n, ast.Import | ast.ImportFrom)
        for alias in n.names
    }
    made |= {
        n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)
    }
    return {n.id for n in names}, made


def what_is_shown(path, monkeypatch):
    """All that the cells about saved rows print and draw."""
    drawn, printed = [], io.StringIO()

    def draw(rows, *_, reference=(), **__):
        drawn.extend([*rows, *reference])
        return Nothing()

    monkeypatch.setattr(plots, "plot_accuracy_bars", draw)
    monkeypatch.setattr("IPython.display.Image", Nothing)
    given = {"settings": get_settings(), "default_model": default_model}
    given |= {"plots": plots, "Image": Nothing, "fmean": fmean}
    given |= {"is_measured": is_measured, "saved": results.results_of()}
    given |= {"results": {}}  # of runs, not of rows
    about_rows = {"saved", "ladder", "load_curve"}
    for code in code_cells(path):
        read, made = names_in(code)
        missing = read - made - given.keys() - vars(builtins).keys()
        if read & about_rows and not missing and "load_model(" not in code:
            with contextlib.redirect_stdout(printed):
                exec(compile(code, path.name, "exec"), given)
            about_rows |= made - {"row", "name", "label"}
    return printed.getvalue() + repr(drawn)


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: path.stem)
def test_rows_of_pocket_are_shown_for_pocket_alone(
    path, telling_rows, monkeypatch
):
    pytest.importorskip("IPython")
    monkeypatch.delenv("RFS_MODEL", raising=False)
    assert SHOWN.search(what_is_shown(path, monkeypatch))

    monkeypatch.setenv("RFS_MODEL", OTHER)
    assert not SHOWN.search(what_is_shown(path, monkeypatch))


def test_rows_and_curves_of_another_model_are_as_good_as_missing(
    telling_rows, monkeypatch
):
    monkeypatch.delenv("RFS_MODEL", raising=False)
    own = results.results_of()
    assert own["ch03-direct"]["accuracy"] == TELLING
    assert own["ch05-grpo-coarse"]["accuracy"] == TELLING  # a sister's
    assert results.load_curve("ch05-grpo") and ladder(load_results())

    for model in (OTHER, "pocket-teacher", "runs/mine"):
        monkeypatch.setenv("RFS_MODEL", model)
        others = results.results_of()["ch03-direct"]
        assert not is_measured(others) and others["model"] == model
        assert "on pocket, not on" in others["reason"]
        assert results.load_curve("ch05-grpo") == []
        assert ladder(load_results()) == []
    assert is_measured(results.results_of("pocket-teacher")["ch06-teacher"])


@pytest.mark.parametrize("path", MAINS, ids=lambda path: path.stem)
def test_notebooks_read_rows_by_model(path):
    for code in code_cells(path):
        assert not re.search(r"results import .*\bFOLDER\b", code), code
        calls = re.findall(r"(\w*\(?)load_results\(\)", code)
        assert set(calls) <= {"ladder("}, code  # which filters by itself
