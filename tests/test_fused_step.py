"""The GPU's own decoding step: joined matrices, and its kernels.

The kernels run in Triton's interpreter where Triton is installed, and on the
device in test_gpu.
"""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from tiny import tiny_model
from tiny_checkpoints import write_tokenizer

from reasoning_from_scratch.llm import Qwen3Tokenizer, load_model, save_model
from reasoning_from_scratch.llm.fused_step import joined

INTERPRETED = """
import torch
from tiny import tiny_model
from reasoning_from_scratch.llm.fused_step import FusedStep
from reasoning_from_scratch.llm.kv_cache import KVCache

# One row: products by kernel, columns in splits. Five: products in a batch
for batch, heads, tied in ((1, 4, True), (2, 6, False), (5, 4, True)):
    model = tiny_model(
        head_dim=32, num_heads=heads, num_layers=1, tie_word_embeddings=tied
    )
    caches = [KVCache(model.config, batch, 64, static=True) for _ in range(2)]
    key_mask = torch.zeros(batch, 64, dtype=torch.bool)
    for row in range(batch):
        key_mask[row, row:40] = True  # padded on the left
    token_ids = torch.randint(1, 256, (batch, 44))
    with torch.inference_mode():
        for cache in caches:
            model(token_ids[:, :40], cache, key_mask)
        step = FusedStep(model, caches[1], key_mask)
        for column in (40, 41):
            key_mask[:, column] = True
            new = token_ids[:, column : column + 1]
            expected = model(new, caches[0], key_mask)
            difference = step(new, caches[1]) - expected
            assert difference.abs().max() < 1e-4, (batch, column)
    for ours, theirs in zip(*[c.keys + c.values for c in caches]):
        assert torch.allclose(ours, theirs, atol=1e-5)
"""


def join_all(model):
    for layer in model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        joined(attention.q_proj, attention.k_proj, attention.v_proj)
        joined(mlp.gate_proj, mlp.up_proj)


def test_joined_matrices_change_neither_logits_nor_names():
    model = tiny_model()
    token_ids = torch.randint(1, 256, (2, 7))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with torch.inference_mode():
        expected = model(token_ids)
        join_all(model)  # as decoding does, in the midst of inference
        assert torch.equal(model(token_ids), expected)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_joined_matrix_is_the_weights_and_follows_their_training():
    model = tiny_model()
    mlp = model.layers[0].mlp
    matrix = joined(mlp.gate_proj, mlp.up_proj)
    assert torch.equal(matrix[:48], mlp.gate_proj.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randint(1, 256, (1, 5))).sum().backward()
    optimizer.step()
    assert torch.equal(matrix[48:], mlp.up_proj.weight)
    # Joined already: nothing moves
    again = joined(mlp.gate_proj, mlp.up_proj)
    assert again.data_ptr() == matrix.data_ptr()
    assert torch.equal(again, matrix)


def test_weights_that_moved_apart_are_joined_again():
    mlp = tiny_model().layers[0].mlp
    old = joined(mlp.gate_proj, mlp.up_proj)
    mlp.double()
    new = joined(mlp.gate_proj, mlp.up_proj)
    assert new.dtype == torch.float64
    assert torch.equal(new, old.double())


def test_a_joined_model_is_saved_in_the_official_layout(tmp_path):
    tokenizer = Qwen3Tokenizer(write_tokenizer(tmp_path / "source"))
    model = tiny_model(vocab_size=320)
    save_model(model, tokenizer, tmp_path / "before")
    join_all(model)
    save_model(model, tokenizer, tmp_path / "after")
    files = (tmp_path / "before").iterdir()
    for path in files:
        saved = (tmp_path / "after" / path.name).read_bytes()
        assert saved == path.read_bytes(), path.name
    again, _ = load_model(tmp_path / "after", device="cpu")
    assert torch.equal(
        again.layers[1].mlp.up_proj.weight, model.layers[1].mlp.up_proj.weight
    )


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="no Triton"
)
def test_the_kernels_compute_what_the_model_computes():
    paths = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    result = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    if "only 0-dimensional arrays" in result.stderr:
        pytest.skip("Triton's interpreter does not know this NumPy")
    assert result.returncode == 0, result.stderr
