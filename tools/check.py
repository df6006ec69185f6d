"""Check answers to the exercises: `check("5.2", my_function)` in a notebook.

    rfs check
    rfs check my-answers.ipynb
    rfs check --list

A check looks at behaviour: it calls the reader's function on the exercise's
cases and compares what comes back with the reference's. A known mistake is a
function that makes it; an answer that behaves alike is told by its name. The
exercises of a chapter stand in its folder, in checks*.py; progress is kept in
runs/exercises.json of the checkout (or of RFS_RUNS). The command runs the
code cells one after another, as Jupyter does; a cell that stops does not
stop the others.
"""

import copy
import importlib.util
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from reasoning_from_scratch.files import atomic_write_json, read_json
from reasoning_from_scratch.results import CHECKOUT

TOLERANCE = 1e-4  # relative; absolute for values near zero
MAX_SHOWN = 300  # characters of a value in a message
FLAGS = """
notebooks FILE*  exercise notebooks (default: those of all chapters)
--list           only show which exercises are right so far
"""


@dataclass(frozen=True)
class Exercise:
    """What is asked, and how an answer is recognised as right or mistaken."""

    title: str
    reference: Callable | object  # a right answer
    cases: tuple = ()  # arguments of the calls, each a tuple
    mistakes: dict = field(default_factory=dict)  # sentence -> wrong answer
    hints: tuple = ()  # from gentle to plain
    # (answer, *case) -> what is compared, for instance value and gradient
    observe: Callable = lambda answer, *case: answer(*case)


def tensor(*values):
    """Numbers of a case, in float64."""
    import torch

    return torch.tensor(values, dtype=torch.float64)


def value_and_gradient(answer, point, *rest):
    """Observe a scalar and its gradient with respect to the first input."""
    point = point.clone().requires_grad_()
    value = answer(point, *rest)
    value.backward()
    return value.detach(), point.grad


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check, and what to say to the reader."""

    is_right: bool
    message: str


def check(number: str, answer) -> None:
    """Grade an answer to an exercise, print the verdict, keep the progress.

    Args:
        number: the exercise's, such as "5.2".
        answer: the function that the exercise asks for, or the value.

    Raises:
        ValueError: no exercise has this number.
    """
    verdict = grade(find_exercise(number), answer)
    print(f"Exercise {number}: {verdict.message}")
    done = read_progress()
    is_right = verdict.is_right or done.get(number) == "right"
    done[number] = "right" if is_right else "tried"
    atomic_write_json(progress_path(), done)


def hint(number: str, step: int = 1) -> None:
    """Print an exercise's hint: step 1 is gentle, the last one plain."""
    hints = find_exercise(number).hints
    if not 1 <= step <= len(hints):
        raise ValueError(
            f"exercise {number} has hints 1 to {len(hints)}, got {step}"
        )
    more = f" (hint({number!r}, {step + 1}) says more)"
    print(hints[step - 1] + (more if step < len(hints) else ""))


def grade(exercise: Exercise, answer) -> Verdict:
    """Compare an answer with the reference, then with each known mistake."""
    if exercise.cases and not callable(answer):
        told = f"a function is asked for, got {shown(answer)}."
        return Verdict(False, f"not yet: {told}")
    wanted = outcomes(exercise, exercise.reference)
    got = outcomes(exercise, answer)
    if all(map(is_same, got, wanted)):
        cases = f" in all {len(wanted)} cases" if exercise.cases else ""
        return Verdict(True, f"right{cases}.")
    if any(isinstance(each, NotImplementedError) for each in got):
        return Verdict(False, "not written yet.")
    for sentence, mistaken in exercise.mistakes.items():
        if all(map(is_same, got, outcomes(exercise, mistaken))):
            return Verdict(False, f"not yet. {sentence}")
    place = [is_same(*pair) for pair in zip(got, wanted, strict=True)]
    index = place.index(False)
    case = exercise.cases[index] if exercise.cases else ()
    return Verdict(False, describe(case, got[index], wanted[index]))


