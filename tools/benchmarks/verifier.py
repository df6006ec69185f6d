"""Verdicts a second, side by side with the math-verify package.

    python tools/benchmarks/verifier.py
    python tools/benchmarks/verifier.py --repeats 9 --pairs runs/x/pairs.jsonl

Both verifiers judge the same pairs, one after the other in one process on one
core, with cold caches for ours: half of the pairs are equal answers written
in two ways, half are wrong answers. A file of pairs has lines
{"prediction": ..., "reference": ...}. Ends with one line of JSON.
"""

import argparse
import json
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from reasoning_from_scratch.evaluation.verifier import (  # noqa: E402
    answers_equal,
    cached_readings,
)

# Answers as those of MATH-500, right ones in another form, and wrong ones.
FORMS = [
    (r"\frac{{{a}}}{{{b}}}", "{a}/{b}", "{b}/{a}"),
    ("{a}", "{a}.0", "{b}"),
    ("{a}", r"\boxed{{{a}}}", "-{a}"),
    (r"{a}\sqrt{{{p}}}", r"\sqrt{{{p}}} \cdot {a}", r"{b}\sqrt{{{p}}}"),
    (r"\left( {a}, \frac{{\pi}}{{{b}}} \right)",
     r"({a}, \pi/{b})", "({a},{b})"),
    (r"{a}x^2+{b}x", "x({a}x+{b})", "{b}x^2+{a}x"),
    (r"[{a}, {c})", "[{a},{c})", "({a},{c})"),
    (r"{a}^\circ", "{a}", "{b}"),
    (r"{a},\!{t}", "{a}{t}", "{a}"),
    (r"\begin{{pmatrix}} {a} \\ {b} \end{{pmatrix}}",
     r"\begin{{bmatrix}}{a}\\{b}\end{{bmatrix}}",
     r"\begin{{pmatrix}} {b} \\ {a} \end{{pmatrix}}"),
    (r"{a} + {b}i", "{b}i+{a}", "{a}-{b}i"),
    (r"\text{{({l})}}", "{l}", "F"),
    (r"x = {a}", "{a}", "{b}"),
    (r"{a} \pm \sqrt{{{p}}}", r"{a}-\sqrt{{{p}}}, {a}+\sqrt{{{p}}}", "{a}"),
    (r"{a} \text{{ cm}}^2", "{a}", "{c}"),
    ("0.{b}", r"\frac{{{b}}}{{10}}", r"\frac{{{b}}}{{11}}"),
]  # fmt: skip


def make_pairs(number):
    """(prediction, reference) pairs that all differ."""
    pairs = []
    for n in range(number // 2):
        reference, right, wrong = FORMS[n % len(FORMS)]
        values = {
            "a": 11 + n,
            "b": (2, 3, 5, 7)[n % 4],
            "c": 2_000 + n,
            "p": (2, 3, 5, 6, 7, 10, 11, 13)[n % 8],
            "t": 100 + n % 900,
            "l": "ABCDE"[n % 5],
        }
        reference = reference.format(**values)
        pairs.append((right.format(**values), reference))
        pairs.append((wrong.format(**values), reference))
    return pairs


def read_pairs(path):
    """Pairs from a JSONL file."""
    rows = map(json.loads, Path(path).read_text("utf-8").splitlines())
    return [(row["prediction"], row["reference"]) for row in rows]


def ours(pairs):
    """Our verdicts, from a cold cache."""
    cached_readings.cache_clear()
    return [answers_equal(*pair) for pair in pairs]


def math_verify(pairs):
    """The verdicts of math-verify, as its documentation calls it."""
    from math_verify import parse, verify

    return [
        verify(parse(f"${reference}$"), parse(f"${prediction}$"))
        for prediction, reference in pairs
    ]


def rate(judge, pairs, repeats):
    """Verdicts of one run, and pairs a second in each repeat."""
    verdicts = judge(pairs)  # warms up: imports, compiled patterns
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        judge(pairs)
        rates.append(len(pairs) / (time.perf_counter() - start))
    return verdicts, rates


def main():
    """Measure, print a card, end with a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--number", type=int, default=256)
    parser.add_argument("--pairs", help="a JSONL file of pairs")
    args = parser.parse_args()
    pairs = read_pairs(args.pairs) if args.pairs else make_pairs(args.number)
    judges = {"ours": ours, "math-verify": math_verify}
    row = {"benchmark": "verifier", "num_pairs": len(pairs)}
    print(f"{len(pairs)} pairs of answers, {args.repeats} repeats, one core")
    for name, judge in judges.items():
        try:
            verdicts, rates = rate(judge, pairs, args.repeats)
        except ImportError:
            print(f"{name:>12}: not installed")
            continue
        middle = statistics.median(rates)
        print(
            f"{name:>12}: {middle:9,.0f} pairs/s "
            f"({min(rates):,.0f} to {max(rates):,.0f}), "
            f"{sum(verdicts)} called equal"
        )
        row[name] = {"pairs_per_second": round(middle), "equal": sum(verdicts)}
    if len(row) == 4:
        speeds = [row[name]["pairs_per_second"] for name in judges]
        row["ratio"] = round(speeds[0] / speeds[1], 1)
        row["math_verify_version"] = metadata.version("math-verify")
        print(f"       ratio: {row['ratio']} times as fast")
    print(json.dumps(row))


if __name__ == "__main__":
    main()
