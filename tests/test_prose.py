"""The notebooks' prose: plain sentences, defined terms, true numbers.

Held for the notebooks that are written for a reader who is new to the
subject; code, formulas and tables are left out of the sentences.
"""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WRITTEN = [
    "ch02_main",
    "appendix_c_main",
    "ch03_main",
    "ch03_other_evaluations",
    "ch04_main",
    "ch04_scores_and_budgets",
    "ch05_main",
    "ch05_what_was_learned",
    "ch06_main",
    "ch06_distributions",
    "ch07_main",
    "ch07_efficiency",
    "ch07_variants",
    "ch07_comparison",
    "ch07_failures",
]  # stems, in the order in which a reader meets them
MAX_WORDS = 40  # of a sentence
EVERYDAY = {
    *("head", "group", "step", "trace", "reward", "prompt", "seed", "test"),
    "significant",  # bits and digits
}
COUNTED = (
    r"(?:tokens?|words?|samples?|answers?|seconds?|s|ms|minutes?|min|bits?"
    r"|bytes?|points?|nats?|rewards?|lines?|problems?|rollouts?|steps?|rows?"
    r"|updates?|passes|times|votes?|numbers?|weights?|ratios?|%)"
)
EACH = (
    r"(?:answer|problem|prompt|step|token|second|minute|epoch|group|row|run"
    r"|sample|rollout|level|layer|weight|completion|update|problem|batch)"
)
A_FOR_PER = re.compile(
    rf"(?:\d|\b(?:one|two|few|many|more)\b) ?{COUNTED} an? {EACH}\b"
)
RIDDLES = re.compile(
    r"leaves? its interval|the book says|an interval a variant", re.I
)
NUMBER = re.compile(r"(?<![\w.,^-])[-−+]?\d[\d,]*(?:\.\d+)?(?![\w])")


def cells_of(stem):
    (path,) = ROOT.glob(f"*/{stem}.ipynb")
    return json.loads(path.read_text("utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def prose(text):
    """Markdown without code, formulas, tables, headings and addresses."""
    text = re.sub(r"```.*?```|~~~.*?~~~|\$\$.*?\$\$", "\n", text, flags=re.S)
    text = re.sub(r"<!--.*?-->|!\[.*?\]\(.*?\)", "", text, flags=re.S)
    text = re.sub(r"^(?:#|\||>|\*Book:).*$", "\n", text, flags=re.M)
    text = text.replace("95 % interval", "interval")
    text = re.sub(r"`[^`]*`|\$[^$]*\$", "x", text)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[*_]{1,3}", "", text)


def sentences(text):
    for paragraph in re.split(
        r"\n\s*\n|\n(?=\s*(?:[-+]|\d+\.) )", prose(text)
    ):
        yield from re.split(r"(?<=[.!?:])\s+(?=[A-Z“\"(])", paragraph)


def markdown(stem):
    return [source(c) for c in cells_of(stem) if c["cell_type"] == "markdown"]


def long_sentences(stem):
    return [
        sentence.strip()
        for text in markdown(stem)
        for sentence in sentences(text)
        if len(re.findall(r"[^\W_][\w'’.,-]*", sentence)) > MAX_WORDS
    ]


def wrong_words(stem):
    return [
        match[0]
        for text in markdown(stem)
        for pattern in (A_FOR_PER, RIDDLES)
        for match in pattern.finditer(prose(text))
    ]


def glossary():
    """(term, chapter) of the page, without words of everyday use."""
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    for names, chapter in re.findall(
        r"^\*\*([^*]+)\*\* \((ch\d\d|appendix C)", page, re.M
    ):
        for name in re.split(r", or |, | and ", names):
            if name.lower() not in EVERYDAY:
                yield name, chapter.replace(" ", "_").lower()


def first_uses(term, stems):
    """(stem, whether the term is set off there) of a term's first use."""
    pattern = re.compile(
        rf"([*_]*)(?<![\w-])({re.escape(term)})(?:e?s)?(?![\w-])([*_]*)", re.I
    )
    for stem in stems:
        for text in markdown(stem):
            without = re.sub(
                r"```.*?```|`[^`]*`|\$[^$]*\$|^#[^\n]*$|\]\([^)]*\)",
                "x",
                text,
                flags=re.S | re.M,
            )
            for match in pattern.finditer(without):
                return stem, bool(match[1]) or bool(match[3])
    return None


def undefined_terms(stems):
    order = ["ch02", "appendix_c", "ch03", "ch04", "ch05", "ch06", "ch07"]
    written = [
        each for each in order if any(stem.startswith(each) for stem in stems)
    ]
    told = []
    for term, chapter in glossary():
        found = first_uses(term, stems)
        if found is None or chapter not in written:
            continue  # a chapter to be written will define it
        stem, is_set_off = found
        here = next(each for each in order if stem.startswith(each))
        if not is_set_off or order.index(here) > order.index(chapter):
            told.append(f"{term}: first used in {stem}")
    return told


def output_text(cell):
    parts = []
    for each in cell.get("outputs", []):
        data = each.get("data", {})
        parts += [each.get("text", ""), data.get("text/plain", "")]
        parts += [data.get("text/markdown", ""), data.get("text/html", "")]
    return "\n".join("".join(part) for part in parts)


def numbers(text):
    """The numbers of a text, as value and decimals."""
    for match in NUMBER.finditer(text):
        plain = match[0].replace(",", "").replace("−", "-").lstrip("+")
        _, _, decimals = plain.partition(".")
        yield float(plain), len(decimals)


def untold_numbers(stem):
    """Measured numbers in prose that no output, code or row has."""
    cells = cells_of(stem)
    known = {
        value
        for cell in cells
        if cell["cell_type"] == "code"
        for text in (output_text(cell), source(cell))
        for value, _ in numbers(text)
    }
    known |= {value / 100 for value in known} | {100 * v for v in known}
    told = []
    for text in markdown(stem):
        for sentence in sentences(text):
            if re.search(r"arXiv|et al\.|\b(?:19|20)\d\d\b", sentence):
                continue  # somebody else's figure, with its source
            for value, decimals in numbers(sentence):
                is_measured = decimals or f"{value:g} %" in sentence
                if is_measured and not any(
                    abs(abs(each) - abs(value)) <= 0.51 * 10**-decimals
                    for each in known
                ):
                    told.append(f"{value:g}: {sentence.strip()[:100]}")
    return told


@pytest.mark.parametrize("stem", WRITTEN)
def test_no_sentence_is_longer_than_a_breath(stem):
    assert long_sentences(stem) == []


@pytest.mark.parametrize("stem", WRITTEN)
def test_for_each_is_said_with_per(stem):
    assert wrong_words(stem) == []


@pytest.mark.parametrize("stem", WRITTEN)
def test_a_measured_number_in_prose_is_printed_by_a_cell(stem):
    assert untold_numbers(stem) == []


def test_a_term_is_set_off_where_it_is_first_used():
    mains = [stem for stem in WRITTEN if "exercise" not in stem]
    assert undefined_terms(mains) == []


def test_the_rules_can_fail():
    assert A_FOR_PER.search("it takes 45 tokens an answer")
    assert not A_FOR_PER.search("it takes 45 tokens per answer")
    assert len(list(sentences("One. Two $x.y$ three. Four"))) == 3
    assert list(numbers("a 1,234.5 % b −3")) == [(1234.5, 1), (-3.0, 0)]
