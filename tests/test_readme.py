"""What README and the files that invite others in say is so."""

import ast
import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from reasoning_from_scratch import __version__
from reasoning_from_scratch.cli.doctor import fitting_models
from reasoning_from_scratch.cli.main import COMMANDS, find_help, main
from reasoning_from_scratch.results import load_results
from reasoning_from_scratch.settings import BUILT_IN

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
PACKAGE = ROOT / "reasoning_from_scratch"
TROUBLE = ROOT / "TROUBLESHOOTING.md"
PAGES = [ROOT / "README.md", TROUBLE, ROOT / "CONTRIBUTING.md"]
PAGES += sorted(ROOT.glob("*/README.md"))
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
GITHUB = ROOT / ".github"
FORMS = sorted(GITHUB.glob("ISSUE_TEMPLATE/[!c]*.yml"))
WORKFLOWS = {path.stem: path for path in GITHUB.glob("workflows/*.yml")}
TESTS = WORKFLOWS["tests"].read_text("utf-8")


def matrix(name) -> list[str]:
    return re.search(rf"^ +{name}: \[(.+)\]", TESTS, re.M)[1].split(", ")


def test_ci_and_the_workflow_run_the_readmes_commands_word_for_word():
    (tests,) = [block for block in BLOCKS if "&& pytest" in block]
    (cpu_build,) = [block for block in BLOCKS if "whl/cpu" in block]
    steps = tests.strip().splitlines()[-1].split(" && ")
    script = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    # Apart in the script, so that `set -e` sees the first one fail
    assert [line for line in script if line in steps] == steps
    assert script[1:].count("set -euo pipefail") == 1

    tour = BLOCKS[0].strip().split(" && ")[-1]
    assert tour == "rfs tour" and '".[book]"' in BLOCKS[0]
    runs = re.findall(r"\brun: (.+)", TESTS)
    assert {*steps, cpu_build.strip(), tour} <= set(runs)
    (pin,) = re.findall(r"torch==\S+", cpu_build)
    assert pin in CONSTRAINTS


def test_what_the_table_of_machines_computes_is_what_the_doctor_predicts():
    rows = re.findall(r"^\| .*?(\d+) GB \| (.*?) \|", README, re.M)
    assert [size for size, _ in rows] == ["24", "16", "8", "12", "24", "80"]
    for size, told in rows:
        answer, learn = (
            [name for name in names if name.startswith("qwen3")][-1]
            for names in fitting_models(int(size) * 2**30)
        )
        assert f"answers up to {answer}" in told.lower()
        assert "GRPO" not in told or f"grpo up to {learn}" in told.lower()
        assert "(computed)" in told
    row = json.loads((ROOT / "results" / "ch05-grpo.json").read_text("utf-8"))
    base = json.loads(
        (ROOT / f"results/{row['over']}.json").read_text("utf-8")
    )
    shares = (f"{100 * r['accuracy']:.0f} %" for r in (base, row))
    assert "from {} to {} of".format(*shares) in README
    assert round(row["minutes"]) == 12 and README.count("Twelve minutes") == 1


def test_the_table_of_built_in_models_tells_what_their_rows_measured():
    lines = re.findall(
        r"^\| `(pocket[\w-]*)` \|.*\| (.*) \|.*\|$", README, re.M
    )
    assert dict(lines).keys() == BUILT_IN.keys()
    for name, told in lines:
        command = f"rfs evaluate --model {name} --problems pocketmath"
        accuracies = [
            f"{100 * row['accuracy']:.1f} % direct"
            for row in load_results().values()
            if row["command"].startswith(f"{command} --prompt direct --run")
        ]
        assert told.partition(",")[0] in accuracies


def test_the_workflow_takes_the_systems_and_versions_that_are_allowed():
    systems = {f"{name}-latest" for name in ("ubuntu", "macos", "windows")}
    assert systems <= set(matrix("os"))
    least = re.search(r"\d\.\d+", PROJECT["requires-python"])[0]
    assert matrix("python")[0] == f'"{least}"' and len(matrix("python")) == 3
    assert matrix("torch") == ["oldest", "newest"]
    dependencies = PROJECT["dependencies"]
    (torch,) = [need for need in dependencies if need.startswith("torch")]
    (newest,) = [pin for pin in CONSTRAINTS if pin.startswith("torch==")]
    oldest = f"{torch.replace('>=', '==')}.0"
    assert set(re.findall(r"torch==\S+", TESTS)) == {oldest, newest}


