"""What makes tensors makes them where the model is: every command and method.

The stand-in plays a second device on a machine with a CPU alone; the
notebooks run on it in test_notebooks.py.
"""

import copy

import pytest
import torch
from check import is_same
from standin import on_the_stand_in
from test_learned_verifier import write_traces
from test_methods import PROBLEMS, PROMPTS, Tokenizer
from tiny import table, tiny_model, write_verifier

from reasoning_from_scratch import llm
from reasoning_from_scratch.cli.main import main
from reasoning_from_scratch.evaluation import load_problems
from reasoning_from_scratch.scaling import METHODS
from reasoning_from_scratch.training import (
    GRPO_VARIANTS,
    train_grpo,
    variant_config,
)
from reasoning_from_scratch.training.optimization import MasterAdamW


@pytest.fixture
def away():
    """The stand-in is the best device for the length of a test."""
    with on_the_stand_in():
        yield


def ones(*shape, **options):
    return torch.ones(*shape, device="mps", **options)


# ---- The stand-in refuses what a device refuses ----


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + torch.ones(3),
        lambda x: torch.cat([x, torch.ones(3)]),
        lambda x: torch.stack([x[0], torch.tensor(1.0)]),
        lambda x: torch.nn.functional.embedding(torch.tensor([0]), x[None]),
        lambda x: x.quantile(torch.tensor([0.5])),
        lambda x: x.__setitem__(torch.tensor([0]), torch.ones(1)),
        lambda x: torch.ones(3).add_(x),
        lambda x: torch.ones(3)[x > 0],
        lambda x: x.numpy(),
        lambda x: x.double(),
        lambda x: torch.zeros(2, device=x.device, dtype=torch.float64),
        lambda x: x.normal_(generator=torch.Generator()),
        lambda x: x.long() >> 3,
    ],
)
def test_it_refuses_two_devices_numpy_float64_and_a_generator(away, use):
    with pytest.raises(RuntimeError, match="test_stand_in.py:"):
        use(ones(3))


def test_it_allows_what_a_device_allows(away):
    x = ones(3)
    y = x * torch.tensor(2.0) + x[torch.tensor([0, 1, 2])]
    y[:2] = torch.zeros(2)
    x.copy_(torch.ones(3))
    assert (y.device.type, y.tolist()) == ("mps", [0, 0, 3])
    assert [x.cpu().device.type, x.device.type] == ["cpu", "mps"]
    assert torch.ones(3).to(x).device == x.device
    assert f"{y[2]:.1f}" == "3.0"
    model = tiny_model().to("mps")
    other = copy.deepcopy(model)
    model(ones(1, 3, dtype=torch.long)).logsumexp(-1).mean().backward()
    assert model.norm.weight.grad.device.type == "mps"
    assert {p.device.type for p in other.parameters()} == {"mps"}
    assert {p.device.type for p in other.to("cpu").parameters()} == {"cpu"}


def test_off_again_nothing_is_left_of_it():
    with on_the_stand_in(notes := []):
        x = ones(2) + torch.ones(2)
    assert x.tolist() == [2, 2] and len(notes) == 1
    assert pytest.raises(ValueError, llm.load_model, "pocket", device="mps")


# ---- What the package computes there ----


def test_it_answers_as_the_cpu_does(model_folder):
    def answers():
        model, tokenizer = llm.load_model(model_folder)
        prompts = ["2+3", "a longer prompt"]
        how = llm.SamplingConfig(temperature=1.0, top_p=0.9, top_k=50)
        sizes = {"max_new_tokens": 20, "num_samples": 2, "seed": 3}
        outputs = llm.generate(
            model, tokenizer, prompts, sampling=how, **sizes
        )
        stream = llm.generate_stream(
            model, tokenizer, "2+3", max_new_tokens=20
        )
        texts = list(stream)
        ids = torch.tensor([[1, 2, 3]], device=model.device)
        total = llm.sequence_logprob(model, ids).tolist()
        return model.device.type, [o.token_ids for o in outputs], texts, total

    kind, *expected = answers()
    with on_the_stand_in():
        other, *found = answers()
    assert (kind, other) == ("cpu", "mps")
    assert found == expected


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_there(name, away, runs_folder):
    write_verifier(runs_folder / "verifier")
    model, num_samples = tiny_model().to("mps"), METHODS[name].num_samples
    sizes = {"num_samples": min(2, num_samples), "max_new_tokens": 6}
    sizes |= {"seed": 5, "batch_size": 8, "progress": None}
    outputs = METHODS[name](model, Tokenizer(), PROBLEMS, PROMPTS, **sizes)
    assert len(outputs) == len(PROBLEMS)


def test_bfloat16_weights_are_trained_there_and_tensors_compared(away):
    model = tiny_model().to(torch.bfloat16).to("mps")
    before = model.norm.weight.detach().clone()
    optimizer = MasterAdamW(model)
    model(ones(1, 3, dtype=torch.long)).float().square().mean().backward()
    optimizer.step(0.1)
    assert not is_same(model.norm.weight, before)
    assert is_same(before, before.cpu())


@pytest.mark.parametrize("name", GRPO_VARIANTS)
def test_every_variant_trains_there(name, away):
    problems = load_problems("pocketmath", split="train", limit=8)
    sizes = {"steps": 2, "prompts_per_step": 4, "group_size": 2}
    config = variant_config(name, **sizes, max_new_tokens=6, eval_every=1)
    rewards = dict.fromkeys("ab", lambda text, problem: len(text) % 2.0)
    data = {"validation": problems[:2], "reward": rewards, "progress": False}
    model = tiny_model().to("mps")
    assert len(train_grpo(model, Tokenizer(), problems, config, **data)) == 3


@pytest.mark.parametrize("words", table("commands_away"))
def test_every_command_runs_there(
    words, away, model_folder, tmp_path, runs_folder, capsys, monkeypatch
):
    monkeypatch.setenv("RFS_FAST", "1")
    path, texts = tmp_path / "traces.jsonl", [r"\boxed{{{}}}", "no idea"]
    places = {"model": model_folder, "folder": tmp_path / "exported"}
    places["traces"] = write_traces(path, "train", texts)
    if words.split()[0] not in ("export", "doctor"):
        words += " --model {model}"
    command = words.format_map(places).split()
    assert main(command) in (0, None), capsys.readouterr().err
