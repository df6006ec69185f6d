"""From the runs of an ablation to its table, its curves and its picture.

An accuracy is a mean over seeds and problems with an interval over both
(see `seeds`). A variant is compared with the baseline seed by
seed and problem by problem; it is "better" or "worse" only where that holds
after Holm's correction for there being several variants.
"""

from statistics import fmean

from seeds import holm, seeded_difference, seeded_mean

from reasoning_from_scratch.plots import INK, figure_style
from reasoning_from_scratch.results import markdown_table
from reasoning_from_scratch.runs import RunFolder

SIGNIFICANT = 0.05
VERDICTS = ("better", "worse", "inside the noise")
# What of a step is kept for the curves, as means over the seeds
CURVES = (
    "solve_rate",
    "length",
    "entropy",
    "kl",
    "clip_share",
    "ratio",
    "mismatch",
    "mismatch_max",
    "grad_norm",
)
COLUMNS = (
    "variant",
    "accuracy",
    "95 % interval",
    "over grpo",
    "p (Holm)",
    "verdict",
    "tokens",
    "clipped",
    "minutes",
)


def read_runs(root, variants, seeds, run_name) -> dict:
    """The finished runs: variant -> its scores, metrics and minutes a seed.

    A variant counts when all of its seeds have been evaluated.
    """
    runs = {}
    for variant in variants:
        names = [run_name(variant, seed) for seed in seeds]
        tests = [root / f"{name}-test" for name in names]
        if not all((test / "result.json").exists() for test in tests):
            continue
        results = [RunFolder.open(test) for test in tests]
        rows = [RunFolder.open(root / n).read("metrics.jsonl") for n in names]
        runs[variant] = {
            "scores": [
                [float(r["correct"]) for r in result.read("records.jsonl")]
                for result in results
            ],
            "tokens": [
                result.read_json("result.json")["mean_tokens"]
                for result in results
            ],
            "metrics": rows,
        }
    return runs


def compare(runs: dict, baseline: str) -> dict:
    """The table: a row a variant, best first, and the curves behind it.

    Returns:
        dict with "columns" and "rows" of text, the "claim" in words,
        the "minutes" of all training, "variants" with the numbers, and
        "curves": variant -> measure -> a mean over the seeds each step.
    """
    variants = {name: summarize_variant(run) for name, run in runs.items()}
    others = [name for name in runs if name != baseline]
    if baseline in runs:
        for name in others:
            variants[name] |= difference(runs[name], runs[baseline])
        tested = [n for n in others if "p_value" in variants[n]]
        p_values = holm([variants[name]["p_value"] for name in tested])
        for name, p_value in zip(tested, p_values, strict=True):
            variants[name] |= {
                "p_holm": p_value,
                "verdict": verdict(variants[name]["difference"], p_value),
            }
    order = sorted(variants, key=lambda name: -variants[name]["accuracy"])
    variants = {name: variants[name] for name in order}
    return {
        "columns": list(COLUMNS),
        "rows": [_cells(name, row) for name, row in variants.items()],
        "claim": claim(variants),
        "minutes": round(
            sum(v["minutes"] * len(v["accuracies"]) for v in variants.values())
        ),
        "variants": variants,
        "curves": {name: mean_curves(runs[name]["metrics"]) for name in order},
    }


def summarize_variant(run: dict) -> dict:
    """Accuracy with its interval, and what the training cost."""
    scores, metrics = run["scores"], run["metrics"]
    accuracies = [fmean(row) for row in scores]
    seconds = [
        sum(v for k, v in row.items() if k.endswith("_seconds"))
        for rows in metrics
        for row in rows
    ]
    summary = {
        "accuracy": fmean(accuracies),
        "accuracies": accuracies,
        "mean_tokens": fmean(run["tokens"]),
        "clip_share": fmean(
            row["clip_share"] for rows in metrics for row in rows
        ),
        "minutes": sum(seconds) / 60 / len(metrics),
    }
    if len(scores) > 1:
        result = seeded_mean(scores)
        summary |= {"low": result.low, "high": result.high}
    return summary


