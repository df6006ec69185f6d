"""What invites others in is well-formed: forms, workflows, the citation."""

import re
from pathlib import Path

import pytest

from reasoning_from_scratch import __version__

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
FORMS = sorted(GITHUB.glob("ISSUE_TEMPLATE/[!c]*.yml"))
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def read(path: Path):
    """The content of a YAML file."""
    return yaml.safe_load(path.read_text("utf-8"))


def by_name(path: Path) -> str:
    """How a test names a file."""
    return path.stem


@pytest.mark.parametrize("path", FORMS, ids=by_name)
def test_a_form_asks_for_what_github_can_show(path):
    form = read(path)

    assert form.keys() <= {"name", "description", "labels", "body"}
    assert len(form["name"]) > 0 and 0 < len(form["description"]) <= 200
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids) and all(map(str.isidentifier, ids))
    for field in form["body"]:
        assert field["type"] in KINDS and field["attributes"]["label"]
        options = field["attributes"].get("options", [])
        is_choice = field["type"] in ("dropdown", "checkboxes")
        assert bool(options) == is_choice
    assert any(f.get("validations", {}).get("required") for f in form["body"])


def test_the_forms_are_the_three_that_contributing_names():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    assert [path.stem for path in FORMS] == ["bug", "row", "verdict"]
    assert f"*{read(GITHUB / 'ISSUE_TEMPLATE/verdict.yml')['name']}*" in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_a_workflow_may_do_no_more_than_it_needs(path):
    workflow = read(path)

    assert "permissions" in workflow
    for job in workflow["jobs"].values():
        assert job["runs-on"] and job["steps"]
        assert job.get("timeout-minutes", 0) <= 90


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_a_workflow_runs_files_that_are_there(path):
    text = path.read_text("utf-8")

    named = re.findall(r"python ((?:tools|tests)/[\w/.]+)", text)
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_citation_is_of_this_version():
    citation = read(ROOT / "CITATION.cff")

    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0"
    assert citation["title"] and citation["authors"] and citation["message"]


def test_every_link_of_contributing_leads_somewhere():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)

    assert targets and [t for t in targets if not (ROOT / t).exists()] == []
