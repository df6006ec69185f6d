import os, time, torch
from reasoning_from_scratch.llm import QWEN3_CONFIGS, Qwen3Model, Qwen3Config, generate, SamplingConfig
from reasoning_from_scratch.llm import fused_step, decoding
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
IS_AVAILABLE = fused_step.is_available
QUICK = DEVICE == "cpu"

class Numbers:
    vocab_size = 1000; stop_ids = (); pad_id = 0
    def encode(self, text): return [ord(c) - 1 for c in text]
    def decode(self, ids): return "".join(chr(int(i) + 1) for i in ids)
    def stream_decoder(self):
        outer = self
        class D:
            def push(self, i): return outer.decode([i])
            def flush(self): return ""
        return D()

def random_model(config=None, dtype=torch.bfloat16):
    config = config or QWEN3_CONFIGS["0.6b"]
    if QUICK:
        config = Qwen3Config(vocab_size=1200, hidden_size=64, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=32, intermediate_size=96)
    with torch.device("meta"):
        model = Qwen3Model(config).to(dtype)
    model = model.to_empty(device=DEVICE).eval()
    g = torch.Generator(device=DEVICE).manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0.0, 0.02, generator=g) if p.dim() > 1 else p.uniform_(0.5, 1.5, generator=g)
    return model

def fused(on):
    fused_step.is_available = IS_AVAILABLE if on else (lambda m: False)

def sync():
    if DEVICE == "cuda": torch.cuda.synchronize()

def seconds(f, repeats=3):
    f(); sync(); out = []
    for _ in range(repeats):
        t = time.perf_counter(); f(); sync(); out.append(time.perf_counter() - t)
    return sorted(out)[len(out) // 2]
