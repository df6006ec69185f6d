"""Opening and saving model folders: what works, and every refusal."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file, save_file
from tiny import tiny_model
from tiny_checkpoints import write_sparse_checkpoint, write_tokenizer

from reasoning_from_scratch import evaluate, load_problems
from reasoning_from_scratch.llm import QWEN3_CONFIGS, load_model, save_model
from reasoning_from_scratch.llm.weights import ASSETS, HUB_IDS
from reasoning_from_scratch.results import load_results
from reasoning_from_scratch.settings import BUILT_IN, TRAINED

VOCAB, WEIGHTS = 320, "model.safetensors"
OFFICIAL = {"config.json", "generation_config.json", "tokenizer.json"}
OFFICIAL |= {"tokenizer_config.json", "chat_template.jinja", WEIGHTS}


@pytest.fixture
def model():
    return tiny_model(vocab_size=VOCAB)


@pytest.fixture
def folder(tmp_path, model, tokenizer):
    save_model(model, tokenizer, tmp_path / "model")
    return tmp_path / "model"


def load(folder, **options):
    return load_model(folder, device="cpu", **options)[0]


def split_into_shards(folder):
    tensors = {n: t.clone() for n, t in load_file(folder / WEIGHTS).items()}
    (folder / WEIGHTS).unlink()
    save_torch_state_dict(tensors, folder, max_shard_size=20_000)
    return sorted(folder.glob("model-*.safetensors"))


def assert_same_weights(model, other):
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


# ---- What comes back ----


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_model_comes_back_bit_by_bit(tmp_path, tokenizer, tied):
    model = tiny_model(vocab_size=VOCAB, tie_word_embeddings=tied)
    save_model(model, tokenizer, tmp_path / "model")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    again = load(tmp_path / "model")
    assert again.config == model.config
    assert not again.training
    assert_same_weights(model, again)
    assert torch.equal(torch.rand(3), expected)  # drew no random number
    # In the official files and names, for whoever may read the others
    files = {path.name: path.stat() for path in (tmp_path / "model").iterdir()}
    assert len({stat.st_mode for stat in files.values()}) == 1
    assert files.keys() == OFFICIAL
    names = load_file(tmp_path / "model" / WEIGHTS).keys()
    assert "model.layers.1.self_attn.q_norm.weight" in names
    assert ("lm_head.weight" in names) != tied


def test_shards_come_back_as_one_model_and_each_must_be_whole(folder, model):
    shards = split_into_shards(folder)
    assert len(shards) > 2
    assert_same_weights(model, load(folder))
    shards[1].write_bytes(shards[1].read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{shards[1].name} is truncated"):
        load(folder)
    shards[1].unlink()
    with pytest.raises(FileNotFoundError, match=shards[1].name):
        load(folder)


def test_a_loaded_model_is_trained_and_saved_over(folder, tokenizer):
    before = (folder / WEIGHTS).read_bytes()
    model = load(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            assert parameter.requires_grad
            parameter.add_(1.0)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_model(model, tokenizer, folder)
    assert (folder / WEIGHTS).read_bytes() == before
    save_model(model, tokenizer, folder, overwrite=True)
    assert_same_weights(model, load(folder))


def test_weights_are_converted_when_asked(tmp_path, folder, model, tokenizer):
    halves = model.to(torch.bfloat16)
    for dtype in (torch.bfloat16, "bfloat16"):
        assert_same_weights(halves, load(folder, dtype=dtype))
    assert load(folder).dtype == torch.float32
    save_model(halves, tokenizer, tmp_path / "qwen3-0.6b-mine")
    assert load(tmp_path / "qwen3-0.6b-mine").dtype == torch.bfloat16


PEAK = """
import sys, torch
torch.set_num_threads(1)
from reasoning_from_scratch.llm import load_model
from reasoning_from_scratch.llm import qwen3, tokenizer, weights

def peak():
    lines = open("/proc/self/status").read().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024

before = peak()
model, _ = load_model(sys.argv[1], device="cpu", dtype=sys.argv[2])
for parameter in model.parameters():
    parameter.view(-1)[::2048].sum()  # every page is really read
size = sum(p.nbytes for p in model.parameters())
print((peak() - before) / size)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_loading_takes_the_memory_of_the_weights_once(tmp_path, dtype):
    # Qwen3-0.6B: 1.19 GB of bfloat16, zeros that take no room on the disk.
    # float16 is a conversion: a second copy of one tensor at a time.
    write_sparse_checkpoint(tmp_path, QWEN3_CONFIGS["0.6b"])
    write_tokenizer(tmp_path)
    command = [sys.executable, "-c", PEAK, str(tmp_path), dtype]
    assert float(subprocess.check_output(command)) <= 1.15


# ---- Names ----


def test_short_names_stand_for_hub_ids_and_are_corrected():
    for hub_id in (
        *("Qwen/Qwen3-0.6B-Base", "Qwen/Qwen3-32B"),
        "Qwen/Qwen2.5-Coder-0.5B-Instruct",
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
    ):
        assert HUB_IDS[hub_id.split("/")[1].lower()] == hub_id
    with pytest.raises(ValueError, match="did you mean 'qwen3-0.6b-base'"):
        load_model("qwen3-0.6-base")


# ---- Refusals when loading: what is done to the folder, what is said ----


def changed(file, change):
    """Put `change` of a file's bytes in its place; None takes it out."""

    def damage(folder):
        content = change((folder / file).read_bytes())
        (folder / file).unlink()
        if content is not None:
            (folder / file).write_bytes(content)

    return damage


