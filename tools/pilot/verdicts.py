"""How well a model tells ok from no, and mends a line that it is told of."""

import argparse
from random import Random

import torch
from drafts import PROBE_SEEDS, exercise_of
from probe import STEPS, Probe
from review import review

from reasoning_from_scratch.llm.weights import load_model


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--temperature", type=float, default=0.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load_model(
        args.model, device="cpu", dtype=torch.float32
    )
    seeds = list(PROBE_SEEDS)[: args.limit]
    probe = Probe(
        model, tokenizer, [exercise_of(s) for s in seeds], list(map(str, seeds))
    )
    prompts = [f"Problem: {e.question}\nAnswer:{STEPS}" for e in probe.exercises]
    drafts = probe.write(prompts, args.temperature)
    right = probe.right(drafts)
    ok, no = tokenizer.encode(" ok")[0], tokenizer.encode(" no")[0]
    points, worst, ideal = [], [], []
    for seed, prompt, draft in zip(seeds, prompts, drafts, strict=True):
        body = draft.split(" Wait,")[0].rpartition(" \\boxed")[0] or draft
        body = body.strip()
        found = review(seed, body + " \\boxed{}", Random(0), count=100)
        good, wrong = (found[0], found[1]) if found else ([], None)
        text = f"{prompt} {body} Wait,"
        odds = []
        for line in body.split("\n"):
            text += f" {line}" if text.endswith("Wait,") else f"\n{line}"
            ids = torch.tensor([tokenizer.encode(text)])
            logits = model.lm_logits(model.hidden_states(ids)[:, -1])[0]
            odds.append(float(logits[no] - logits[ok]))
            text += " ok"
        for place, value in enumerate(odds):
            is_wrong = place == len(good) and wrong is not None
            points.append((value, is_wrong))
            if is_wrong:
                break
        worst.append((max(odds), odds.index(max(odds)), len(good)))
        done = "".join(f"{line} ok\n" for line in good)
        ideal.append(f"{prompt} {body} Wait, {done}{wrong} no\n"
                     if wrong else prompt)
    bad = [v for v, w in points if w]
    fine = [v for v, w in points if not w]
    auc = sum((b > f) + 0.5 * (b == f) for b in bad for f in fine)
    print(f"lines: {len(bad)} first wrong, {len(fine)} good, "
          f"AUC {auc / len(bad) / len(fine):.3f}")
    for limit in (-2, -1, 0, 1, 2):
        print(f"  no - ok > {limit}: {sum(v > limit for v in bad)} of the wrong, "
              f"{sum(v > limit for v in fine)} of the good lines")
    one = [w[0] for w, r in zip(worst, right) if not r]
    two = [w[0] for w, r in zip(worst, right) if r]
    auc = sum((a > b) + 0.5 * (a == b) for a in one for b in two)
    print(f"drafts: {len(one)} wrong, {len(two)} right, AUC "
          f"{auc / len(one) / len(two):.3f}")
    mended = probe.write(ideal)
    fixed = [m for m, r in zip(probe.right(mended), right) if not r]
    print(f"told of the first wrong line: {sum(fixed)} of {len(fixed)} mended")


if __name__ == "__main__":
    main()
