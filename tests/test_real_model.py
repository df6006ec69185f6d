"""The script that makes the real model of the rows names every tensor."""

import real_model
import torch

from reasoning_from_scratch.llm import Qwen3Config, Qwen3Model
from reasoning_from_scratch.llm.weights import official_names

MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output")
MATRICES += ("ffn_gate", "ffn_up", "ffn_down")
IN_LAYER = [f"{part}.weight" for part in (*MATRICES, "attn_norm", "ffn_norm")]
IN_LAYER += [f"attn_{part}.bias" for part in "qkv"]


def test_the_tensors_of_the_file_are_those_of_the_model():
    with torch.device("meta"):
        model = Qwen3Model(Qwen3Config.from_hf(real_model.CONFIG))
    stored = [f"blk.{i}.{name}" for i in range(24) for name in IN_LAYER]
    stored += ["output.weight", "output_norm.weight"]

    named = sorted(map(real_model.official_name, stored))
    assert named == sorted(official_names(model).values())
    # A coarser copy of the output matrix, which is tied to it
    assert real_model.official_name("token_embd.weight") is None
