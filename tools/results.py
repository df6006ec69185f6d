"""Draw RESULTS.md, the README's picture and the table of chapter 4.

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
from functools import partial
from pathlib import Path

from remake import remake
from rows import CHAPTERS, check_row

from reasoning_from_scratch import results as stored
from reasoning_from_scratch.files import as_json, atomic_write_text
from reasoning_from_scratch.plots import describe_bars, plot_accuracy_bars
from reasoning_from_scratch.results import (
    is_measured,
    ladder,
    load_results,
    markdown_table,
)

FLAGS = """
--check          only tell whether the drawings are up to date
--remake ROW*    measure these rows again (none named: all of the pocket model)
"""
PICTURE = "summary.png"
SHOWN = "pocket"  # the model of the README's ladder
# What the tour, a model card and the notebooks ask of a row
SUMMARY_KEYS = ("chapter", "ladder", "name", "method", "model", "problems")
SUMMARY_KEYS += ("accuracy", "low", "high", "mean_tokens", "command")
TITLE = "One model grows up: pocket on the 2,000 test problems of pocketmath"
HEADING = """\
# Results

Drawn by `rfs results` from the rows in `results/`; edit those. Accuracies
are in per cent with Wilson's 95 % interval; tokens are all that were written
for one problem, on average; minutes are those of the row's command on its
hardware. A test split of 2,000 problems has a standard error of 1.1 points at
50 %: no difference inside the noise is called a win.
"""
REAL = "real"  # group of the rows below
REAL_PICTURE = "real.png"
REAL_TITLE = "Qwen2.5-Coder-0.5B on GSM8K"  # short: beside it is a legend
ABOUT_REAL = """\
Qwen2.5-Coder-0.5B-Instruct from a quantised file, 5 to 8 bits per weight: what
the quantisation lost is lost, so these are the accuracies of this file and
not of the published weights. Weights and cache are bfloat16. The commands
expect its folder, which `tools/real_model.py` makes, as
`runs/qwen2.5-coder-0.5b-instruct`, and GSM8K's published `train.jsonl` in
`gsm8k/`. Minutes are wall time at the lowest priority on a busy machine, an
upper bound.
"""
NO_ROWS = "No row has been measured yet.\n"
README_BEGIN = "<!-- results: drawn by `rfs results` -->"
README_END = "<!-- end of results -->"


def run(args) -> int:
    """Remake where asked, then draw or check."""
    if args.remake is not None:
        remake(args.remake)
    checkout = stored.FOLDER.parent
    return check(checkout) if args.check else draw(checkout)


def draw(checkout: Path) -> int:
    """Write all drawings anew."""
    for path, text in pages(checkout).items():
        atomic_write_text(path, text)
    steps = ladder(load_results(), model=SHOWN)
    if steps:
        draw_picture(checkout / "results" / PICTURE, steps)
    if pairs := pairs_of(load_results()):
        draw_picture(checkout / "results" / REAL_PICTURE, *pairs)
    return 0


def check(checkout: Path) -> int:
    """Name the drawings that are out of date; 1 if there are any."""
    stale = [
        path
        for path, text in pages(checkout).items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    steps = ladder(load_results(), model=SHOWN)
    picture = checkout / "results" / PICTURE
    if steps and not is_picture_of(picture, steps):
        stale.append(picture)
    pairs, picture = pairs_of(load_results()), picture.with_name(REAL_PICTURE)
    if pairs and not is_picture_of(picture, sum(pairs, [])):
        stale.append(picture)
    for path in stale:
        print(f"{path.relative_to(checkout)} is out of date: `rfs results`")
    return 1 if stale else 0


def pages(checkout: Path) -> dict[Path, str]:
    """The text that each drawn page should have; its rows are checked."""
    rows = load_results()
    for name, row in rows.items():
        check_row(name, row)
    steps = ladder(rows, model=SHOWN)
    picture = ""
    if steps:
        picture = f"![{describe_bars(steps, TITLE)}](results/{PICTURE})\n"
    blocks = {
        checkout / "README.md": picture,
        checkout / "ch04" / "README.md": "".join(gains_beside_pocket(rows)),
    }
    return {
        stored.SUMMARY: summary(rows),
        checkout / "RESULTS.md": results_page(rows, picture),
        **{
            path: replace_block(path, block)
            for path, block in blocks.items()
            if path.exists()
        },
    }


def draw_picture(path: Path, steps: list[dict], beside=()) -> None:
    """Draw the rows, with a fingerprint of what is shown in the file."""
    title = REAL_TITLE if beside else TITLE
    label = f"{SHOWN}, on its own problems"
    figure = plot_accuracy_bars(
        steps, title=title, reference=beside, reference_label=label
    )
    about = fingerprint([*steps, *beside])
    figure.savefig(path, metadata={"Comment": about})


def pairs_of(rows: dict[str, dict]) -> tuple[list[dict], list[dict]] | None:
    """Rows of the real model, and pocket's of the same method and label."""
    real = [r for r in rows.values() if r.get("group") == REAL and "name" in r]
    real = sorted(filter(is_measured, real), key=lambda r: r["mean_tokens"])
    beside = [
        {**rows[row["beside"]], "name": row["name"]}
        for row in real
        if row.get("beside") in rows
    ]
    return (real, beside) if real else None


