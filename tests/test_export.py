"""`rfs export`: the folder, its check, the model card, the upload."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub_standin import HubStandin
from tiny import tiny_model

from reasoning_from_scratch import results
from reasoning_from_scratch.cli.export import check_export
from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.evaluation import load_problems, render_prompt
from reasoning_from_scratch.llm import generate, load_model, save_model
from reasoning_from_scratch.runs import RunFolder


@pytest.fixture
def here(tokenizer, tmp_path, monkeypatch):
    """A working folder with one finished training run, runs/reasoner."""
    monkeypatch.chdir(tmp_path)
    model = tiny_model(vocab_size=tokenizer.vocab_size)
    config = {"command": "grpo", "model": "qwen3-0.6b-base", "steps": 50}
    run = RunFolder.create("reasoner", config)
    run.save_checkpoint(
        50, lambda folder: save_model(model, tokenizer, folder), {}
    )
    return tmp_path


def change_run(**changes):
    run = RunFolder.open("runs/reasoner")
    run.write_json("config.json", run.config | changes)


def add_evaluation(model):
    """A finished evaluation of a model, among the runs."""
    config = {"command": "evaluate", "model": model, "problems": "pocketmath"}
    config |= {"split": "test", "prompt": "step-by-step", "method": "greedy"}
    result = {"accuracy": 0.523, "low": 0.501, "high": 0.545}
    result |= {"num_problems": 2000, "mean_tokens": 44.2}
    run = RunFolder.numbered("after", config)
    run.write_json("result.json", result)


def export(*more, model="runs/reasoner"):
    return main(["export", model, "out", *more])


def card():
    return Path("out/README.md").read_text("utf-8")


def test_the_exported_model_is_the_runs_and_not_overwritten(here, capsys):
    assert export() == 0
    exported, _ = load_model("./out", device="cpu")
    original, tokenizer = load_model("runs/reasoner", device="cpu")
    token_ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(exported(token_ids), original(token_ids))
    assert export() == 1
    assert "--overwrite" in capsys.readouterr().err
    assert export("--overwrite", "--dtype", "bfloat16") == 0
    size = (here / "out" / "model.safetensors").stat().st_size
    num_bytes = 2 * original.config.num_parameters
    assert num_bytes < size < num_bytes + 5000  # and a header
    assert "bfloat16" in card()
    # A folder with other weights does not pass the check
    with torch.no_grad():
        original.norm.weight.mul_(1.1)
    with pytest.raises(ValueError, match="its logits are off by"):
        check_export(original, tokenizer, "out")


def test_the_card_tells_method_settings_and_what_was_measured(here):
    add_evaluation("pocket")  # another model
    export()
    assert "base_model: Qwen/Qwen3-0.6B-Base" in card()
    assert "verifiable rewards (GRPO)" in card()
    assert "- steps: `50`" in card()
    assert "Not measured." in card() and "52.3" not in card()
    add_evaluation("runs/reasoner")
    export("--overwrite")
    assert (
        "| pocketmath test (2,000) | step-by-step, greedy | 52.3 % "
        "| 50.1–54.5 % | 44 |"
    ) in card()
    for base, licence in (
        ("qwen2.5-math-7b", "license: apache-2.0"),
        ("qwen2.5-3b", "license: other\nlicense_name: qwen-research"),
        ("deepseek-r1-distill-qwen-1.5b", "license: mit"),
        ("someone/model", ""),
    ):
        change_run(model=base)
        export("--overwrite")
        assert licence in card()
        assert ("license:" in card()) == bool(licence)


@pytest.mark.parametrize("has_checkout", [True, False])
def test_a_bases_card_names_no_students(here, monkeypatch, has_checkout):
    if not has_checkout:  # what the wheel holds is the summary
        monkeypatch.setattr(results, "FOLDER", here / "nowhere")
    export(model="pocket")
    assert "| direct, greedy |" in card()
    assert "GRPO, then" not in card() and "SFT" not in card()


def test_the_card_of_a_trained_model_tells_its_training_and_its_row(here):
    export(model="pocket-grpo")
    assert "They come from `rfs grpo --model pocket --steps 500 --se" in card()
    assert "| pocketmath | pocket-grpo: the weights of GRPO" in card()
    assert r"1/3?\nAnswer:'" in card()  # the prompt that it was trained with


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [("direct", r"1/3?\nAnswer:'"), ("Q: {problem}", "'Q: What is 1/2")],
)
def test_the_cards_snippet_runs_as_trained(here, capsys, prompt, asked):
    pytest.importorskip("transformers")
    change_run(prompt=prompt)
    export()
    assert asked in card()
    capsys.readouterr()
    (snippet,) = re.findall(r"```python\n(.*?)```", card(), re.DOTALL)
    exec(compile(snippet, "README.md", "exec"), {})
    assert "What is 1/2" in capsys.readouterr().out


def test_transformers_answers_twenty_problems_with_the_same_text(here):
    transformers = pytest.importorskip("transformers")
    export(model="pocket")
    theirs = transformers.AutoModelForCausalLM.from_pretrained("out")
    reader = transformers.AutoTokenizer.from_pretrained("out")
    problems = load_problems("pocketmath", split="validation", limit=20)
    prompts = [render_prompt("step-by-step", p) for p in problems]
    model = load_model("pocket", device="cpu")
    ours = generate(*model, prompts, max_new_tokens=96)
    for prompt, output in zip(prompts, ours, strict=True):
        inputs = reader(prompt, return_tensors="pt")
        options = {"max_new_tokens": 96, "do_sample": False}
        generated = theirs.generate(**inputs, **options)
        new = generated[0, inputs["input_ids"].shape[1] :]
        assert reader.decode(new, skip_special_tokens=True) == output.text


def test_pushing_uploads_every_file_of_the_folder(here):
    words = "reasoning_from_scratch export runs/reasoner out --push-to"
    with HubStandin(here / "source").serving() as hub:
        result = subprocess.run(
            [sys.executable, "-m", *words.split(), "acme/tiny"],
            env=hub.environment(here / "home", HF_TOKEN="hf_not_a_real_one"),
            capture_output=True,
            encoding="utf-8",
        )
    assert result.returncode == 0, result.stderr
    files = {path.name: path.read_bytes() for path in here.glob("out/*")}
    assert hub.uploaded == files
    assert 'from_pretrained("acme/tiny")' in files["README.md"].decode()
    assert "hf_not_a_real_one" not in result.stdout + result.stderr


def test_a_failed_upload_says_that_the_folder_is_complete(here, capsys):
    # conftest keeps the Hub library offline
    assert export("--push-to", "acme/tiny") == 1
    complaint = capsys.readouterr().err
    assert "out is complete" in complaint
    assert "hf upload acme/tiny out" in complaint
