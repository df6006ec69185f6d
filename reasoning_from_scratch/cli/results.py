"""Draw RESULTS.md, the README's table and the summary picture.

    rfs results
    rfs results --check
    rfs results --remake
    rfs results --remake ch03-direct ch03-step-by-step

Everything is drawn from results/*.json. --check changes nothing and fails if
a drawing is out of date. --remake runs the commands of the pocket model's
rows again (or of the rows named), updates them, and goes on where it was if
it is stopped.
"""

import hashlib
from pathlib import Path

from reasoning_from_scratch.files import as_json, atomic_write_text
from reasoning_from_scratch.results import FOLDER, ladder, load_results

PICTURE = "summary.png"
TITLE = "One model grows up: pocket on the 2,000 test problems of pocketmath"


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--check",
        action="store_true",
        help="only tell whether the drawings are up to date",
    )
    parser.add_argument(
        "--remake",
        nargs="*",
        metavar="ROW",
        help="measure these rows again (none named: all of the pocket model)",
    )


def run(args) -> int:
    """Remake where asked, then draw or check."""
    checkout = FOLDER.parent
    if not (checkout / "README.md").exists():
        raise FileNotFoundError(
            f"no README.md in {checkout}: results are drawn in a checkout, "
            "not in the installed package"
        )
    if args.remake is not None:
        from reasoning_from_scratch.cli.remake import remake

        remake(args.remake)
    return check(checkout) if args.check else draw(checkout)


def draw(checkout: Path) -> int:
    """Write all drawings anew."""
    for path, text in pages(checkout).items():
        atomic_write_text(path, text)
    steps = ladder(load_results(checkout / "results"))
    if steps:
        draw_picture(checkout / "results" / PICTURE, steps)
    return 0


def check(checkout: Path) -> int:
    """Name the drawings that are out of date; 1 if there are any."""
    stale = [
        path
        for path, text in pages(checkout).items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    steps = ladder(load_results(checkout / "results"))
    picture = checkout / "results" / PICTURE
    if steps and not is_picture_of(picture, steps):
        stale.append(picture)
    for path in stale:
        print(f"{path.relative_to(checkout)} is out of date: `rfs results`")
    return 1 if stale else 0


def pages(checkout: Path) -> dict[Path, str]:
    """The text that each drawn page should have."""
    from reasoning_from_scratch.cli import results_page as page
    from reasoning_from_scratch.plots import describe_bars

    rows = load_results(checkout / "results")
    steps = ladder(rows)
    picture = ""
    if steps:
        picture = f"![{describe_bars(steps, TITLE)}](results/{PICTURE})\n"
    readme = checkout / "README.md"
    block = page.readme_block(rows, picture)
    return {
        checkout / "RESULTS.md": page.results_page(rows, picture),
        readme: page.replace_block(readme.read_text("utf-8"), block),
    }


def draw_picture(path: Path, steps: list[dict]) -> None:
    """Draw the ladder, with a fingerprint of its rows in the file."""
    from reasoning_from_scratch.plots import plot_accuracy_bars

    figure = plot_accuracy_bars(steps, title=TITLE)
    figure.savefig(path, metadata={"Comment": fingerprint(steps)})


def is_picture_of(path: Path, steps: list[dict]) -> bool:
    """Tell whether the picture was drawn from these rows."""
    return path.exists() and fingerprint(steps).encode() in path.read_bytes()


def fingerprint(steps: list[dict]) -> str:
    """A hash of what the picture shows."""
    shown = [
        [
            row[key]
            for key in ("name", "accuracy", "low", "high", "mean_tokens")
        ]
        for row in steps
    ]
    return hashlib.sha256(as_json(shown).encode()).hexdigest()
