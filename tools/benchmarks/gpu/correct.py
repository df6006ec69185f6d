"""Fused step = model's own forward: bf16 and float32, ragged rows; PDL on and off; graph = eager."""
from common import *
from reasoning_from_scratch.llm.kv_cache import KVCache
def check(model, B, width, steps, early, tol):
    cfg = model.config; cols = width + steps + 3; cols += -cols % 64
    caches = [KVCache(cfg, B, cols, device=DEVICE, dtype=model.dtype, static=True) for _ in range(2)]
    mask = torch.zeros(B, cols, dtype=torch.bool, device=DEVICE)
    for b in range(B): mask[b, (b * 7) % max(1, width // 2):width] = True
    ids = torch.randint(1, 1000, (B, width), device=DEVICE)
    worst = same = n = 0
    with torch.inference_mode():
        for c in caches: model(ids, c, mask, last_only=True)
        step = fused_step.FusedStep(model, caches[1], mask)
        step.launch = {"EARLY": True, "launch_pdl": True} if early else {"EARLY": False}
        for i in range(steps):
            t = torch.randint(1, 1000, (B, 1), device=DEVICE)
            mask[:, width + i] = True
            a = model(t, caches[0], mask, last_only=True)[:, -1].float()
            b = step(t, caches[1])[:, -1].float()
            worst = max(worst, ((a - b).norm() / a.norm()).item()); same += (a.argmax(-1) == b.argmax(-1)).sum().item(); n += B
            assert torch.isfinite(b).all()
    ok = worst < tol
    print(f"  B={B} width={width} early={early} splits={step.splits} {str(model.dtype)[6:]}: relative error {worst:.2e}, same argmax {same}/{n} {'ok' if ok else 'FAILED'}", flush=True)
if DEVICE == "cuda":
    for dtype, tol in ((torch.float32, 2e-5), (torch.bfloat16, 2e-2)):
        model = random_model(dtype=dtype)
        for B, width in ((1, 5), (1, 700), (3, 130), (8, 300), (40, 65)):
            for early in (False, True):
                check(model, B, width, 12, early, tol)
        del model
from reasoning_from_scratch.llm import load_model, generate_stream
from reasoning_from_scratch.evaluation import load_problems, render_prompt
problems = load_problems("pocketmath", split="validation", limit=4 if QUICK else 48)
prompts = [render_prompt("step-by-step", p) for p in problems]
def answers(device, prompts, **o):
    m, t = load_model("pocket", device=device)
    return [x.token_ids for x in generate(m, t, prompts, max_new_tokens=64, **o)]
cpu = answers("cpu", prompts)
for name, on in (("fused", True), ("model in a graph", False)):
    fused(on)
    gpu = answers(DEVICE, prompts)
    one = [answers(DEVICE, [p])[0] for p in prompts[:8]]
    print(f"pocket greedy {name}: batch equal to CPU {sum(a == b for a, b in zip(cpu, gpu))}/{len(cpu)}, one by one {sum(a == b for a, b in zip(cpu, one))}/{len(one)}", flush=True)
    s = SamplingConfig(temperature=0.7, top_p=0.9)
    a = answers(DEVICE, prompts, sampling=s, seed=1, num_samples=2); b = answers("cpu", prompts, sampling=s, seed=1, num_samples=2)
    print(f"pocket sampled {name}: equal to CPU {sum(x == y for x, y in zip(a, b))}/{len(a)}", flush=True)
    m, t = load_model("pocket", device=DEVICE)
    st = ["".join(generate_stream(m, t, p, max_new_tokens=64)) for p in prompts[:6]]
    wh = [o.text for o in generate(m, t, prompts[:6], max_new_tokens=64)]
    print(f"stream = generate {name}: {sum(a == b for a, b in zip(st, wh))}/{len(wh)}", flush=True)
