"""The site's sources are staged with links that hold; the rest is Sphinx's.

The build itself, and every page in a browser, is .github/workflows/site.yml.
"""

import json

import build_site

ROOT = build_site.ROOT
CODE = "reasoning_from_scratch/llm"


def test_a_link_of_a_checkout_becomes_the_sites(tmp_path):
    for link, expected in (  # in a checkout, in the site
        ("ch02/README.md", "ch02/README.md"),
        ("docs/../README.md#keeping", "docs/../index.md#keeping"),
        (CODE, f"{CODE}/index.md"),
        (f"{CODE}/qwen3.py", f"{CODE}/qwen3.md"),
        ("https://example.org/a.py", "https://example.org/a.py"),
    ):
        text = f"see [here]({link})."
        found = build_site.relink(text, ROOT / "RESULTS.md", tmp_path)
        assert found == f"see [here]({expected})."


def test_every_page_is_staged_and_stands_in_the_contents(tmp_path):
    build_site.stage_pages(tmp_path)
    build_site.stage_notebooks(tmp_path, tmp_path / "opened", None)
    build_site.stage_code(tmp_path)
    build_site.stage_contents(tmp_path)
    notebooks, staged = (
        sorted(path.relative_to(place) for path in place.glob("*/*.ipynb"))
        for place in (ROOT, tmp_path)
    )
    home = (tmp_path / "index.md").read_text("utf-8")

    assert staged == notebooks != []
    assert (tmp_path / CODE / "qwen3.md").is_file()
    assert "\nch05/README\n" in home
    for page in (*build_site.DOCS.glob("*.md"), *ROOT.glob("*.md")):
        name = page.relative_to(ROOT).with_suffix("").as_posix()
        assert f"\n{name}\n" in home or page.stem in ("index", "README")
    for path in notebooks:
        contents = tmp_path / path.parent / "README.md"
        assert f"<{path.stem}>\n" in contents.read_text("utf-8")
    # Without a repository nobody can open a notebook elsewhere
    assert not (tmp_path / "opened").exists()


def test_a_notebook_that_is_opened_elsewhere_installs_itself(tmp_path):
    opened, path = tmp_path / "opened", "ch02/ch02_main.ipynb"
    build_site.stage_notebooks(tmp_path, opened, "owner/name")
    first, shown, committed = (
        json.loads((folder / path).read_text("utf-8"))["cells"]
        for folder in (opened, tmp_path, ROOT)
    )
    compile(first[0]["source"], "the first cell", "exec")
    assert "https://github.com/owner/name" in first[0]["source"]
    assert f"owner/name/blob/notebooks/{path}" in shown[0]["source"]
    assert shown[0]["source"].startswith("# Chapter 2")
    assert shown[1:2] == committed[1:2]


def test_links_and_the_order_of_pages_are_checked(tmp_path):
    build_site.write(tmp_path / "a.html", '<h1 id="top"><a href="b.html#x">')
    build_site.write(tmp_path / "b.html", '<a id="x" href="a.html#end"></a>')
    build_site.write(tmp_path / "c/d.html", '<img src="../no.png">')
    broken = build_site.broken_links(tmp_path)
    assert broken == ["b.html: a.html#end", "c/d.html: ../no.png"]
    kinds = ("main", "a", "exercises", "exercise_solutions")
    paths = [tmp_path / f"ch09_{kind}.ipynb" for kind in kinds]
    assert sorted(set(paths), key=build_site.reading_order) == paths