def difference(run: dict, baseline: dict) -> dict:
    """How a variant differs from the baseline; empty for a single seed."""
    gap = fmean(map(fmean, run["scores"]))
    gap -= fmean(map(fmean, baseline["scores"]))
    if len(run["scores"]) < 2:
        return {"difference": gap}
    result = seeded_difference(run["scores"], baseline["scores"])
    return {
        "difference": result.mean,
        "difference_low": result.low,
        "difference_high": result.high,
        "p_value": result.p_value,
    }


def verdict(gap: float, p_value: float) -> str:
    """One of VERDICTS."""
    if p_value >= SIGNIFICANT:
        return "inside the noise"
    return "better" if gap > 0 else "worse"


def mean_curves(metrics: list) -> dict:
    """Means over the seeds, step by step, of the measures in CURVES."""
    return {
        name: [
            round(fmean(row[name] for row in rows), 7)
            for rows in zip(*metrics, strict=True)
        ]
        for name in CURVES
        if name in metrics[0][0]
    }


def claim(variants: dict) -> str:
    """What may be said of all this, in a sentence."""
    if not any("p_holm" in row for row in variants.values()):
        return "One seed, or no baseline: nothing can be claimed."
    claims = [
        f"{name} is {row['verdict']}"
        for name, row in variants.items()
        if row.get("verdict") in VERDICTS[:2]
    ]
    if not claims:
        return "No difference leaves the noise."
    return f"{'; '.join(claims)}. All others: inside the noise."


def describe(table: dict) -> str:
    """The table in Markdown and what may be claimed of it."""
    lines = markdown_table(table["columns"], table["rows"])
    return f"{lines}\n{table['claim']}\n"


def draw(table: dict, path=None):
    """A dot a variant with its interval, a mark a seed; best on top."""
    variants = table["variants"]
    with figure_style() as pyplot:
        size = (7.5, 1.2 + 0.32 * len(variants))
        figure, axes = pyplot.subplots(figsize=size)
        draw_rows(axes, table)
        words = "; ".join(
            f"{name} {100 * row['accuracy']:.1f} %"
            for name, row in variants.items()
        )
        figure.alt_text = f"Accuracy of each variant: {words}."
        if path is not None:
            figure.savefig(path)
        pyplot.close(figure)
    return figure


def draw_rows(axes, table: dict) -> None:
    """What `draw` draws, on the axes of a larger figure."""
    variants = table["variants"]
    for place, row in enumerate(variants.values()):
        low, high = (row.get(k, row["accuracy"]) for k in ("low", "high"))
        axes.plot([100 * low, 100 * high], [place] * 2, color="C0")
        axes.plot(100 * row["accuracy"], place, "o", color="C0")
        seeds = [100 * value for value in row["accuracies"]]
        axes.plot(seeds, [place] * len(seeds), "|", color=INK)
    axes.set_yticks(range(len(variants)), list(variants))
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy, % (95 % over seeds and problems)")


def _cells(name: str, row: dict) -> list[str]:
    """A variant's line of the table."""

    def points(key):
        return f"{100 * row[key]:.1f}" if key in row else ""

    gap = f"{100 * row['difference']:+.1f}" if "difference" in row else ""
    if "difference_low" in row:
        bounds = (points("difference_low"), points("difference_high"))
        gap += f" ({bounds[0]} to {bounds[1]})"
    return [
        name,
        points("accuracy"),
        f"{points('low')} to {points('high')}" if "low" in row else "",
        gap,
        f"{row['p_holm']:.2g}" if "p_holm" in row else "",
        row.get("verdict", ""),
        f"{row['mean_tokens']:.0f}",
        f"{points('clip_share')} %",
        f"{row['minutes']:.1f}",
    ]