def outcomes(exercise: Exercise, answer) -> list:
    """What an answer gives in each case; an exception counts as outcome."""
    if not exercise.cases:
        return [answer]
    return [outcome(exercise, answer, case) for case in exercise.cases]


def outcome(exercise: Exercise, answer, case):
    """What an answer gives for a copy of the case, which must not change."""
    arguments = copy.deepcopy(case)
    try:
        result = exercise.observe(answer, *arguments)
    except Exception as error:  # the reader's own code: whatever it raises
        return error
    if not is_same(arguments, case):
        return RuntimeError(
            "your function changed its argument in place; clone it first"
        )
    return result


def is_same(first, second) -> bool:
    """Whether two outcomes are equal up to rounding, whatever holds them."""
    import torch

    if isinstance(first, Exception) or isinstance(second, Exception):
        return type(first) is type(second)
    if torch.is_tensor(first) or torch.is_tensor(second):
        return _same_tensors(first, second)
    if isinstance(second, dict):
        return (
            isinstance(first, dict)
            and first.keys() == second.keys()
            and all(is_same(first[key], second[key]) for key in second)
        )
    if isinstance(second, list | tuple):
        return (
            isinstance(first, list | tuple)
            and len(first) == len(second)
            and all(map(is_same, first, second))
        )
    if isinstance(second, bool | str) or not isinstance(second, int | float):
        return type(first) is type(second) and first == second
    if isinstance(first, bool) or not isinstance(first, int | float):
        return False
    if math.isnan(second):
        return math.isnan(first)
    return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _same_tensors(first, second) -> bool:
    import torch

    try:
        first, second = (torch.as_tensor(each) for each in (first, second))
    except (TypeError, ValueError, RuntimeError):
        return False
    return first.shape == second.shape and torch.allclose(
        first.detach().cpu().double(),  # no device of Apple's has float64
        second.detach().cpu().double(),
        rtol=TOLERANCE,
        atol=TOLERANCE,
        equal_nan=True,
    )


def describe(case, got, wanted) -> str:
    """Say how an outcome differs, in the first case in which it does."""
    where = f" for {', '.join(map(shown, case))}" if case else ""
    if isinstance(got, Exception):
        told = f"{type(got).__name__}: {got}"
        if isinstance(wanted, Exception):
            return f"not yet:{where} it raises {told}"
        return f"not yet:{where} it stops with {told}"
    if isinstance(wanted, Exception):
        wanted = f"{type(wanted).__name__}: {wanted}"
        return f"not yet:{where} it should raise {shown(wanted)}"
    shapes = [getattr(each, "shape", None) for each in (got, wanted)]
    if None not in shapes and shapes[0] != shapes[1]:
        got, wanted = (f"a tensor of shape {tuple(each)}" for each in shapes)
        return f"not yet:{where} it returns {got}, and {wanted} is asked for."
    return (
        f"not yet:{where} it returns {shown(got)}, "
        f"and {shown(wanted)} is right."
    )


def shown(value) -> str:
    """A value on one line, cut where it gets long."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + " …"


def find_exercise(number: str) -> Exercise:
    """Look an exercise up in its chapter's checks.py."""
    chapter, _, _ = str(number).partition(".")
    known = load_exercises()
    if number not in known:
        near = [each for each in known if each.split(".")[0] == chapter]
        raise ValueError(
            f"there is no exercise {number!r}; there are "
            f"{', '.join(near or known)}"
        )
    return known[number]


@cache
def load_exercises() -> dict[str, Exercise]:
    """Every chapter's exercises, by number."""
    found = {}
    for path in sorted(CHECKOUT.glob("[ac][hp]*/checks*.py")):
        name = f"{path.parent.name}_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= module.EXERCISES
    return found


def progress_path() -> Path:
    """Where the progress is kept, whatever the working directory."""
    root = os.environ.get("RFS_RUNS") or CHECKOUT / "runs"
    return Path(root) / "exercises.json"


def read_progress() -> dict[str, str]:
    """number -> "right" or "tried", for each exercise that was checked."""
    path = progress_path()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return {}
    return read_json(path, "delete it: `rfs check` makes it again")


# ---- The command ----


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