def is_picture_of(path: Path, steps: list[dict]) -> bool:
    """Tell whether the picture was drawn from these rows."""
    return path.exists() and fingerprint(steps).encode() in path.read_bytes()


def fingerprint(steps: list[dict]) -> str:
    """A hash of what the picture shows."""
    keys = ("name", "accuracy", "low", "high", "mean_tokens")
    shown = [[row[key] for key in keys] for row in steps]
    return hashlib.sha256(as_json(shown).encode()).hexdigest()


def summary(rows: dict[str, dict]) -> str:
    """The accuracies as the package carries them."""
    shown = {
        name: {key: row[key] for key in SUMMARY_KEYS if key in row}
        for name, row in rows.items()
        if is_measured(row) and "accuracy" in row
    }
    return as_json(shown, indent=1) + "\n"


# ---- From rows to Markdown ----


def percent(share: float) -> str:
    """A share in [0, 1] as per cent with one decimal."""
    return f"{100 * share:.1f}"


def _interval(row: dict) -> str:
    return f"{percent(row['low'])} to {percent(row['high'])}"


def _minutes(row: dict) -> str:
    minutes = row["minutes"]
    return "" if minutes is None else f"{minutes:.1f}"


def _tokens(row: dict) -> str:
    return f"{row['mean_tokens']:,.0f}"


def _figure(row: dict) -> str:
    value = row["value"]
    text = f"{value:,.4g}" if isinstance(value, float) else str(value)
    return f"{text} {row['unit']}".strip()


def _command(row: dict) -> str:
    return f"`{row['command']}`"


def _gain(row: dict) -> str:
    """The paired difference and its interval, in points."""
    low, high = percent(row["difference_low"]), percent(row["difference_high"])
    return f"{100 * row['difference']:+.1f} ({low} to {high})"


def _difference(row: dict, rows: dict) -> str:
    """The paired difference to the row named by `over`, if measured."""
    if "difference" not in row:
        return ""
    other = rows.get(row["over"], {})
    name = other.get("name") or other.get("method") or row["over"]
    told = _gain(row).replace(")", f", p = {row['p_value']:.2g})")
    return f"{told} over {name}"


# Title of a column -> a key of the row, or a function of it
ACCURACIES = {
    "method": "method",
    "model": "model",
    "problems": "problems",
    "accuracy": lambda row: percent(row["accuracy"]),
    "interval": _interval,
    "against": _difference,
    "tokens": _tokens,
    "minutes": _minutes,
    "seed": "seed",
}
FIGURES = {
    "what": "method",
    "model": "model",
    "figure": _figure,
    "hardware": "hardware",
}
BESIDE = {
    "method": "method",
    "this model": lambda row: _gain(row),
    "pocket": lambda row: _gain(row["twin"]),
    "": lambda row: verdict(row),
}
MISSING = {
    "not measured": "method",
    "model": "model",
    "why": "reason",
    "command": _command,
}
COMMANDS = {
    "row": "row",
    "command": _command,
    "commit": lambda row: row.get("commit", ""),
    "hardware": lambda row: row.get("hardware", ""),
}


def table_of(rows: list[dict], columns: dict) -> list[str]:
    """One Markdown table of these columns; none where there are no rows."""
    cells = [
        [get(row) if callable(get) else row[get] for get in columns.values()]
        for row in rows
    ]
    return [markdown_table(tuple(columns), cells)] if rows else []


