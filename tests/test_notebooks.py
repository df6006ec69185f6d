"""The notebooks run, say the same as the package, and are fit to read.

Each is executed once from top to bottom in fast mode, in a copy of its
folder. A function or class that a notebook shares by name with the package
must be the package's, docstrings and comments apart.
"""

import ast
import os
import re
import shutil
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reasoning_from_scratch"
NOTEBOOKS = sorted(
    path
    for folder in ("ch*", "appendix_c")
    for path in ROOT.glob(f"{folder}/*.ipynb")
)
MAX_CELL_LINES = 40
MAX_SECONDS_A_CELL = 300  # hanging, not slow: slow is for people to notice

parametrize = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def definitions(source):
    """Top-level functions and classes by name, without docstrings."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ast.dump(_without_docstrings(node))
    return found


def _without_docstrings(tree):
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def package_definitions():
    """name -> the set of definitions that the package has under it."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name in ("cli", "pocket", "families"):
            continue  # not taught in a notebook
        for name, node in definitions(path.read_text("utf-8")).items():
            found.setdefault(name, set()).add(node)
    return found


def without_magics(source):
    return re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 3


@parametrize
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    monkeypatch.setenv("RFS_FAST", "1")
    monkeypatch.setenv("RFS_RUNS", str(tmp_path / "runs"))
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    folder = tmp_path / path.parent.name
    shutil.copytree(path.parent, folder)
    notebook = read(path)
    client = nbclient.NotebookClient(
        notebook,
        timeout=MAX_SECONDS_A_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()  # raises with the cell's own traceback
    executed = [c for c in notebook.cells if c.cell_type == "code"]
    assert all(cell.execution_count for cell in executed)


@parametrize
def test_a_committed_notebook_was_run_in_a_fresh_kernel(path):
    cells = code_cells(path)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not any(
        output.output_type == "error" for c in cells for output in c.outputs
    )


@parametrize
def test_cells_are_short_and_prose_stands_between_them(path):
    cells = read(path).cells
    longest = max(len(c.source.splitlines()) for c in code_cells(path))
    assert longest <= MAX_CELL_LINES
    kinds = "".join(cell.cell_type[0] for cell in cells)
    assert "ccc" not in kinds, "three code cells in a row"
    assert kinds[0] == "m"


@parametrize
def test_pictures_in_prose_have_alt_text_and_exist(path):
    for cell in read(path).cells:
        if cell.cell_type != "markdown":
            continue
        for alt, target in re.findall(r"!\[(.*?)\]\((.*?)\)", cell.source):
            assert alt.strip(), f"no alt text: {target}"
            assert (path.parent / target).is_file(), target


@parametrize
def test_what_a_notebook_shares_by_name_is_the_packages_code(path):
    known = package_definitions()
    for cell in code_cells(path):
        for name, node in definitions(without_magics(cell.source)).items():
            if name in known:
                assert node in known[name], f"{name} differs from the package"


def test_a_changed_function_would_be_noticed():
    known = package_definitions()
    source = 'def filter_top_k(logits, top_k):\n    """Doc."""\n    return 1'
    assert definitions(source)["filter_top_k"] not in known["filter_top_k"]
