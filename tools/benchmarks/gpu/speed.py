"""Tokens/s: one prompt and 256 rows, each way; breakdown by profiler."""
import sys
from common import *
from reasoning_from_scratch.llm import generate_stream
model, tok = random_model(), Numbers()
print("fused step available:", IS_AVAILABLE(model), flush=True)
NEW1, NEWB, ROWS = (512, 128, 256) if not QUICK else (8, 8, 8)
one, many = [tok.decode([7] * 128)], [tok.decode([7] * 128)] * ROWS
def rate(prompts, new, **o):
    s = seconds(lambda: generate(model, tok, prompts, max_new_tokens=new, stop_ids=(), batch_size=len(prompts), **o))
    return len(prompts) * new / s
def show(name, value): print(f"{name:58} {value:12,.0f} tokens/s", flush=True)
ways = sys.argv[1:] or ["fused", "fused-late", "graph", "compiled"]
for way in ways:
    fused(way.startswith("fused")); fused_step.EARLY_FROM_CAPABILITY = 99 if way == "fused-late" else 9
    o = {"compiled": True} if way == "compiled" else {}
    try:
        show(f"one prompt, 512 tokens, {way}", rate(one, NEW1, **o))
        if way.startswith("fused"):
            show(f"one prompt, 2048 tokens, {way}", rate(one, 4 * NEW1))
            show(f"one prompt sampled T=0.7 top_p 0.9, {way}", rate(one, NEW1, sampling=SamplingConfig(temperature=0.7, top_p=0.9), seed=0))
            show(f"one prompt sampled T=1, {way}", rate(one, NEW1, sampling=SamplingConfig(temperature=1.0), seed=0))
            s = seconds(lambda: list(generate_stream(model, tok, one[0], max_new_tokens=NEW1, stop_ids=())))
            show(f"stream, 512 tokens, {way}", NEW1 / s)
            for rows in (2, 4, 8, 64):
                show(f"{rows} rows, 128 tokens, {way}", rate(many[:rows], NEWB))
        show(f"256 rows, 128 tokens, {way}", rate(many, NEWB, **o))
        if way.startswith("fused"):
            show(f"256 rows sampled T=1, {way}", rate(many, NEWB, sampling=SamplingConfig(temperature=1.0), seed=0))
    except Exception as e:
        print(way, "FAILED", type(e).__name__, str(e)[:500], flush=True)
if DEVICE == "cuda" and "fused" in ways:
    fused(True); fused_step.EARLY_FROM_CAPABILITY = 9
    from torch.profiler import profile, ProfilerActivity
    for name, prompts, new in (("one prompt", one, 64), ("256 rows", many, 32)):
        for early in (9, 99):
            fused_step.EARLY_FROM_CAPABILITY = early
            f = lambda: generate(model, tok, prompts, max_new_tokens=new, stop_ids=(), batch_size=len(prompts))
            f(); torch.cuda.synchronize()
            with profile(activities=[ProfilerActivity.CUDA]) as prof:
                f(); torch.cuda.synchronize()
            rows = sorted(prof.key_averages(), key=lambda r: -r.self_device_time_total)[:15]
            total = sum(r.self_device_time_total for r in prof.key_averages())
            print(f"\n{name}, {new} tokens, early from {early}: {total/new:,.0f} us of kernels a token (prefill included)")
            for r in rows: print(f"  {r.self_device_time_total/new:8.1f} us/token {r.count/new:7.1f} x  {r.self_device_time_total/max(1,r.count):7.2f} us  {r.key[:95]}")
    x = torch.ones(2**30, dtype=torch.uint8, device="cuda"); y = torch.empty_like(x)
    s = seconds(lambda: [y.copy_(x) for _ in range(20)]); print(f"copy bandwidth {2*20*2**30/s/1e9:,.0f} GB/s; weights {sum(p.nbytes for p in model.parameters())/1e9:.3f} GB; {torch.cuda.get_device_name()}")
