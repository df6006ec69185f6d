"""A pilot: pre-train on the usual corpus and documents with a second look."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import torch
from drafts import exercise_of, probe_keys
from review import review

from reasoning_from_scratch import llm
from reasoning_from_scratch.pocket import pretrain as module
from reasoning_from_scratch.pocket import tokenizer_training
from reasoning_from_scratch.pocket.corpus import (
    END_OF_TEXT,
    OPENING,
    CorpusMix,
    Document,
    draw_document,
    solution_text,
)
from reasoning_from_scratch.pocket.recipes import RECIPES
from reasoning_from_scratch.runs import RunFolder

DETAILED = "Let me work it out."


def detailed_document(rng, args, kept_out):
    """A worked solution, plain or detailed."""
    while True:
        seed = rng.randrange(10**9, 2 * 10**9)
        is_detailed = rng.random() < args.detailed
        exercise = exercise_of(seed, 0, is_detailed)
        if exercise.key not in kept_out:
            break
    prompt = f"Problem: {exercise.question}\nAnswer:"
    kind = rng.random()
    if kind >= args.bare:
        is_other = is_detailed and kind < 1 - args.mixed
        prompt += f" {DETAILED if is_other else OPENING}"
    work = solution_text(exercise.steps, exercise.answer)
    return Document(prompt, f" {work}{END_OF_TEXT}")


def another_way(rng, row, args):
    """A draft, a marker, and a detailed solution by another route."""
    seed, draft = row["seed"], row["draft"].strip()
    lines = draft.rpartition(" \\boxed")[0]
    exercise = exercise_of(seed)
    prompt = f"Problem: {exercise.question}\nAnswer:"
    if rng.random() >= args.bare:
        prompt += f" {OPENING}"
    is_learnt = row["right"] and rng.random() < args.corpus_drafts
    if is_learnt:
        steps = exercise_of(seed, rng.random()).steps
        lines, draft = "\n".join(steps), solution_text(steps, exercise.answer)
    second = exercise_of(seed, rng.random(), True)
    work = solution_text(second.steps, second.answer)
    if rng.random() < args.check:
        return Document(f"{prompt} {draft}\nCheck:", f" {work}{END_OF_TEXT}")
    if is_learnt:
        return Document(prompt, f" {lines} Wait, {work}{END_OF_TEXT}")
    return Document(f"{prompt} {lines} Wait,", f" {work}{END_OF_TEXT}")


def second_look(rng, row, args):
    """A document: a draft, a marker, its lines marked, and what follows."""
    seed, draft = row["seed"], row["draft"].strip()
    lines = draft.rpartition(" \\boxed")[0]
    found = review(seed, draft, rng)
    if found is None:
        return None
    good, wrong, rest, known = found
    if (wrong and known and row["right"]) or (not wrong and rest):
        return None
    exercise = exercise_of(seed)
    prompt = f"Problem: {exercise.question}\nAnswer:"
    if rng.random() >= args.bare:
        prompt += f" {OPENING}"
    is_learnt = not wrong and rng.random() < args.corpus_drafts
    if is_learnt:
        steps = exercise_of(seed, rng.random()).steps
        good, lines = steps, "\n".join(steps)
        draft = solution_text(steps, exercise.answer)
    checked = [f"{line} ok" for line in good]
    if wrong:
        checked += [f"{wrong} no", *rest]
    work = solution_text(checked, exercise.answer)
    if rng.random() < args.check:
        return Document(f"{prompt} {draft}\nCheck:", f" {work}{END_OF_TEXT}")
    if is_learnt:
        return Document(prompt, f" {lines} Wait, {work}{END_OF_TEXT}")
    return Document(f"{prompt} {lines} Wait,", f" {work}{END_OF_TEXT}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bank", default="/tmp/w/rr/bank.jsonl,/tmp/w/rr/bank0.jsonl,/tmp/w/rr/bank1.jsonl")
    parser.add_argument("--run", required=True)
    parser.add_argument("--init", default="pocket")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--row-tokens", type=int, default=256)
    parser.add_argument("--matrix-lr", type=float, default=0.006)
    parser.add_argument("--other-lr", type=float, default=1.2e-3)
    parser.add_argument("--decay", type=float, default=1.0)
    parser.add_argument("--looks", type=float, default=0.4)
    parser.add_argument("--check", type=float, default=0.5)
    parser.add_argument("--bare", type=float, default=0.25)
    parser.add_argument("--corpus-drafts", type=float, default=0.5)
    parser.add_argument("--keep-wrong", type=float, default=1.0)
    parser.add_argument("--direct", type=float, default=0.44)
    parser.add_argument("--drills", type=float, default=0.10)
    parser.add_argument("--detailed", type=float, default=0.0)
    parser.add_argument("--worked", type=float, default=0.55)
    parser.add_argument("--mixed", type=float, default=0.2)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--half", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    bank = [
        json.loads(line)
        for name in args.bank.split(",")
        for line in open(name, encoding="utf-8")
    ]
    bank = [
        row
        for row in bank
        if row["right"] or row["seed"] % 1000 < 1000 * args.keep_wrong
    ]
    kept_out = module.held_out_keys() | probe_keys()
    share = sum(row["right"] for row in bank) / len(bank)
    print(len(bank), f"drafts, {100 * share:.1f} % right", flush=True)

    def draw(rng: Random, mix, held_out):
        if args.detailed and rng.random() < args.looks:
            return another_way(rng, rng.choice(bank), args)
        if args.detailed and rng.random() < args.worked:
            return detailed_document(rng, args, kept_out)
        if not args.detailed and rng.random() < args.looks:
            while (look := second_look(rng, rng.choice(bank), args)) is None:
                pass
            return look
        return draw_document(rng, mix, kept_out)

    module.draw_document = draw
    config = replace(
        RECIPES["pocket"],
        name="pilot",
        init_from=None if args.init == "none" else args.init,
        mix=CorpusMix(direct=args.direct, drills=args.drills),
        steps=args.steps,
        num_rows=args.rows,
        row_tokens=args.row_tokens,
        matrix_lr=args.matrix_lr,
        other_lr=args.other_lr,
        decay_share=args.decay,
        eval_every=max(100, args.steps // 4),
        max_new_tokens=256,
        is_bfloat16=args.half,
        is_compiled=args.compiled,
    )
    path = Path(args.run)
    folder = RunFolder.create(
        path.name, vars(args), root=path.parent, resume=True
    )
    tokenizer_training.write_tokenizer(path / "tokenizer")
    module.pretrain(
        config,
        folder,
        tokenizer=llm.Qwen3Tokenizer(path / "tokenizer"),
        progress=False,
        watch=lambda rows: watch(rows),
    )
    print(folder.checkpoint_path(config.steps))


def watch(rows):
    row = rows[-1]
    if len(rows) % 50 == 0 or "direct_accuracy" in row:
        print(len(rows), row, flush=True)


if __name__ == "__main__":
    main()
