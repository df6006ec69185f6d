"""Build the site: notebooks, pages, the package's code and the playground.

    pip install -c constraints.txt -e ".[site]"
    python tools/build_site.py build/site
    python -m http.server --directory build/site

Offline and without running a cell: notebooks are shown with their committed
outputs. A warning of Sphinx, or a link that leads nowhere, ends it with an
error. The repository's address, for the Colab and Kaggle buttons, is that of
the running workflow (GITHUB_REPOSITORY), else the one that pyproject.toml
names; without one there are no buttons.
"""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import playground

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "reasoning_from_scratch"
CHAPTERS = [*sorted(ROOT.glob("ch0*")), ROOT / "appendix_c"]
MEASURED = ["RESULTS", "LOG"]
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)((?:#[^)\s]*)?)(?=\))")
CODE_PAGE = """\
# {name}

```{{literalinclude}} {file}
:language: python
```
"""
CONTENTS = """

```{{toctree}}
:hidden:
{caption}
{names}
```
"""
# The first cell of a notebook that is opened far from its checkout
INSTALL = """\
# On Colab or Kaggle: fetch the repository and install it (a minute or two)
import os, subprocess, sys

if not os.path.isdir("../reasoning_from_scratch"):
    if not os.path.isdir("repository"):
        fetch = ["git", "clone", "--quiet", "--depth=1", "{url}"]
        subprocess.run([*fetch, "repository"], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "-e"]
    subprocess.run([*install, "repository[book]"], check=True)
    sys.path.insert(0, os.path.abspath("repository"))
    os.chdir("repository/{folder}")
"""
# They open the branch that the workflow fills with such notebooks
BUTTONS = """

<p class="run-elsewhere">Run it on
<a href="https://colab.research.google.com/github/{name}/blob/notebooks/{path}">Colab</a>
or <a href="https://www.kaggle.com/kernels/welcome?src={url}/blob/notebooks/{path}">Kaggle</a>.
</p>
"""


def build(out: Path) -> list[str]:
    """Build everything; returns the links that lead nowhere."""
    source = out.with_name(f"{out.name}-source")
    for folder in (out, source):
        shutil.rmtree(folder, ignore_errors=True)
    stage_pages(source)
    stage_notebooks(source, out / "notebooks", repository())
    stage_code(source)
    stage_contents(source)
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    folders = ["-c", DOCS, "-d", source / ".doctrees", source, out]
    if subprocess.run([*sphinx, *folders]).returncode:
        sys.exit("Sphinx has something to say; see above")
    copy_mathjax(out / "_static" / "mathjax")
    playground.build(out / "playground")
    return broken_links(out)


def repository() -> str | None:
    """The repository as owner/name on GitHub, where it is known."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    url = project["project"].get("urls", {}).get("Repository", "")
    return url.partition("github.com/")[2].strip("/") or None


# ---- Sources, as Sphinx wants them ----


def stage_pages(source: Path) -> None:
    """Copy the pages in Markdown and what they show."""
    pages = [p for folder in CHAPTERS for p in sorted(folder.glob("*.md"))]
    pages += [*ROOT.glob("*.md"), *DOCS.glob("*.md")]
    for page in pages:
        if page == ROOT / "README.md":
            continue
        place = source / page.relative_to(ROOT)
        write(place, relink(page.read_text("utf-8"), page, source))
    # The README is a part of the first page, which lies at the top
    readme = ROOT / "README.md"
    text = relink(readme.read_text("utf-8"), readme, source)
    write(source / "README.txt", text)
    (source / "docs" / "index.md").rename(source / "index.md")


def stage_notebooks(source: Path, opened: Path, name: str | None) -> None:
    """Copy the notebooks, and once more with a cell that installs."""
    for path in (p for folder in CHAPTERS for p in folder.glob("*.ipynb")):
        place = path.relative_to(ROOT)
        notebook = json.loads(path.read_text("utf-8"))
        url = f"https://github.com/{name}"
        if name is not None:
            cell = {
                "cell_type": "code",
                "execution_count": None,
                "id": "install",
                "metadata": {},
                "outputs": [],
                "source": INSTALL.format(url=url, folder=place.parent),
            }
            cells = [cell, *notebook["cells"]]
            write(opened / place, json.dumps({**notebook, "cells": cells}))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                text = "".join(cell["source"])
                cell["source"] = relink(text, path, source)
        if name is not None:
            title, _, rest = notebook["cells"][0]["source"].partition("\n")
            buttons = BUTTONS.format(name=name, url=url, path=place)
            notebook["cells"][0]["source"] = title + buttons + rest
        write(source / place, json.dumps(notebook))


def stage_code(source: Path) -> None:
    """Make a page of each file of the package, and of each folder."""
    for folder in (PACKAGE, *(p for p in PACKAGE.rglob("*") if p.is_dir())):
        files = sorted(folder.glob("*.py"))
        if not files:
            continue
        place = source / folder.relative_to(ROOT)
        lines = [f"# {folder.relative_to(ROOT)}\n"]
        for path in files:
            stage_file(path, place)
            lines.append(f"- [{path.name}]({path.stem}.md): {summary(path)}")
        rooms = sorted(p.parent.name for p in folder.glob("*/*.py"))
        rooms = list(dict.fromkeys(rooms))
        lines += [f"- [{room}/]({room}/index.md)" for room in rooms]
        names = [path.stem for path in files]
        names += [f"{room}/index" for room in rooms]
        write(place / "index.md", "\n".join(lines) + contents("", names))


def stage_file(path: Path, place: Path) -> None:
    """Make a page of one Python file."""
    text = CODE_PAGE.format(name=path.relative_to(ROOT), file=path.name)
    write(place / f"{path.stem}.md", text)
    write(place / path.name, path.read_text("utf-8") or "# empty\n")


def summary(path: Path) -> str:
    """The first sentence of a file's docstring."""
    module = ast.parse(path.read_text("utf-8"))
    text = ast.get_docstring(module) or "nothing to read"
    return text.partition("\n\n")[0].replace("\n", " ").replace("`", "")


def stage_contents(source: Path) -> None:
    """Say what follows what: in the sidebar, and behind each page."""
    for folder in CHAPTERS:
        place = source / folder.name
        code = [path.with_suffix(".md") for path in folder.glob("*.py")]
        for path in code:
            stage_file(path.with_suffix(".py"), place)
        pages = sorted({*folder.glob("*.md"), *code} - {folder / "README.md"})
        notebooks = sorted(folder.glob("*.ipynb"), key=reading_order)
        chapter = title(folder / "README.md")
        names = [
            f"{short_title(path, chapter)} <{path.stem}>" for path in notebooks
        ]
        names += [path.stem for path in pages]
        append(place / "README.md", contents("", names))
    pages = sorted(path.stem for path in DOCS.glob("*.md"))
    parts = {
        "Chapters": [f"{folder.name}/README" for folder in CHAPTERS],
        "Beside them": [f"docs/{name}" for name in pages if name != "index"],
        "What was measured": MEASURED,
        "Taking part": [
            path.stem
            for path in sorted(ROOT.glob("*.md"))
            if path.stem not in ("README", *MEASURED)
        ],
        "The code": [f"{PACKAGE.name}/index"],
    }
    for caption, names in parts.items():
        append(source / "index.md", contents(caption, names))


def reading_order(path: Path) -> tuple:
    """Main notebooks first, exercises after them, then their solutions."""
    kinds = ("solutions", "exercises", "main")
    is_kind = [kind in path.stem for kind in kinds]
    return (is_kind[0], is_kind[1], not is_kind[2], path.stem)


def title(path: Path) -> str:
    """The first heading of a page or notebook."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        text = "".join(json.loads(text)["cells"][0]["source"])
    return text.partition("\n")[0].removeprefix("# ")


def short_title(path: Path, chapter: str) -> str:
    """A notebook's title below its chapter's in the sidebar."""
    name = title(path)
    if name.lower() == chapter.lower() or path.stem.endswith("_main"):
        return "The notebook"
    name = re.sub(r"^(Chapter \d|Appendix \w)[,:] (the )?", "", name)
    return name[:1].upper() + name[1:]


def contents(caption: str, names: list[str]) -> str:
    """A table of contents for the sidebar."""
    caption = f":caption: {caption}\n" if caption else ""
    return CONTENTS.format(caption=caption, names="\n".join(names))


def relink(text: str, page: Path, source: Path) -> str:
    """Make the links of a page, right in a checkout, right in the site."""

    def change(match):
        target, anchor = match.groups()
        path = Path(os.path.normpath(page.parent / target))
        if path.is_dir():
            return f"{target.rstrip('/')}/index.md{anchor}"
        if path == ROOT / "README.md":
            return target.replace("README", "index") + anchor
        if path.suffix == ".py":
            return f"{target.removesuffix('.py')}.md"
        if path.is_file() and path.suffix not in (".md", ".ipynb"):
            place = source / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        return target + anchor

    return LINK.sub(change, text)


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def append(path: Path, text: str) -> None:
    """Write on at the end of a file."""
    write(path, path.read_text("utf-8") + text)


# ---- What was built ----


def copy_mathjax(folder: Path) -> None:
    """Put MathJax, in one file with its fonts, beside the pages."""
    (package,) = importlib.util.find_spec("mathjax").submodule_search_locations
    files = Path(package) / "static" / "mathjax"
    folder.mkdir(parents=True)
    shutil.copy(files / "es5" / "tex-svg.js", folder)
    shutil.copy(files / "LICENSE", folder)


class Page(HTMLParser):
    """The anchors of a page, and the links that it holds."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs.get("id"), attrs.get("name")}
        self.links |= {attrs.get("href"), attrs.get("src")} - {None, ""}


def broken_links(out: Path) -> list[str]:
    """Every link within the site that leads nowhere, as "page: link"."""
    paths = set(out.rglob("*.html")) - set(out.rglob("_static/*.html"))
    pages = {path.resolve(): Page(path) for path in paths}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve()
            target = target if parts.path else path
            anchor = unquote(parts.fragment)
            is_known = not anchor or target not in pages
            if not target.exists() or not (
                is_known or anchor in pages[target].anchors
            ):
                broken.append(f"{path.relative_to(out.resolve())}: {link}")
    return sorted(broken)


def main() -> int:
    """Build into the folder that is named; 1 if a link is broken."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/build_site.py FOLDER")
    out = Path(sys.argv[1])
    broken = build(out)
    print("\n".join(broken) or "every link leads somewhere")
    print(f"{len(list(out.rglob('*.html')))} pages in {out}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
