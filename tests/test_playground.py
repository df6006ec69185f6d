r"""The playground's JavaScript says what the package says (under Node).

The same comparison on 200 problems, in a browser, is tools/check_site.py.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import playground
import pytest
import torch
from tiny import table

from reasoning_from_scratch import generate, load_model, load_problems
from reasoning_from_scratch.evaluation import answers_equal, render_prompt
from reasoning_from_scratch.evaluation.grouping import group_answers
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.llm.sampling import row_seed, uniform_numbers

CASES = table("playground")
NODE = shutil.which("node")
SCRIPT = Path(__file__).with_name("playground.mjs")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The whole page, built."""
    folder = tmp_path_factory.mktemp("playground")
    playground.build(folder)
    return folder


@pytest.fixture(scope="module")
def ask(folder):
    """Ask the page's modules: ask(encode=[...]) -> list of answers."""
    playground.write_json(folder / "package.json", {"type": "module"})

    def ask(name="pocket", **questions):
        outcome = subprocess.run(
            [NODE, SCRIPT, folder, folder / f"{name}.safetensors"],
            input=json.dumps(questions),
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
        assert outcome.returncode == 0, outcome.stderr
        (answers,) = json.loads(outcome.stdout).values()
        return answers

    return ask


def round_weights(name):
    """A model with its weights rounded to 16 bits, as the page has them."""
    model, tokenizer = load_model(name, device="cpu", dtype="float32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data = parameter.half().float()
    return model, tokenizer


@pytest.fixture(scope="module")
def rounded():
    return round_weights("pocket")


PROMPTS = [
    render_prompt(name, problem)
    for name in ("direct", "step-by-step")
    for problem in load_problems("pocketmath", limit=10)
]


@needs_node
@pytest.mark.parametrize("name", ["pocket", "pocket-grpo", "pocket-distilled"])
def test_greedy_tokens_are_those_of_python(ask, name):
    expected = generate(*round_weights(name), PROMPTS, max_new_tokens=192)
    questions = [[p, {"maxNewTokens": 192}] for p in PROMPTS]
    found = ask(name, complete=questions)
    for (output,), reference in zip(found, expected, strict=True):
        assert output["ids"] == reference.token_ids
        assert output["text"] == reference.text
        assert output["end"] == reference.stop_reason
        # Float32 there, float64 sums here: the rounding of some 2,000 terms
        assert output["logprobs"] == pytest.approx(
            reference.logprobs, abs=2e-4
        )


@needs_node
def test_samples_are_those_of_python_also_from_forced_tokens_on(ask, rounded):
    options = {"temperature": 0.7, "seed": 5, "maxNewTokens": 64}
    expected = generate(
        *rounded,
        PROMPTS[-4:],
        max_new_tokens=64,
        num_samples=4,
        sampling=SamplingConfig(temperature=0.7),
        seed=5,
    )
    many = {**options, "numSamples": 4}
    found = ask(complete=[[p, many] for p in PROMPTS[-4:]])
    tokens = [output["ids"] for samples in found for output in samples]
    assert tokens == [reference.token_ids for reference in expected]
    ((whole,),) = ask(complete=[[PROMPTS[-1], options]])
    forced = {**options, "forced": whole["ids"][:5]}
    ((rest,),) = ask(complete=[[PROMPTS[-1], forced]])
    assert rest["ids"] == whole["ids"][5:]


@needs_node
def test_a_problem_that_does_not_fit_is_refused(ask):
    with pytest.raises(AssertionError, match="Shorten it"):
        ask(complete=[["7 " * 1500, {}]])


@needs_node
def test_any_text_becomes_the_tokens_of_python(ask, rounded):
    tokenizer = rounded[1]
    texts = CASES["texts"]
    encoded = ask(encode=texts)
    assert encoded == [tokenizer.encode(text) for text in texts]
    cut = [ids[: len(ids) // 2] for ids in encoded]
    assert ask(decode=cut) == [tokenizer.decode(ids) for ids in cut]


@needs_node
def test_random_numbers_are_those_of_python(ask):
    # One block of the hash, exactly one, and more; letters past ASCII
    identifiers = ["", "a" * 124, "a" * 125, "\u00e9" * 200]
    found = ask(uniform=[[7, each, 3, 20] for each in identifiers])
    seeds = torch.tensor([row_seed(7, each, 3) for each in identifiers])
    assert found == uniform_numbers(seeds, 20).tolist()


@needs_node
def test_verdicts_are_those_of_python(ask):
    references = sorted({p.answer for p in load_problems("pocketmath")})
    spellings = CASES["spellings"]
    pairs = [
        ("", ""),
        *map(tuple, spellings),
        *zip(references, references, strict=True),
        *zip(references, references[1:], strict=False),
    ]
    verdicts = zip(pairs, ask(equal=pairs), strict=True)
    different = [p for p, found in verdicts if found != answers_equal(*p)]
    assert len(spellings) == 22 and len(pairs) > 800 and different == []


@needs_node
def test_answers_are_found_and_grouped_as_in_python(ask):
    answers = ["1/2", "3", None, "0.5", r"\frac{6}{2}", "x", None]
    assert ask(group=[answers]) == [group_answers(answers)]
    boxed = dict(CASES["boxed"])
    assert ask(extract=list(boxed)) == list(boxed.values())


@needs_node
def test_hostile_answers_end_quickly(ask):
    hostile = ["9" * 100_000, "{" * 100_000, "\\boxed{" * 20_000, "1," * 99]
    assert ask(extract=hostile)[2] is None
    assert ask(equal=[[text, "7"] for text in hostile]) == [False] * 4


def test_the_page_is_small_whole_and_asks_no_other_host(folder):
    files = [f"{model['name']}.safetensors" for model in playground.MODELS]
    first = [path for path in folder.iterdir() if path.name not in files[1:]]
    assert sum(path.stat().st_size for path in first) < 6e6
    for entry in json.loads((folder / "models.json").read_text("utf-8")):
        assert (folder / entry["file"]).stat().st_size == entry["bytes"]
    sources = {
        path.name: path.read_text("utf-8")
        for path in playground.PAGE.iterdir()
        if path.suffix in (".html", ".css", ".js")
    }
    asked = re.compile(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]+")
    assert [name for name, text in sources.items() if asked.search(text)] == []
    assert "default-src 'none'" in sources["index.html"]
    assert not re.search(r"innerHTML|eval\(|document\.write", str(sources))
