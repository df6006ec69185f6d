"""Model folders small enough to make inside a test, in official layout."""

import json
import struct
from functools import lru_cache

import torch
from pocket_data import train_tokenizer
from tiny import DATA
from tokenizers import AddedToken

from reasoning_from_scratch.llm.qwen3 import Qwen3Model
from reasoning_from_scratch.llm.weights import official_names

# DeepSeek's, in its models distilled into Qwen; none is marked as special
R1_TOKENS = (
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
)
R1_CONFIG = {
    "bos_token": {"__type": "AddedToken", "content": R1_TOKENS[0]},
    "eos_token": R1_TOKENS[1],
    "pad_token": R1_TOKENS[1],
    # its format without tools: thoughts of earlier turns are dropped
    "chat_template": (DATA / "r1_template.jinja").read_text("utf-8"),
}
CORPUS = ["Problem: 12 + 7\nAnswer: Let's think step by step. 12 + 7 = 19"]


@lru_cache
def tiny_tokenizer_json(think=True, extra=()):
    """The text of a `tokenizer.json` with a few merges on Qwen's plan."""
    tokenizer = train_tokenizer(CORPUS * 2, vocab_size=295)
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in extra])
    text = tokenizer.to_str()
    return text if think else text.replace("think>", "other>")


def write_tokenizer(folder, *, config=None, generation_config=None, **options):
    """Write tokenizer files; a configuration that is None is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    text = tiny_tokenizer_json(**options)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    configs = {
        "tokenizer_config": config,
        "generation_config": generation_config,
    }
    for name, content in configs.items():
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return folder


def write_sparse_checkpoint(folder, config):
    """A bfloat16 checkpoint of zeros, a file with holes: no room, no time."""
    with torch.device("meta"):
        model = Qwen3Model(config)
    names, header, end = official_names(model), {}, 0
    for name, parameter in model.named_parameters():
        start, end = end, end + 2 * parameter.numel()
        header[names[name]] = {
            "dtype": "BF16",
            "shape": list(parameter.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    (folder / "config.json").write_text(json.dumps(config.to_hf()), "utf-8")
