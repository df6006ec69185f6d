"""The book's own files and modules: read, or refused with a way out."""

import importlib
import io
import pickle
from pathlib import Path

import pytest
import torch
from commands import rfs
from tiny import table, tiny_model
from tiny_checkpoints import tiny_tokenizer_json

import reasoning_from_scratch
from reasoning_from_scratch import BOOK_MODULES
from reasoning_from_scratch.llm import load_model
from reasoning_from_scratch.settings import get_settings

# Our name -> the book's, written out again: parts, in this order
BOOK = table("book_names")
IDS = torch.tensor([[1, 2, 3, 250, 7], [9, 8, 7, 6, 5]])


def book_state_dict(model):
    """A model's weights as the book's class names them."""
    tensors = {}
    for name, weight in model.state_dict().items():
        for ours, theirs in BOOK.items():
            name = name.replace(ours, theirs)
        name = "final_norm.scale" if name == "norm.weight" else name
        tensors[name] = weight
    return tensors


def write(folder, content, name="qwen3-0.6B-base.pth", tokenizer="base"):
    folder.mkdir(exist_ok=True)
    torch.save(content, folder / name)
    text = tiny_tokenizer_json()
    (folder / f"tokenizer-{tokenizer}.json").write_text(text, "utf-8")
    return str(folder / name)


def tiny(**changes):
    changes = {"vocab_size": 320, "rope_theta": 1e6, **changes}
    return tiny_model(max_position_embeddings=40_960, **changes)


def logits_of(model):
    with torch.inference_mode():
        return model(IDS)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_book_file_gives_the_logits_of_its_weights(tmp_path, tied, dtype):
    model = tiny(tie_word_embeddings=tied).to(getattr(torch, dtype))
    path = write(tmp_path, book_state_dict(model))
    loaded, tokenizer = load_model(path, device="cpu")
    assert loaded.config == model.config
    assert loaded.dtype == model.dtype
    assert torch.equal(logits_of(loaded), logits_of(model))
    assert loaded.settings_name == "qwen3-0.6b-base"
    assert tokenizer.decode([tokenizer.eos_id]) == "<|endoftext|>"


def test_a_head_that_is_a_copy_is_tied_and_a_trained_one_is_not(tmp_path):
    tensors = book_state_dict(tiny())
    tensors["out_head.weight"] = tensors["tok_emb.weight"].clone()
    model, _ = load_model(write(tmp_path, tensors), device="cpu")
    assert model.config.tie_word_embeddings
    tensors["out_head.weight"][3] += 1.0
    # Also under the names of a compiled model
    tensors = {f"_orig_mod.{name}": tensors[name] for name in tensors}
    path = write(tmp_path, tensors)
    before = Path(path).read_bytes()
    model, _ = load_model(path, device="cpu")
    expected = tensors["_orig_mod.out_head.weight"]
    assert torch.equal(model.lm_head.weight, expected)
    # Training it leaves the file alone
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize(
    "name",
    [
        "qwen3-0.6B-base.pth",
        "qwen3-0.6B-reasoning.pth",
        "qwen3-0.6B-rlvr-grpo-step00050.pth",
        "qwen3-0.6B-distill-step06682.pth",
        "step00050.pt",
    ],
)
def test_a_file_gets_the_row_and_tokenizer_of_its_kind(tmp_path, name):
    is_chat = "reasoning" in name or "distill" in name
    kind = "reasoning" if is_chat else "base"
    path = write(tmp_path, book_state_dict(tiny()), name, tokenizer=kind)
    _, tokenizer = load_model(path, device="cpu")
    assert get_settings(path).is_chat == is_chat
    end = "<|im_end|>" if is_chat else "<|endoftext|>"
    assert tokenizer.decode([tokenizer.eos_id]) == end
    assert len(tokenizer.stop_ids) == 2


def test_a_missing_file_or_tokenizer_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="qwen3-0.6b-base"):
        load_model(str(tmp_path / "qwen3-0.6B-base.pth"))
    path = write(tmp_path, book_state_dict(tiny()), tokenizer="other")
    with pytest.raises(FileNotFoundError, match=r"tokenizer-base\.json"):
        load_model(path)


def without(name):
    tensors = book_state_dict(tiny())
    del tensors[name]
    return tensors


class Hostile:
    """What pickle would run as soon as it is opened."""

    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (Hostile(), r"holds print\..*torch.save.model.state_dict"),
        ({"a": Hostile()}, "can run any code"),
        (torch.nn.Linear(2, 2), "holds torch.nn.modules.linear.Linear"),
        ([torch.ones(2)], "it holds list"),
        ({"step": 3}, "it holds int under 'step'"),
        ({"model": {"a": torch.ones(2)}}, "it holds dict under 'model'"),
        ({"a": torch.ones(2)}, "not a Qwen3 in the book's layout"),
        ({}, "among its tensors are none"),
        (without("trf_blocks.1.ff.fc3.weight"), "missing model.layers.1"),
        (without("trf_blocks.0.att.W_key.weight"), "not a Qwen3 in the"),
    ],
)
def test_what_is_no_book_file_is_refused(tmp_path, capsys, content, complaint):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=complaint):
        load_model(path)
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        lambda old: b"",
        lambda old: old[:50],
        lambda old: old[: len(old) // 2],
        lambda old: b"no archive at all" * 9,
        lambda old: pickle.dumps(Hostile()),
        lambda old: ancient(),
    ],
)
def test_a_damaged_or_ancient_file_is_refused(tmp_path, capsys, damage):
    path = Path(write(tmp_path, book_state_dict(tiny())))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"base\.pth is"):
        load_model(str(path))
    assert "ran" not in capsys.readouterr().out


def ancient():
    file = io.BytesIO()
    torch.save({}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def test_the_commands_take_such_a_file(tmp_path, monkeypatch, runs_folder):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, book_state_dict(tiny()))
    name = "qwen3-0.6B-base.pth"
    few = f"--model {name} --max-new-tokens 4"
    assert rfs(f"evaluate --limit 2 {few}") == 0
    assert (runs_folder / "evaluate-1" / "result.json").is_file()
    assert rfs(f"ask 1+1? {few}") == 0
    assert rfs(f"export {name} official") == 0
    exported, _ = load_model("./official", device="cpu")
    model, _ = load_model(name, device="cpu")
    assert torch.equal(logits_of(exported), logits_of(model))


# ---- The book's modules ----


@pytest.mark.parametrize("module", [*sorted(BOOK_MODULES), "bonus.parser"])
def test_a_module_of_the_book_says_what_is_installed_instead(module):
    with pytest.raises(ImportError) as raised:
        importlib.import_module(f"reasoning_from_scratch.{module}")
    said = str(raised.value)
    assert "package of the book's listings" in said
    assert reasoning_from_scratch.__version__ in said
    assert f"Here {BOOK_MODULES[module.split('.')[0]]}; " in said
    assert "docs/book.md has the whole table" in said
    assert not isinstance(raised.value, ModuleNotFoundError)
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        importlib.import_module("reasoning_from_scratch.ch99")
