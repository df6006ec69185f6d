"""Options declared once: a field is a default, a range and a flag."""

from argparse import ArgumentParser
from dataclasses import dataclass, fields, replace

import pytest

from reasoning_from_scratch import options
from reasoning_from_scratch.settings import SETTINGS
from reasoning_from_scratch.training import DistillationConfig, GRPOConfig

# What a model's row holds beside fields of the configuration
BESIDE = {"teacher", "teacher_prompt", "num_traces"}


@dataclass(frozen=True)
class Baking:
    minutes: int = options.option(30, "in the oven", most=90)
    heat: float = options.option(180.0, "of the oven, in degrees", below=300)
    eggs: int | None = options.option(None, "in the dough", least=0)
    form: str = options.option(
        "round", "of the cake", choices=("round", "square")
    )
    is_glazed: bool = options.option(False, "with sugar")
    cook: str = "me"  # no help: no flag

    def __post_init__(self):
        options.check_options(self)


@dataclass(frozen=True)
class Frying:
    minutes: int = options.option(5, "in the pan")
    form: str = options.option("flat", choices=("flat", "round"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": 0}, "minutes must be > 0, got 0"),
        ({"minutes": 91}, "minutes must be <= 90, got 91"),
        ({"heat": 300}, "heat must be < 300, got 300"),
        ({"heat": float("inf")}, "heat must be a finite number, got inf"),
        ({"heat": float("nan")}, "heat must be a finite number, got nan"),
        ({"eggs": -1}, "eggs must be >= 0, got -1"),
        ({"form": "flat"}, "form must be one of round, square; got 'flat'"),
    ],
)
def test_a_field_refuses_what_it_was_not_declared_for(changes, message):
    with pytest.raises(ValueError) as refusal:
        Baking(**changes)
    assert str(refusal.value) == message


def test_flags_set_the_fields_and_are_shared():
    parser = ArgumentParser()
    options.add_options(parser, Baking, row={"minutes": 55})
    flags = "--minutes 40 --eggs 0 --is-glazed --form square"
    given = options.given_options(parser.parse_args(flags.split()), Baking)
    expected = Baking(minutes=40, eggs=0, is_glazed=True, form="square")
    assert replace(Baking(), **given) == expected and len(given) == 4
    assert options.given_options(parser.parse_args([]), Baking) == {}
    page = parser.format_help()
    assert "in the oven (default: 55)" in page
    assert "(default: 180.0)" in page and "--cook" not in page
    parser = ArgumentParser()
    options.add_options(parser, Baking, Frying)
    args = parser.parse_args(["--form", "flat"])
    assert options.given_options(args, Frying) == {"form": "flat"}
    assert "in the oven\n" in parser.format_help()  # 30 or 5: not told


def test_a_table_declares_flags_as_help_shows_them():
    parser = ArgumentParser()
    options.add_flags(
        parser,
        """
dish             what is cooked
guests NAME+     who comes
-n --plates N=2  one for each, and 5 % more
--salt X         in grams
--spoons K!      may be none
--size {s,l}=s   of a portion
--hot            with pepper,
                 and more of it
""",
    )
    args = parser.parse_args(["soup", "me", "you", "--spoons", "0", "--hot"])
    told = {"dish": "soup", "guests": ["me", "you"], "plates": 2}
    told |= {"salt": None, "spoons": 0, "size": "s", "hot": True}
    assert vars(args) == told
    page = parser.format_help()
    assert "one for each, and 5 % more (default: 2)" in page
    assert "with pepper, and more of it" in page
    for wrong in ("soup me", "soup me --spoons -1", "a b --spoons 1 -n 0"):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong.split())


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_models_row_names_fields_that_there_are(settings):
    rows = (settings.grpo, settings.distillation)
    for row, kind in zip(rows, (GRPOConfig, DistillationConfig), strict=True):
        kind(**row.of(kind))  # in range
        names = {each.name for each in fields(kind)} | BESIDE
        assert {n for n in row if not n.startswith("quick_")} <= names
