"""What README says is so: its commands, its links, its versions."""

import ast
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from reasoning_from_scratch import __version__
from reasoning_from_scratch.cli.main import COMMANDS, find_help, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGE_DATA = PROJECT["tool"]["setuptools"]["package-data"]
WORKFLOW = (ROOT / ".github/workflows/tests.yml").read_text("utf-8")
TROUBLE = ROOT / "TROUBLESHOOTING.md"
PAGES = [ROOT / "README.md", TROUBLE, *sorted(ROOT.glob("*/README.md"))]

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda p: f"{p.parent.name}/{p.stem}"
)


def code_blocks(text: str) -> list[str]:
    """The shell blocks of a Markdown text."""
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


def test_ci_runs_the_readmes_test_command_word_for_word():
    (block,) = [b for b in code_blocks(README) if "&& pytest" in b]
    *_, command = block.strip().splitlines()
    script = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()

    # Apart in the script, so that `set -e` sees the first one fail.
    assert [line for line in script if line in command.split(" && ")] == (
        command.split(" && ")
    )
    assert script[1:].count("set -euo pipefail") == 1


def test_the_workflow_runs_the_readmes_commands_on_every_system():
    (tests,) = [b for b in code_blocks(README) if "&& pytest" in b]
    (cpu_build,) = [b for b in code_blocks(README) if "whl/cpu" in b]
    tour = code_blocks(README)[0]
    # What stands before is done by the runner: an environment of its own
    commands = tests.strip().splitlines()[-1].split(" && ")
    commands += [cpu_build.strip(), tour.strip().split(" && ")[-1]]
    runs = re.findall(r"\brun: (.+)", WORKFLOW)

    assert [command for command in commands if command not in runs] == []
    for system in ("ubuntu-latest", "macos-latest", "windows-latest"):
        assert system in matrix("os")


def test_the_workflow_takes_the_versions_that_the_project_allows():
    least = re.search(r"\d\.\d+", PROJECT["project"]["requires-python"])[0]
    assert matrix("python")[0] == f'"{least}"' and len(matrix("python")) == 3
    assert matrix("torch") == ["oldest", "newest"]
    (torch,) = [
        need.partition(">=")[2]
        for need in PROJECT["project"]["dependencies"]
        if need.startswith("torch")
    ]
    pins = set(re.findall(r"torch==(\S+)", WORKFLOW))
    constraints = (ROOT / "constraints.txt").read_text("utf-8")
    newest = re.search(r"^torch==(\S+)", constraints, re.MULTILINE)[1]
    assert pins == {f"{torch}.0", newest}


def test_the_workflow_may_read_and_nothing_else():
    assert re.findall(r"permissions:\n((?: .+\n)+)", WORKFLOW) == [
        "  contents: read\n"
    ]
    assert "cancel-in-progress: true" in WORKFLOW


def matrix(name) -> list[str]:
    """The values of a row of the workflow's matrix, as they are written."""
    return re.search(rf"^ +{name}: \[(.+)\]", WORKFLOW, re.M)[1].split(", ")


def test_the_first_command_ends_in_the_tour():
    block = code_blocks(README)[0]

    assert block.strip().endswith("&& rfs tour")
    assert '".[book]"' in block


def test_the_cpu_build_is_the_pinned_version():
    (block,) = [b for b in code_blocks(README) if "whl/cpu" in b]
    (pin,) = re.findall(r"torch==\S+", block)

    assert pin in (ROOT / "constraints.txt").read_text("utf-8").splitlines()


@each_page
def test_every_link_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    local = [target for target in targets if "://" not in target]

    assert [t for t in local if not (page.parent / t).exists()] == []


@each_page
def test_every_python_file_that_is_named_exists(page):
    named = set(re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8")))

    assert [name for name in named if not any(ROOT.rglob(name))] == []


def test_the_wheel_carries_every_file_of_the_package():
    patterns = [
        f"{ROOT / name.replace('.', '/')}/{pattern}"
        for name, these in PACKAGE_DATA.items()
        for pattern in these
    ]
    left_out = [
        path
        for path in (ROOT / "reasoning_from_scratch").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
        if not any(fnmatch(str(path), pattern) for pattern in patterns)
    ]
    assert left_out == []


def test_every_command_in_the_readme_exists():
    named = set(re.findall(r"\brfs ([a-z]+)\b", README))

    assert named and named <= set(COMMANDS)


def test_the_tree_in_the_readme_is_there():
    (tree,) = re.findall(r"```\n(reasoning_from_scratch/.*?)```", README, re.S)
    names = re.findall(r"^( *)([\w.]+/?)", tree, re.MULTILINE)
    package = ROOT / "reasoning_from_scratch"

    missing = [
        name
        for indent, name in names
        if not ((package if indent else ROOT) / name).exists()
    ]
    assert missing == []


def test_every_command_of_the_command_line_is_on_the_help_page():
    files = {
        path.stem
        for path in (ROOT / "reasoning_from_scratch" / "cli").glob("*.py")
        if "\ndef run(" in path.read_text("utf-8")
    }
    assert files <= set(COMMANDS)


def test_constraints_pin_every_requirement_without_a_path():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    pinned = {pin.partition("==")[0] for pin in pins}
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    needed = project["dependencies"] + extras["book"] + extras["dev"]
    names = {re.match(r"[\w-]+", need)[0].replace("_", "-") for need in needed}

    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin) for pin in pins)
    assert {name.lower() for name in names} <= pinned


def test_the_version_has_one_home():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


# ---- TROUBLESHOOTING.md --------------------------------------------------


def texts_in(path) -> list[str]:
    """Every text in a file's code, with … where a value is filled in."""
    texts = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [getattr(part, "value", "…") for part in node.values]
            texts.append(
                "".join(p if isinstance(p, str) else "…" for p in parts)
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return texts


def headings(text) -> list[str]:
    """The titles of a page's entries, under the first of its sections."""
    return re.findall(r"^### (.+)$", text, re.MULTILINE)


def test_every_error_of_ours_on_the_page_begins_one_in_the_code():
    package = ROOT / "reasoning_from_scratch"
    texts = [t for path in package.rglob("*.py") for t in texts_in(path)]
    _, ours, _ = TROUBLE.read_text("utf-8").split("\n## ", 2)
    patterns = {
        key: ".*".join(map(re.escape, key.strip("`").split("…")))
        for key in headings(ours)
    }
    unknown = [
        key
        for key, pattern in patterns.items()
        if not any(re.match(pattern, text) for text in texts)
    ]
    assert len(patterns) > 20 and unknown == []


def test_links_within_the_page_lead_to_its_headings():
    text = TROUBLE.read_text("utf-8")
    titles = re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    # As GitHub makes an anchor: lower case, letters, digits, "-" and "_"
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in titles
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


def test_an_error_that_the_page_knows_points_to_it(monkeypatch, capsys):
    assert find_help("runs/a exists; add --resume to go on with it, or") == (
        " (more in TROUBLESHOOTING.md)"
    )
    assert find_help("something else") == ""
    assert main(["ask", "1", "--model", "no-such-model"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("(more in TROUBLESHOOTING.md)")
    # An installed package has no such page
    monkeypatch.setattr("reasoning_from_scratch.cli.main.CHECKOUT", ROOT / "x")
    assert find_help("runs/a exists; add --resume to go on with it, or") == ""
