"""How much faster an evaluation is when its samples are drawn together.

    python tools/benchmarks/evaluation.py
    python tools/benchmarks/evaluation.py --problems 80 --repeats 7 --threads 2

The same vote of 16 twice: in full batches, as `rfs evaluate` draws it, and
with a call of its own for every sample. The two take turns; the first turn
warms up and does not count. Ends with one line of JSON.
"""

import argparse
import json
from statistics import median

import torch

from reasoning_from_scratch import evaluate, load_model, load_problems
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.scaling import self_consistency


def one_by_one(*arguments, **options):
    """The vote in batches of one row and rounds of one sample."""
    options |= {"batch_size": 1, "round_size": 1}
    options["stop_rule"] = lambda groups, num_samples: False
    return self_consistency(*arguments, **options)


def main():
    """Measure, print a card, end with a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    problems = load_problems("pocketmath", limit=args.problems)
    options = {"prompt": "step-by-step", "num_samples": 16, "progress": False}
    options["sampling"] = SamplingConfig(temperature=0.7)
    seconds, texts = {one_by_one: [], self_consistency: []}, {}
    for _ in range(args.repeats + 1):
        for way, times in seconds.items():
            pocket = load_model("pocket")
            result = evaluate(*pocket, problems, method=way, **options)
            times.append(result.seconds / len(problems))
            samples = [s for row in result.records for s in row["samples"]]
            texts[way] = [sample["text"] for sample in samples]
    same = sum(map(str.__eq__, *texts.values())) / len(samples)
    alone, together = (times[1:] for times in seconds.values())
    ratio = median(a / b for a, b in zip(alone, together, strict=True))
    card = {"benchmark": "evaluation", "threads": args.threads}
    for name, times in (("one by one", alone), ("together", together)):
        card[name] = [round(f(times), 4) for f in (median, min, max)]
        print(f"{name:>10}: {card[name]} s a problem (median, least, most)")
    print(f"{ratio:.1f} times as fast, {same:.1%} of the samples the same")
    card |= {"ratio": round(ratio, 1), "same_samples": round(same, 4)}
    print(json.dumps(card))


if __name__ == "__main__":
    main()