@pytest.mark.parametrize("path", WORKFLOWS.values(), ids=WORKFLOWS)
def test_a_workflow_may_do_no_more_than_it_needs(path):
    text = path.read_text("utf-8")
    workflow = yaml.safe_load(text)
    assert "permissions" in workflow
    if path.stem == "tests":
        assert workflow["permissions"] == {"contents": "read"}
        assert workflow["concurrency"]["cancel-in-progress"]
    for job in workflow["jobs"].values():
        assert job["runs-on"] and job["steps"]
        assert job.get("timeout-minutes", 0) <= 90
    named = re.findall(r"python ((?:tools|tests)/[\w/.]+)", text)
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_forms_are_the_three_that_contributing_names():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert [path.stem for path in FORMS] == ["bug", "row", "verdict"]
    forms = [yaml.safe_load(path.read_text("utf-8")) for path in FORMS]
    assert all(form["name"] and form["body"] for form in forms)
    assert f"*{forms[-1]['name']}*" in text


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}"
)
def test_links_and_python_files_that_a_page_names_are_there(page):
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    local = [target for target in targets if "://" not in target]
    assert [t for t in local if not (page.parent / t).exists()] == []
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert [name for name in named if not any(ROOT.rglob(name))] == []


def test_commands_and_the_tree_are_those_of_the_folder():
    named = set(re.findall(r"\brfs ([a-z]+)\b", README))
    files = {
        path.stem
        for path in (PACKAGE / "cli").glob("*.py")
        if "\ndef run(" in path.read_text("utf-8")
    }
    assert named and named | files <= set(COMMANDS)
    (tree,) = re.findall(r"```\n(reasoning_from_scratch/.*?)```", README, re.S)
    names = re.findall(r"^( *)([\w.]+/?)", tree, re.MULTILINE)
    paths = [(PACKAGE if indent else ROOT) / name for indent, name in names]
    assert [path for path in paths if not path.exists()] == []


def test_the_wheel_carries_every_file_of_the_package():
    data = PYPROJECT["tool"]["setuptools"]["package-data"]
    patterns = [
        f"{ROOT / name.replace('.', '/')}/{pattern}"
        for name in data
        for pattern in data[name]
    ]
    left_out = [
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
        if not any(fnmatch(str(path), pattern) for pattern in patterns)
    ]
    assert left_out == []


def test_constraints_pin_everything_and_the_version_has_one_home():
    pins = [line for line in CONSTRAINTS if not line.startswith("#")]
    extras = PROJECT["optional-dependencies"]
    needed = PROJECT["dependencies"] + extras["book"] + extras["dev"]
    names = {re.match(r"[\w-]+", need)[0].replace("_", "-") for need in needed}
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin) for pin in pins)
    assert {n.lower() for n in names} <= {pin.split("==")[0] for pin in pins}
    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0"
    assert citation["title"] and citation["authors"] and citation["message"]


# ---- TROUBLESHOOTING.md --------------------------------------------------


def texts_in(path):
    """Yield every text in a file's code, with … for what is filled in."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        values = [getattr(part, "value", "…") for part in parts]
        if isinstance(node, ast.JoinedStr | ast.Constant):
            yield "".join(x if isinstance(x, str) else "…" for x in values)


def test_errors_and_links_of_the_page_lead_somewhere():
    code = [*PACKAGE.rglob("*.py"), *ROOT.glob("ch07/*.py")]
    texts = {text for path in code for text in texts_in(path)}
    _, ours, _ = TROUBLE.read_text("utf-8").split("\n## ", 2)
    keys = re.findall(r"^### `(.+)`$", ours, re.MULTILINE)
    patterns = [".*".join(map(re.escape, key.split("…"))) for key in keys]
    unknown = [p for p in patterns if not any(re.match(p, t) for t in texts)]
    assert len(patterns) > 20 and unknown == []
    text = TROUBLE.read_text("utf-8")
    titles = re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    # As GitHub makes an anchor: lower case, letters, digits, "-" and "_"
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in titles
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


def test_an_error_that_the_page_knows_points_to_it(monkeypatch, capsys):
    assert main(["ask", "1", "--model", "no-such-model"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("(more in TROUBLESHOOTING.md)")
    known = "runs/a exists; add --resume to go on with it, or"
    assert find_help(known) == " (more in TROUBLESHOOTING.md)"
    assert find_help("something else") == ""
    # An installed package has no such page
    monkeypatch.setattr("reasoning_from_scratch.cli.main.CHECKOUT", ROOT / "x")
    assert find_help(known) == ""
