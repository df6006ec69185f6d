"""The house stands as README draws it: floors, no circles, sizes.

The imports are read with `ast`, also those inside functions, so a module
that nothing has run yet is held to the plan as well.
"""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "reasoning_from_scratch"
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
# What needs a checkout stands on top of the package, room by room; chapters
# also stand on tools
ROOMS_ABOVE = {
    folder.name: sorted(folder.rglob("*.py"))
    for folder in (ROOT / "tools", *sorted(ROOT.glob("ch0*")))
}
ABOVE = [path for paths in ROOMS_ABOVE.values() for path in paths]
# Each may import itself and what stands left of it
FLOORS = ("ground", "llm", "evaluation", "scaling", "training", "cli")
MAY_IMPORT = {floor: FLOORS[: i + 1] for i, floor in enumerate(FLOORS)}
# What can be read and borrowed alone, and what it may bring along
BORROWABLE = (
    ("evaluation/answers.py", ()),
    ("evaluation/verifier", ("evaluation.verifier", "evaluation.answers")),
    ("llm/sampling.py", ("llm",)),
    ("training/objective.py", ("training",)),
)
LIGHT = [
    *("settings", "runs", "memory", "results", "plots", "llm.config"),
    *("evaluation.answers", "evaluation.verifier", "training.config"),
    *(f"cli.{p.stem}" for p in (ROOT / PACKAGE / "cli").glob("[a-z]*.py")),
]
HEAVY = ("torch", "sympy", "matplotlib", "transformers", "tokenizers")
# A small package is a feature: folder -> most lines, most files
MAX_SIZES = {
    PACKAGE: (17_611, 91),
    f"{PACKAGE}/evaluation/verifier": (2_590, 10),
}
# A file is one subject, never split to please this number
MAX_FILE_LINES = 430
MAX_FUNCTION_LINES = 44  # the statements: signature and docstring apart


def nodes(path: Path):
    return ast.walk(ast.parse(path.read_text("utf-8")))


def module_name(path: Path) -> str:
    """The dotted name behind a file, without `.__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def our_imports(path: Path) -> list[str]:
    return [n for n in all_imports(path) if n.split(".")[0] == PACKAGE]


def all_imports(path: Path) -> list[str]:
    package = path.relative_to(ROOT).parts[:-1]
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            start = ".".join(base) if node.level else ""
            source = ".".join(filter(None, (start, node.module)))
            names |= {f"{source}.{alias.name}" for alias in node.names}
    return sorted(names)


def upward_imports(path: Path) -> list[str]:
    """What a file imports from a floor above its own."""

    def floor_of(name):
        first = (name.split(".") + [""])[1].replace("__main__", "cli")
        return first if first in MAY_IMPORT else "ground"

    allowed = MAY_IMPORT[floor_of(module_name(path))]
    return [n for n in our_imports(path) if floor_of(n) not in allowed]


def test_floors_are_kept_and_what_breaks_them_would_be_seen(
    tmp_path, monkeypatch
):
    found = {str(path): upward_imports(path) for path in FILES}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / PACKAGE / "llm" / "sampling.py"
    path.parent.mkdir(parents=True)
    path.write_text("def f():\n    from ..training import grpo\n", "utf-8")
    assert upward_imports(path) == [f"{PACKAGE}.training.grpo"]


def test_no_imports_go_round_in_a_circle():
    modules = {module_name(path): path for path in FILES}

    def module_of(name):
        while name not in modules:
            name = name.rpartition(".")[0]
        return name

    imports = {
        module: {module_of(name) for name in our_imports(path)} - {module}
        for module, path in modules.items()
    }
    graphlib.TopologicalSorter(imports).prepare()


@pytest.mark.parametrize("room", ["package", *ROOMS_ABOVE])
def test_package_tools_and_chapters_stand_on_each_other_in_turn(room):
    others = {
        path.stem
        for name, paths in ROOMS_ABOVE.items()
        for path in paths
        if name != room and (name != "tools" or room == "package")
    }
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in ROOMS_ABOVE.get(room, FILES)
        for name in all_imports(path)
        if name.partition(".")[0] in others
    ]
    assert wrong == []


@pytest.mark.parametrize(("part", "company"), BORROWABLE)
def test_what_can_be_borrowed_imports_nothing_else_of_ours(part, company):
    allowed = tuple(f"{PACKAGE}.{name}." for name in company)
    path = ROOT / PACKAGE / part
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    names = {name for file in files for name in our_imports(file)}
    assert (
        files and [n for n in names if not f"{n}.".startswith(allowed)] == []
    )


def test_light_modules_import_nothing_heavy():
    program = f"""
import sys, importlib
for name in {LIGHT}:
    importlib.import_module(f'{PACKAGE}.{{name}}')
    heavy = set({HEAVY}) & sys.modules.keys()
    assert not heavy, f'{{name}} imports {{heavy}}'
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("pattern", "places"),
    [
        # One place, which can do without a compiler
        (r"torch\.compile\(", [str(Path(PACKAGE, "device.py"))]),
        # Windows takes a program's text for its own code page; ruff's
        # PLW1514 looks at the text of files
        (r"\btext=True", []),
    ],
)
def test_what_needs_care_is_called_where_care_is_taken(pattern, places):
    paths = [*FILES, *ABOVE, *sorted(ROOT.glob("*/*.ipynb"))]
    found = [p for p in paths if re.search(pattern, p.read_text("utf-8"))]
    assert [str(path.relative_to(ROOT)) for path in found] == places


def length(path):
    return len(path.read_text("utf-8").splitlines())


@pytest.mark.parametrize(("folder", "most"), MAX_SIZES.items())
def test_the_package_stays_small(folder, most):
    files = [path for path in FILES if path.is_relative_to(ROOT / folder)]
    assert sum(map(length, files)) <= most[0] and len(files) <= most[1]


def test_files_and_functions_stay_short():
    for path in [*FILES, *ABOVE]:
        assert length(path) <= MAX_FILE_LINES, path
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                is_documented = ast.get_docstring(node) is not None
                first = (node.body[is_documented:] or node.body)[0]
                lines = node.end_lineno - first.lineno + 1
                assert lines <= MAX_FUNCTION_LINES, f"{path}: {node.name}"
