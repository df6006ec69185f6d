"""How fast supervised training is here, beside TRL's SFTTrainer.

    pip install trl
    python tools/benchmarks/distillation.py
    python tools/benchmarks/distillation.py --examples 2048 --threads 2

The same pocket weights, examples, loss (completion tokens only) and examples
an update in both trainers; TRL once with its defaults, eight examples an
update, and once packed, eight rows of 1,024 tokens an update (ours then takes
as many examples as hold these tokens), each also without its gradient
checkpointing, which is on by default and saves memory for time. All take
turns, a turn being one epoch over all examples; the first turn warms up and
does not count. Tokens are those of prompts and completions, without padding.
With one thread on a CPU the clock is the processor's, so that whatever else
the machine does counts for none of them; else the wall's. Prints a card for
people and ends with one line of JSON.
"""

import argparse
import contextlib
import functools
import io
import statistics
import tempfile

import torch
from training import clock_for, show

from reasoning_from_scratch.evaluation import load_problems, render_prompt
from reasoning_from_scratch.llm import load_model, save_model
from reasoning_from_scratch.training import (
    DistillationConfig,
    encode_example,
    train_distillation,
)

PLAIN = {"gradient_checkpointing": False}
THEIRS = {
    "trl": {},
    "trl, packed": {"packing": True},
    "trl, plain": PLAIN,
    "trl, packed, plain": {"packing": True, **PLAIN},
}
BATCH_SIZE, PACKED_TOKENS = 8, 8 * 1024  # an update of TRL's defaults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = clock_for(args.threads)
    texts = draw_texts(args.examples)
    num_tokens = count_tokens(args.model, texts)
    with tempfile.TemporaryDirectory() as folder:
        save_model(*load_model(args.model), f"{folder}/model")
        wide = round(PACKED_TOKENS / (num_tokens / len(texts)))
        trainers = {
            name: functools.partial(time_ours, args.model, texts, clock, size)
            for name, size in {"ours": BATCH_SIZE, "ours, wide": wide}.items()
        }
        for label, options in THEIRS.items():
            trainers[label] = functools.partial(
                time_theirs, folder, texts, clock, **options
            )
        rates = {name: [] for name in trainers}
        for turn in range(args.turns + 1):
            for name, train in trainers.items():
                rate = num_tokens / train()
                if turn > 0:
                    rates[name].append(rate)
    show(describe(args, num_tokens, rates, clock))


def describe(args, num_tokens, rates, clock):
    """Medians and spreads, and ours over each of theirs."""
    card = {
        "threads": args.threads,
        "torch": torch.__version__,
        "clock": clock.__name__,
        "examples": args.examples,
        "tokens": num_tokens,
    }
    medians = {name: statistics.median(r) for name, r in rates.items()}
    for name, values in rates.items():
        card[f"{name}, tokens/s"] = round(medians[name])
        card[f"{name}, lowest and highest"] = [
            round(min(values)),
            round(max(values)),
        ]
    for name in THEIRS:
        ours = medians["ours, wide" if "packed" in name else "ours"]
        card[f"ours / {name}"] = round(ours / medians[name], 2)
    return card


def draw_texts(count):
    """Prompts and worked answers of training problems."""
    problems = load_problems("pocketmath", split="train", limit=count)
    return [(render_prompt("direct", p), f" {p.solution}") for p in problems]


def count_tokens(name, texts):
    """Tokens of one pass over the examples, end tokens included."""
    _, tokenizer = load_model(name)
    return sum(
        len(encode_example(tokenizer, prompt, completion).token_ids)
        for prompt, completion in texts
    )


def time_ours(name, texts, clock, batch_size):
    """Seconds of one epoch here, as `rfs distill` trains."""
    model, tokenizer = load_model(name)
    examples = [encode_example(tokenizer, *parts) for parts in texts]
    config = DistillationConfig(epochs=1, batch_size=batch_size)
    start = clock()
    train_distillation(model, tokenizer, examples, config, progress=False)
    return clock() - start


def time_theirs(folder, texts, clock, **options):
    """Seconds of one epoch of `trl.SFTTrainer`, its defaults but for the
    options and what a machine without bfloat16 units or a GPU needs."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"prompt": prompt, "completion": completion}
        for prompt, completion in texts
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = SFTTrainer(
            model=f"{folder}/model",
            processing_class=AutoTokenizer.from_pretrained(f"{folder}/model"),
            train_dataset=Dataset.from_list(rows),
            args=SFTConfig(
                output_dir=f"{folder}/out",
                num_train_epochs=1,
                bf16=False,
                use_cpu=not torch.cuda.is_available(),
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                **options,
            ),
        )
        start = clock()
        trainer.train()
        return clock() - start


if __name__ == "__main__":
    main()
