"""Run the checks of the exercises in the chapters' exercise notebooks.

    rfs check
    rfs check my-answers.ipynb
    rfs check --list

The code cells run one after another, as in Jupyter; a cell that stops does
not stop the others.
"""

from pathlib import Path

from reasoning_from_scratch.checking import (
    CHECKOUT,
    load_exercises,
    read_progress,
)
from reasoning_from_scratch.files import read_json

FLAGS = """
notebooks FILE*  exercise notebooks (default: those of all chapters)
--list           only show which exercises are right so far
"""


def run(args) -> None:
    """Check the answers in each notebook, then show the progress."""
    found = [Path(name) for name in args.notebooks]
    missing = [str(path) for path in found if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"no notebook at {', '.join(missing)}; name none to check all"
        )
    if not args.list:
        for path in found or sorted(CHECKOUT.glob("*/*_exercises.ipynb")):
            print(path.stem)
            run_cells(path)
    show_progress()


def run_cells(path: Path) -> None:
    """Run a notebook's code in one namespace, and tell what stopped."""
    cells = read_json(path).get("cells")
    if cells is None:
        raise ValueError(f"{path} is no notebook: it has no cells")
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        lines = "".join(cell["source"]).splitlines()
        code = "\n".join(x for x in lines if not x.startswith(("%", "!")))
        try:
            exec(compile(code, f"{path.name} cell {number}", "exec"), names)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            print(f"cell {number} stopped with {told}")


def show_progress() -> None:
    """A line for each exercise, and a count."""
    done, exercises = read_progress(), load_exercises()
    for number, exercise in exercises.items():
        print(f"{number:>5}  {done.get(number, '-'):<6} {exercise.title}")
    num_right = sum(done.get(number) == "right" for number in exercises)
    print(f"{num_right} of {len(exercises)} exercises right")
