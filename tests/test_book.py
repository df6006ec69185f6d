"""docs/book.md: what it names exists, and nothing of the print is missing."""

import importlib
import json
import re
from pathlib import Path

import pytest

from reasoning_from_scratch import BOOK_MODULES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGE = (ROOT / "docs" / "book.md").read_text("utf-8")
# By chapter
LAST_SECTION = {2: 9, 3: 9, 4: 6, 5: 8, 6: 12, 7: 7, 8: 9, "C": 9}
EXERCISES = {2: 2, 3: 4, 4: 4, 5: 5, 6: 2, 7: 2, 8: 2}
# What the official notebooks import from the official package.
CORE = """
ch02 get_device generate_text_basic_stream generate_text_basic_stream_cache
ch02 generate_stats
ch03 load_model_and_tokenizer extract_final_candidate grade_answer
ch03 run_demos_table render_prompt
ch04 generate_text_stream_concat_flex top_p_filter
ch04 generate_text_top_p_stream_cache
ch06 sequence_logprob
ch07 download_from_github plot_grpo_metrics reward_format
ch08 load_distill_data load_reasoning_tokenizer build_examples compute_length
ch08 filter_examples_by_max_len
qwen3 QWEN_CONFIG_06_B Qwen3Model Qwen3Tokenizer KVCache download_qwen3_small
qwen3 download_qwen3_grpo_checkpoints load_hf_weights_into_qwen
qwen3_batched generate_text_basic_batched_cache
appendix_c QWEN3_CONFIG_4B download_from_huggingface_from_snapshots
"""


def table(heading):
    """The rows below a heading, as lists of cells."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")]
    return [
        [cell.strip().strip("`") for cell in row.strip("|").split(" | ")]
        for row in rows[2:]
    ]


def headings(stem):
    """Every heading of a notebook, or of the README."""
    (path,) = ROOT.glob(f"*/{stem}.ipynb") if stem != "README" else [README]
    text = path.read_text("utf-8")
    if path != README:
        cells = json.loads(text)["cells"]
        prose = (c["source"] for c in cells if c["cell_type"] == "markdown")
        text = "\n".join(map("".join, prose))
    return re.findall(r"(?m)^#+ +(.+?)\s*$", text)


def numbered(last):
    """{2: 2, …} -> {"2.1", "2.2", …}."""
    return {f"{n}.{i}" for n in last for i in range(1, last[n] + 1)}


SECTIONS = table("Sections of the print")
TASKS = table("Exercises of the print")
NAMES = table("Functions of the listings")


@pytest.mark.parametrize("row", [*SECTIONS, *TASKS], ids=lambda row: row[0])
def test_a_section_named_on_the_right_stands_in_its_notebook(row):
    _, _, notebook, section = row
    assert section in headings(notebook)


def test_nothing_of_the_print_is_missing():
    assert {row[0] for row in TASKS} == numbered(EXERCISES)
    assert {row[0] for row in SECTIONS} == numbered(LAST_SECTION) | {*"1DEFG"}
    there = {(module, name) for module, name, *_ in NAMES}
    for module, *names in map(str.split, CORE.strip().splitlines()):
        assert {(module, name) for name in names} <= there
    assert {module.split(".")[0] for module, _ in there} <= BOOK_MODULES.keys()


@pytest.mark.parametrize("row", NAMES, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_name_on_the_right_can_be_imported(row):
    _, _, ours, note = row
    assert note, "what differs, or why there is no counterpart"
    if ours != "–":
        module, _, name = ours.rpartition(".")
        package = importlib.import_module(f"reasoning_from_scratch.{module}")
        assert hasattr(package, name)