def without(file):
    return changed(file, lambda old: None)


def with_config(**changes):
    return changed(
        "config.json",
        lambda old: json.dumps(json.loads(old) | changes).encode(),
    )


def with_tensor(name, change):
    """Put `change` of the tensor there in its place; None takes it out."""

    def edit(folder):
        path = folder / WEIGHTS
        tensors = {n: tensor.clone() for n, tensor in load_file(path).items()}
        value = change(tensors.pop(name, None))
        tensors.update({} if value is None else {name: value})
        save_file(tensors, path, metadata={"format": "pt"})

    return edit


def with_index(text):
    def put(folder):
        (folder / WEIGHTS).unlink()
        (folder / f"{WEIGHTS}.index.json").write_text(text, "utf-8")

    return put


NORM, UP = "model.norm.weight", "model.layers.0.mlp.up_proj.weight"
BIAS = "model.layers.0.self_attn.q_proj.bias"
GENERATION = "generation_config.json"
TRUNCATED = "model.safetensors is truncated"
OUTSIDE = '{"weight_map": {"model.norm.weight": "../secret.safetensors"}}'
REFUSED = [
    (without("config.json"), "no config.json"),
    (without(WEIGHTS), "no model.safetensors"),
    (without("tokenizer.json"), "no tokenizer.json"),
    (with_config(model_type="llama"), "'llama'"),
    (with_config(hidden_size="large"), "config.json: hidden_size must be"),
    (with_config(tie_word_embeddings=False), "missing lm_head.weight"),
    (changed(WEIGHTS, lambda old: b""), TRUNCATED),
    (changed(WEIGHTS, lambda old: old[:5]), TRUNCATED),  # in the header
    (changed(WEIGHTS, lambda old: old[:3000]), TRUNCATED),  # in the weights
    (
        changed(WEIGHTS, lambda old: old[:8] + b"\xff" * 9 + old[17:]),
        TRUNCATED,
    ),
    (changed(WEIGHTS, lambda old: b"\0" * 7 + b"\x10{}"), TRUNCATED),  # 2^60
    (with_tensor(NORM, lambda old: torch.ones(33)), r"\(33,\).*for \(32,\)"),
    (with_tensor(NORM, lambda old: None), "missing model.norm.weight"),
    (with_tensor(BIAS, lambda old: torch.ones(9)), "unexpected .*q_proj.bias"),
    (with_tensor(UP, torch.Tensor.char), "stored as torch.int8"),
    (with_index(OUTSIDE), "outside its folder"),
    (with_index("{"), "index.json .* again"),
    (with_index("[]"), "index.json .* again"),
    (with_index("{}"), "index.json .* again"),
    (with_index('{"weight_map": 3}'), "not an index"),
    *(  # each JSON file, with the cure
        (changed(file, lambda old, text=text: text), f"/{file} .* it again")
        for file in ("tokenizer_config.json", "config.json", GENERATION)
        for text in (b"[]", b'"qwen3"', b'{"model_type": "qw', b"")
    ),
]


@pytest.mark.parametrize(("damage", "complaint"), REFUSED)
def test_a_damaged_folder_is_refused_by_name(folder, damage, complaint):
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=complaint):
        load(folder)


def test_an_embedding_may_be_repeated_not_too_small(
    folder, model, tmp_path, tokenizer
):
    embedding = model.embed_tokens.weight.detach()
    with_tensor("lm_head.weight", lambda old: embedding.clone())(folder)
    assert_same_weights(model, load(folder))
    save_model(tiny_model(vocab_size=288), tokenizer, tmp_path / "small")
    with pytest.raises(ValueError, match="289 entries .* only 288 rows"):
        load(tmp_path / "small")


# ---- Refusals when saving ----


def test_a_failed_save_leaves_nothing(tmp_path, model, tokenizer, monkeypatch):
    def interrupt(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        usage = SimpleNamespace(free=1000)
        patch.setattr("shutil.disk_usage", lambda path: usage)
        with pytest.raises(OSError, match="GB are needed"):
            save_model(model, tokenizer, tmp_path / "model")
    monkeypatch.setattr(tokenizer, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_model(model, tokenizer, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    # Nor does a folder with other things go
    (tmp_path / "thesis.tex").write_text("years of work", "utf-8")
    with pytest.raises(FileExistsError, match="something else"):
        save_model(model, tokenizer, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


# ---- What the package ships ----


def test_the_models_of_the_package_are_small_and_share_a_tokenizer():
    size = sum(path.stat().st_size for path in ASSETS.rglob("*"))
    assert size < 32e6
    tokenizer = (ASSETS / "pocket" / "tokenizer.json").read_bytes()
    for name in BUILT_IN:
        assert (ASSETS / name / WEIGHTS).stat().st_size < 16e6
        assert (ASSETS / name / "tokenizer.json").read_bytes() == tokenizer


@pytest.mark.parametrize(("name", "row"), TRAINED.items())
def test_a_trained_model_is_as_accurate_as_its_row(name, row):
    stored = load_file(ASSETS / name / WEIGHTS)
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    assert "lm_head.weight" not in stored  # tied: one tensor for both
    model, tokenizer = load_model(name, device="cpu")
    assert model.dtype == torch.float32 and model.settings_name == name
    problems = load_problems("pocketmath", limit=100)
    result = evaluate(model, tokenizer, problems, progress=False)
    # Where the row's accuracy is of other problems, the interval tells
    assert result.low < load_results()[row]["accuracy"] < result.high
