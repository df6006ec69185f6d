"""The notebooks run, say the same as the package, and are fit to read.

Each is executed once from top to bottom in fast mode, in an empty folder and
on a stand-in for a second device, whose numbers are the CPU's; in each figure
that it draws, no label lies on another thing. A function or class that a
notebook shares by name with the package must be the package's, docstrings and
comments apart.
"""

import ast
import json
import os
import re
from pathlib import Path

import pytest

from reasoning_from_scratch.device import available_devices

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
MAKERS = {
    f"torch.{name}"
    for name in ("tensor", "zeros", "ones", "full", "arange", "randint")
}
MODEL_ARGUMENTS = {"model", "student", "teacher", "policy", "learner"}

parametrize = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def without_magics(source):
    return re.sub(r"(?m)^\s*[%!].*$", "", source)


def definitions(source):
    """Top-level functions and classes by name, without docstrings."""
    tree = ast.parse(source)
    kinds = ast.FunctionDef | ast.ClassDef
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    found = (node for node in tree.body if isinstance(node, kinds))
    return {node.name: ast.dump(node) for node in found}


def package_definitions():
    """name -> the set of definitions that the package has under it."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name in ("cli", "pocket", "families"):
            continue  # not taught in a notebook
        for name, node in definitions(path.read_text("utf-8")).items():
            found.setdefault(name, set()).add(node)
    return found


def execute(notebook, folder):
    """Run a notebook in a folder; a cell's error comes out as its own."""
    place = {"metadata": {"path": str(folder)}}
    limits = {"timeout": MAX_SECONDS_A_CELL, "kernel_name": "python3"}
    nbclient.NotebookClient(notebook, resources=place, **limits).execute()


def execute_on_the_stand_in(notebook, folder):
    """Run a notebook on a second device, and look at its figures.

    Returns what went on between two devices (the number of the cell among
    those that hold code, from 0, and what it did) and what lies on what.
    """
    watch = "import overlaps as _overlaps, standin as _standin\n"
    watch += "_notes = _standin.watch_a_notebook()\n"
    watch += "_found = _overlaps.watch_a_notebook()"
    report = "import json as _json\nprint(_json.dumps([_notes, _found]))"
    first, last = map(nbformat.v4.new_code_cell, (watch, report))
    notebook.cells = [first, *notebook.cells, last]
    execute(notebook, folder)
    return json.loads(last.outputs[-1].text)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder to run notebooks in, in fast mode, away from the checkout."""
    monkeypatch.setenv("RFS_FAST", "1")
    monkeypatch.delenv("RFS_RUNS", raising=False)
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    return tmp_path


def files_of_the_checkout():
    """When each file that git tracks was last written, and its size."""
    folders = ["tests", "tools", "results", *{p.parent for p in NOTEBOOKS}]
    paths = (path for f in folders for path in (ROOT / f).rglob("*"))
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


@parametrize
def test_a_notebook_runs_anywhere_and_leaves_only_what_git_ignores(
    path, elsewhere
):
    before, notebook = files_of_the_checkout(), read(path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert execute_on_the_stand_in(notebook, elsewhere) == [[], []]
    assert all(cell.execution_count for cell in cells)
    assert {child.name for child in elsewhere.iterdir()} <= {"runs"}
    assert files_of_the_checkout() == before


@pytest.mark.gpu
@pytest.mark.skipif(available_devices()[0] == "cpu", reason="a CPU alone")
@parametrize
def test_a_notebook_runs_on_the_accelerator(path, elsewhere):
    execute(read(path), elsewhere)


def test_cells_that_mix_devices_or_labels_are_found(elsewhere):
    cells = [
        "import torch\nfrom reasoning_from_scratch import load_model",
        "model, tokenizer = load_model()\nids = torch.tensor([[1, 2]])",
        "model(ids)",
        "model(ids.to(model.device)).detach().numpy()",
        "model(ids.to(model.device)).detach().cpu().numpy()",
        "from matplotlib.pyplot import savefig, text\n"
        "text(0.5, 0.5, 'one')\ntext(0.5, 0.5, 'other')\nsavefig('a.png')",
    ]
    notebook = nbformat.v4.new_notebook()
    notebook.cells = list(map(nbformat.v4.new_code_cell, cells))
    notes, found = execute_on_the_stand_in(notebook, elsewhere)
    assert [cell for cell, _ in notes] == [2, 2, 3]
    assert found == ["'one' on 'other'"]


def is_made_on_the_cpu(node):
    """Whether an expression makes a tensor and names no device."""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in MAKERS
        and not any(keyword.arg == "device" for keyword in node.keywords)
    )


def calls_with_tensors_of_the_cpu(sources):
    """The calls of a notebook that give such a tensor to a model.

    A model is one that `load_model` put on a device of its choice, and, where
    there is one, every function's argument of such a name.
    """
    nodes = [n for s in sources for n in ast.walk(ast.parse(s))]
    models, tensors = set(), set()
    for node in nodes:
        if isinstance(node, ast.Assign):
            made = ast.unparse(node.value)
            targets = [ast.unparse(target) for target in node.targets]
            if made.startswith("load_model(") and "device=" not in made:
                models.add(targets[0].strip("()").split(",")[0])
            elif is_made_on_the_cpu(node.value):
                tensors |= set(targets)
    if models:
        models |= MODEL_ARGUMENTS
    return [
        ast.unparse(call)
        for call in nodes
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in models
        and any(
            is_made_on_the_cpu(given) or ast.unparse(given) in tensors
            for given in call.args
        )
    ]


@parametrize
def test_tensors_for_a_model_are_made_on_its_device(path):
    sources = [without_magics(c.source) for c in code_cells(path)]
    assert calls_with_tensors_of_the_cpu(sources) == []


@pytest.mark.parametrize(
    ("use", "is_refused"),
    [
        ("model(torch.tensor([ids]))[0]", True),
        ("x = torch.tensor([ids])\nmodel(x)", True),
        ("def f(teacher):\n    return teacher(torch.zeros(1, 2))", True),
        ("model(torch.tensor([ids], device=model.device))", False),
        ("model(torch.tensor([ids]).to(model.device))", False),
    ],
)
def test_the_rule_sees_a_tensor_without_a_device(use, is_refused):
    sources = ["model, tokenizer = load_model(MODEL)", use]
    assert bool(calls_with_tensors_of_the_cpu(sources)) == is_refused


@parametrize
def test_a_committed_notebook_was_run_and_is_fit_to_read(path):
    cells, code = read(path).cells, code_cells(path)
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1)), "not in a fresh kernel"
    for cell in code:
        assert "error" not in {output.output_type for output in cell.outputs}
        assert "figures/" not in cell.source, "draws over a committed picture"
        assert len(cell.source.splitlines()) <= MAX_CELL_LINES
    kinds = "".join(cell.cell_type[0] for cell in cells)
    assert kinds[0] == "m"
    assert "ccc" not in kinds, "three code cells in a row"
    prose = (c.source for c in cells if c.cell_type == "markdown")
    for alt, target in re.findall(r"!\[(.*?)\]\((.*?)\)", "\n".join(prose)):
        assert alt.strip() and (path.parent / target).is_file(), target


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
