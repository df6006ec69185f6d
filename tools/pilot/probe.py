"""What a pilot's model does on 1,000 problems of its own, held out."""

import argparse
import json
import time
from collections import Counter

import torch
from drafts import PROBE_SEEDS, exercise_of

from reasoning_from_scratch.evaluation.statistics import mcnemar_p_value
from reasoning_from_scratch.evaluation.verifier import verify
from reasoning_from_scratch.llm import SamplingConfig, generate
from reasoning_from_scratch.llm.weights import load_model

STEPS = " Let's think step by step."


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--vote", type=int, default=0)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--cold", action="store_true", help="greedy only")
    parser.add_argument("--opening", default=STEPS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load_model(
        args.model, device="cpu", dtype=torch.float32
    )
    exercises = [exercise_of(s) for s in PROBE_SEEDS][: args.limit]
    ids = [str(s) for s in PROBE_SEEDS][: args.limit]
    probe = Probe(model, tokenizer, exercises, ids)
    plain = [f"Problem: {e.question}\nAnswer:" for e in exercises]
    steps = [text + args.opening for text in plain]
    probe.tell("direct, greedy", probe.write(plain))
    drafts = probe.write(steps)
    first = probe.tell("opening, greedy", drafts)
    checked = probe.second(steps, drafts, "\nCheck:")
    probe.tell("  then Check:", checked, first, show=args.show)
    waited = probe.second(steps, drafts, " Wait,")
    probe.tell("  then Wait,", waited, first, show=args.show)
    if args.cold:
        return
    for name, prompts in (("opening", steps), ("direct", plain)):
        texts = probe.write(prompts, 1.0)
        first = probe.tell(f"{name}, T 1", texts)
        probe.styles(texts)
        if name == "opening":
            waited = probe.second(steps, texts, " Wait,", 1.0)
            probe.tell("  then Wait, T 1", waited, first)
    if args.vote:
        probe.vote(steps, args.vote)


class Probe:
    def __init__(self, model, tokenizer, exercises, ids):
        self.model, self.tokenizer = model, tokenizer
        self.exercises, self.ids = exercises, ids

    def write(self, prompts, temperature=0.0, num_samples=1, room=256):
        began = time.time()
        outputs = generate(
            self.model,
            self.tokenizer,
            prompts,
            max_new_tokens=room,
            sampling=SamplingConfig(temperature=temperature),
            seed=0,
            num_samples=num_samples,
            ids=self.ids,
            batch_size=250,
        )
        self.tokens = sum(len(o.token_ids) for o in outputs) / len(outputs)
        self.seconds = time.time() - began
        return [o.text for o in outputs]

    def second(self, prompts, drafts, marker, temperature=0.0):
        prefixes = []
        for prompt, draft in zip(prompts, drafts, strict=True):
            if marker.startswith(" "):
                draft = draft.rpartition(r"\boxed{")[0].rstrip() or draft
            prefixes.append(prompt + draft + marker)
        return self.write(prefixes, temperature)

    def right(self, texts):
        return [
            bool(verify(text, e.answer))
            for text, e in zip(texts, self.exercises, strict=True)
        ]

    def tell(self, name, texts, before=None, show=0):
        right = self.right(texts)
        line = f"{name:<18} {100 * sum(right) / len(right):5.1f} %"
        line += f" {self.tokens:6.1f} tokens"
        waits = sum("Wait" in text for text in texts) / len(texts)
        line += f" {100 * waits:5.1f} % wait"
        if before is not None:
            pairs = list(zip(before, right, strict=True))
            fixed = sum(b and not a for a, b in pairs)
            broken = sum(a and not b for a, b in pairs)
            gain = 100 * (fixed - broken) / len(right)
            p = mcnemar_p_value(fixed, broken)
            line += f"  fixed {fixed} broken {broken} {gain:+.1f} p={p:.2g}"
        print(f"{line}  ({self.seconds:.0f} s)", flush=True)
        for place, text in enumerate(texts):
            if show and before and not before[place] and right[place]:
                e = self.exercises[place]
                print(json.dumps([e.question, e.answer, text]))
                show -= 1
        return right

    def styles(self, texts):
        right = self.right(texts)
        groups = {"wait": [], "plain": [], "at once": []}
        for text, is_right in zip(texts, right, strict=True):
            kind = "wait" if "Wait" in text else "plain"
            if text.strip().startswith("\\boxed"):
                kind = "at once"
            groups[kind].append(is_right)
        for kind, values in groups.items():
            if values:
                share = len(values) / len(texts)
                mean = sum(values) / len(values)
                print(f"    {kind:<8} {100 * share:.1f} % of samples, "
                      f"{100 * mean:.1f} % right")

    def vote(self, prompts, count):
        from reasoning_from_scratch.evaluation.answers import extract_answer
        from reasoning_from_scratch.evaluation.grouping import group_answers

        texts = self.write(prompts, 0.7, count)
        answers = [extract_answer(text) for text in texts]
        good = one = 0
        for i, e in enumerate(self.exercises):
            pool = answers[i * count : (i + 1) * count]
            counts = Counter(n for n in group_answers(pool) if n is not None)
            winner = counts.most_common(1)[0][0] if counts else None
            place = group_answers(pool).index(winner)
            good += bool(verify(f"\\boxed{{{pool[place]}}}", e.answer))
            own = texts[i * count : (i + 1) * count]
            one += sum(bool(verify(t, e.answer)) for t in own) / count
        n = len(self.exercises)
        print(f"one sample T 0.7 {100 * one / n:.1f} %, "
              f"vote of {count} {100 * good / n:.1f} %", flush=True)


if __name__ == "__main__":
    main()
