"""A random model and a byte tokenizer, small enough for any test."""

import json
import time
from pathlib import Path

import torch

from reasoning_from_scratch.llm.config import Qwen3Config
from reasoning_from_scratch.llm.qwen3 import Qwen3Model
from reasoning_from_scratch.llm.tokenizer import StreamDecoder
from reasoning_from_scratch.training import learned_verifier

DATA = Path(__file__).parent / "data"
QWEN2 = {"qkv_bias": True, "qk_norm": False}


def table(name):
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


def within(seconds, call, *args):
    """What the call gives, which takes at most so much processor time.

    A slow call is tried twice more: a collection of garbage in the middle of
    a long run of tests is not the call's, a slow call is slow three times.
    """
    for _ in range(3):
        start = time.process_time()
        value = call(*args)
        if time.process_time() - start <= seconds:
            return value
    raise AssertionError(f"more than {seconds} s: {str(args)[:80]}")


def read_lines(name):
    lines = (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def tiny_config(**changes):
    fields = {"vocab_size": 256, "hidden_size": 32, "intermediate_size": 48}
    fields |= {"num_layers": 2, "num_heads": 4, "num_kv_heads": 2}
    fields |= {"head_dim": 16, "rope_theta": 1e4}
    fields |= {"max_position_embeddings": 1024, **changes}
    return Qwen3Config(**fields)


def tiny_model(seed=0, **changes):
    """A seeded model whose next-token distributions are far from flat."""
    model = Qwen3Model(tiny_config(**changes)).init_weights(seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(8.0)
            elif name.endswith("bias"):
                parameter.normal_(generator=generator)
    return model.eval()


def write_verifier(folder, seed=0):
    """A run folder with a learned verifier that scores a tiny model's text."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(20, 3 * 32 + 2, generator=generator)
    head = learned_verifier.new_head(features, 4, generator)
    head["outer"] = torch.randn(4, generator=generator)
    folder.mkdir(parents=True, exist_ok=True)
    learned_verifier.save_head(head, folder)
    (folder / "config.json").write_text("{}", "utf-8")
    return head


def weights_of(model):
    """A copy of all weights, as one vector."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def random_ids(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, shape, generator=generator)


class ByteTokenizer:
    """One token a byte; 0 ends a text."""

    vocab_size = 256
    eos_id = pad_id = 0
    stop_ids = (0,)

    def encode(self, text):
        return list(text.encode())

    def decode(self, token_ids):
        return bytes(i for i in token_ids if i).decode(errors="replace")

    def token_bytes(self, token_id):
        return bytes([token_id])

    def stream_decoder(self):
        return StreamDecoder(self)
