"""The report page: what it holds, and what it does not let through."""

import math
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from failures import plot_runs
from test_diagnosis import SICK, run_of

from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.runs import RunFolder
from reasoning_from_scratch.training import report

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</pre></details><style>*{display:none}</style>",
    "<iframe src='https://example.org'></iframe>",
    "&lt;b&gt; \x1b[2J \u202e \x00",
)
VOID = ("meta", "input", "path", "circle", "br", "hr")


class Elements(HTMLParser):
    """Collects tags and attributes; checks that they nest."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def write_run(name, rows, samples=(), **config):
    folder = RunFolder.create(name, {"steps": 20, **config})
    folder.rewrite("metrics.jsonl", rows)
    folder.rewrite("samples.jsonl", samples)
    return folder


def page_of(rows, samples=(), **config):
    return report.render_report(
        [report.Run(Path("run"), config, rows, list(samples))]
    )


def sample_of(text, step=1):
    texts = dict.fromkeys(("problem", "answer", "completion"), text)
    return {"step": step, **texts, "reward": 1.0, "truncated": False}


def test_one_page_shows_all_runs_and_warnings(runs_folder, capsys):
    write_run("calm", run_of(), [sample_of("2+2=4", step=5)])
    write_run("wild", SICK["kl_runaway"], learning_rate=3e-3)
    assert main(["report", "calm", "wild"]) == 0
    assert "KL runaway" in capsys.readouterr().out
    found = Elements((runs_folder / "report.html").read_text("utf-8"))

    assert found.open == []
    text = " ".join(found.text)
    for word in ("Nothing to warn of", "KL runaway", "2+2=4", "step 5"):
        assert word in text
    assert "learning_rate" in text  # a setting that differs
    assert found.tags.count("svg") == found.tags.count("figure") >= 6


def test_hostile_text_reaches_the_page_as_text_alone_and_cut():
    samples = [sample_of(text, step) for step, text in enumerate(HOSTILE)]
    page = page_of(run_of(), samples, model=HOSTILE[0])
    found = Elements(page)

    assert not {"script", "img", "iframe"} & set(found.tags)
    assert found.tags.count("style") == 1
    assert not [name for name, _ in found.attributes if name[:2] == "on"]
    assert "<script>alert(1)</script>" in "".join(found.text)
    assert "\x1b" not in page and "\u202e" not in page
    # Nor does the page ask for anything from outside
    names = {name for name, _ in found.attributes}
    assert not {"src", "href", "srcset", "action"} & names
    assert "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page
    page = page_of(run_of(), [sample_of("x" * (report.MAX_TEXT + 2345))])
    longest = max(map(len, re.findall("x+", page)))
    assert longest == report.MAX_TEXT and "2,345 characters more" in page


@pytest.mark.parametrize(
    ("num_steps", "stops"), [(3, [0, 1, 2]), (41, [*range(0, 41, 2)])]
)
def test_the_slider_stops_at_the_first_and_the_last_step(num_steps, stops):
    samples = [sample_of("", step) for step in range(num_steps) for _ in "12"]
    samples.append(sample_of("", 99))  # its step was never finished
    run = report.Run(Path("run"), {}, run_of(steps=40), samples)
    assert report.stops_of([run]) == stops
    told, some = run.samples_at(stops[-1])
    assert len(some) == 2 and told.startswith("reward 0.")


def test_tokens_tell_what_the_update_did_to_them():
    half, tenth = math.log(0.5), math.log(0.1)
    sample = sample_of("<b>!") | {
        "advantage": -0.5,
        "tokens": ["<b>", "!"],
        "logprobs": [half, tenth],
        "pushes": [-0.1, 0.025],
    }
    run = report.Run(Path("run"), {}, run_of(), [sample])
    assert list(run.pushed_tokens(sample)) == [
        ("<b>", -1.0, False, "50 % before the update, 45.2 % after"),
        ("!", 0.5, True, "10 % before the update, 10.3 % after"),
    ]
    page = page_of(run_of(), [sample])
    assert 'class="down" style="--push:1.00"' in page
    assert 'class="up rare" style="--push:0.50"' in page
    assert "advantage -0.50" in page and "&lt;b&gt;</span>" in page
    long = sample | {
        name: sample[name] * 999 for name in sample if name[-1:] == "s"
    }
    cut = sum(len(text) for text, *_ in run.pushed_tokens(long))
    assert cut <= report.MAX_TEXT


def test_unfinished_runs_and_no_pictures_are_told(runs_folder, monkeypatch):
    folder = write_run("run", run_of()[:2])
    with open(folder.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 2, "rew')  # the line being written
    assert "1 of 20 steps, unfinished" in report.read_runs(["run"])[0].state
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = page_of(run_of())
    assert "pictures need matplotlib" in page and "<svg" not in page
    assert "How it ended" in page


@pytest.mark.parametrize(
    "rows",
    [
        [{"accuracy": 0.1, "validation_loss": 2.0}, {"loss": 1.5}],
        [{"loss": 6.0, "seconds": 60.0}, {"step_by_step_accuracy": 0.02}],
        [{"accuracy": 0.1}],
        [{"loss": float("nan"), "kl": 0.0}],
    ],
)
def test_other_kinds_of_training_make_a_page_too(rows):
    rows = [{"step": step, **row} for step, row in enumerate(rows)]
    assert Elements(page_of(rows)).open == []


# Pictures


def panel_of(metric, runs):
    """A panel's elements, its ticks, what it says in words."""
    panel = next(p for p in report.PANELS if p.metric == metric)
    root = ElementTree.fromstring(report.draw_panel(panel, runs))
    assert root.attrib["aria-label"] == report.describe_panel(panel, runs)
    ticks = [text.text for text in root.findall(".//{*}text")]
    return root, ticks, root.attrib["aria-label"]


