"""Step time of one row for tiles, warps, splits, blocks."""
from common import *
model, tok = random_model(), Numbers()
print("fused step available:", IS_AVAILABLE(model), flush=True)
one = [tok.decode([7] * 128)]; many = [tok.decode([7] * 128)] * (256 if not QUICK else 4)
def rate(prompts, new): 
    s = seconds(lambda: generate(model, tok, prompts, max_new_tokens=new, stop_ids=(), batch_size=len(prompts)))
    return len(prompts) * new / s
default = {k: getattr(fused_step, k) for k in ("TILE", "PRODUCT_WARPS", "ATTENTION_WARPS", "MAX_SPLITS", "BLOCK", "EARLY_FROM_CAPABILITY")}
def trial(prompts, new, **changes):
    for k, v in {**default, **changes}.items(): setattr(fused_step, k, v)
    try: print(f"{len(prompts):4} rows {changes}: {rate(prompts, new):10,.0f} tokens/s", flush=True)
    except Exception as e: print(changes, "FAILED", type(e).__name__, str(e)[:200], flush=True)
N = 256 if not QUICK else 6
trial(one, N)
for tile in (2048, 4096, 16384):
    trial(one, N, TILE=tile)
for tile, warps in ((4096, 2), (8192, 8), (16384, 8)): trial(one, N, TILE=tile, PRODUCT_WARPS=warps)
for splits in (4, 8, 32): trial(one, N, MAX_SPLITS=splits)
for block, warps in ((16, 1), (32, 2), (64, 4), (16, 2)): trial(one, N, BLOCK=block, ATTENTION_WARPS=warps)
for block, warps in ((16, 1), (32, 1), (32, 2), (64, 4), (64, 2), (128, 4)): trial(many, 64 if not QUICK else 4, BLOCK=block, ATTENTION_WARPS=warps)