def results_page(rows: dict[str, dict], picture: str) -> str:
    """The whole of RESULTS.md."""
    parts = [HEADING, picture] if picture else [HEADING]
    if not rows:
        parts.append(NO_ROWS)
    rows = dict(sorted(rows.items(), key=_place))
    real = {n: r for n, r in rows.items() if r.get("group") == REAL}
    for chapter, title in CHAPTERS.items():
        chosen = {
            name: row
            for name, row in rows.items()
            if row["chapter"] == chapter and name not in real
        }
        if chosen:
            number = chapter.removeprefix("ch").lstrip("0")
            parts.append(f"## Chapter {number}: {title}\n")
            parts += chapter_tables(chosen, rows)
    if real:
        parts += real_tables(real, rows)
    if rows:
        parts += [
            "## To make a row again\n",
            "`rfs results --remake` does it for every row of the pocket "
            "model.\n",
            *table_of(
                [{**row, "row": name} for name, row in rows.items()], COMMANDS
            ),
        ]
    return "\n".join(parts)


def replace_block(path: Path, block: str) -> str:
    """A README's text with this block between its markers."""
    before, begin, rest = path.read_text("utf-8").partition(README_BEGIN)
    _, end, after = rest.partition(README_END)
    if not begin or not end:
        raise ValueError(
            f"{path} lacks the lines {README_BEGIN!r} and {README_END!r}"
        )
    return f"{before}{begin}\n{block or NO_ROWS}{end}{after}"


def chapter_tables(chosen: dict, rows: dict, more=None) -> list[str]:
    """A chapter's accuracies, other figures, notes and what is missing.

    `more` are further columns of the accuracies.
    """
    measured = [row for row in chosen.values() if is_measured(row)]
    missing = [row for row in chosen.values() if not is_measured(row)]
    against = {"against": partial(_difference, rows=rows)}
    parts = table_of(
        [row for row in measured if "accuracy" in row],
        ACCURACIES | against | (more or {}),
    )
    parts += table_of([r for r in measured if "accuracy" not in r], FIGURES)
    for row in measured:
        if "table" in row:  # of a comparison of many runs
            table = row["table"]
            lines = markdown_table(table["columns"], table["rows"])
            parts += [f"{row['method']}:\n\n{lines}", f"{table['claim']}\n"]
    notes = [f"- {r['method']}: {r['note']}" for r in measured if "note" in r]
    if notes:
        parts.append("\n".join(notes) + "\n")
    return parts + table_of(missing, MISSING)


def real_tables(real: dict, rows: dict) -> list[str]:
    """The rows of the real model, and each gain beside pocket's."""
    parts = ["## A real model on real problems\n", ABOUT_REAL]
    if pairs := pairs_of(rows):
        alt = describe_bars(pairs[0], REAL_TITLE)
        parts.append(f"![{alt}](results/{REAL_PICTURE})\n")
    parts += chapter_tables(real, rows, {"cut short": _cut_short})
    if table := gains_beside_pocket(rows):
        parts += ["What each method gains, in points:\n", *table]
    return parts


def gains_beside_pocket(rows: dict) -> list[str]:
    """What each method gains on the real model and on pocket: a table."""
    twins = [
        {**row, "twin": rows[row["beside"]]}
        for row in rows.values()
        if "difference" in row and row.get("beside") in rows
    ]
    over = {"over": lambda row: _name(rows[row["over"]])}
    return table_of(twins, BESIDE | over)


def _cut_short(row: dict) -> str:
    return f"{percent(row.get('truncated', 0))} %"


def _name(row: dict) -> str:
    return row.get("name", row["method"])


def verdict(row: dict) -> str:
    """Whether a difference is what the twin's is, by both intervals."""
    signs = [
        (each["difference_low"] > 0) - (each["difference_high"] < 0)
        for each in (row, row["twin"])
    ]
    if signs[0] == signs[1]:
        return "holds" if signs[0] else "no difference on either"
    if signs[0] == -signs[1]:
        return "**turns round**"
    return "only on this model" if signs[0] else "only on pocket"


def _place(item: tuple) -> tuple:
    """Chapter by chapter, the rows of the ladder first."""
    name, row = item
    return row["chapter"], row.get("ladder", float("inf")), name