def test_a_panel_tells_its_figures_and_looks_as_the_page():
    runs = {"a<b": run_of(), "b": run_of()}
    root, _, alt_text = panel_of("accuracy", runs)
    assert "a<b from 30 to 50 at step 20" in alt_text
    # Before and after, of two runs
    told = [t.text for t in root.findall(".//{*}circle/{*}title")]
    assert told == ["step 0: 30", "step 20: 50"] * 2
    styles = [each.attrib.get("style", "") for each in root.iter()]
    assert any("stroke: var(--run0, #0072B2)" in style for style in styles)
    letters = [style for style in styles if "text-anchor" in style]
    assert letters and all("fill: currentColor" in s for s in letters)


def test_the_axes_have_the_ticks_a_reader_expects():
    # Shares from zero to a hundred, whole steps
    _, ticks, _ = panel_of("accuracy", {"a": run_of(steps=4)})
    assert ticks[:5] == ["0", "1", "2", "3", "4"]
    assert ticks[5:] == ["0", "10", "20", "30", "40", "50"]
    _, ticks, _ = panel_of("accuracy", {"a": run_of(accuracy=(0.1, 0.7))})
    assert ticks[-6:] == ["0", "20", "40", "60", "80", "100"]
    # On a log axis every decade, without what is zero
    rows = run_of(kl=(0.0, 0.9))
    rows[2]["kl"] = 0.002
    _, ticks, alt_text = panel_of("kl", {"a": rows})
    assert ticks[-4:] == ["0.001", "0.01", "0.1", "1"]
    assert "a from 0.002 to 0.9" in alt_text
    # Figures are written short
    shown = [report.number(v) for v in (0.12345, 1234.5, 30.0, 0.00001, 0.0)]
    assert shown == ["0.123", "1,234", "30", "1e-5", "0"]


def test_a_notebook_gets_one_picture_of_the_panels_it_asks_for():
    picture = plot_runs({"a&$b$": run_of()}, ("accuracy", "kl"))
    root = ElementTree.fromstring(picture._repr_svg_())
    texts = [text.text for text in root.findall(".//{*}text")]
    assert root.attrib["aria-label"] == picture.alt_text
    assert "Right answers, greedy, %" in texts and "a&$b$" in texts
    assert "KL to the start" in picture.alt_text
    with pytest.raises(ValueError, match="no panel shows wrong; there are"):
        plot_runs({"a": run_of()}, ("accuracy", "wrong"))
