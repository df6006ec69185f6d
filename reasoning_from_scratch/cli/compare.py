"""Compare two evaluations of the same problems.

    rfs compare runs/direct runs/steps
    rfs compare direct steps

Only problems on which the two disagree tell which is better; the comparison
is paired by problem id, and says nothing when nothing can be said.
"""

from reasoning_from_scratch.cli.flags import (
    describe_accuracy,
    open_evaluated,
    tell_if_interrupted,
)

FLAGS = """
first RUN        a run folder, or its name
second RUN       another
"""
SIGNIFICANT = 0.05


def run(args) -> None:
    """Print both accuracies and a verdict in words."""
    from reasoning_from_scratch.evaluation.records import read_records

    folders = [open_evaluated(name) for name in (args.first, args.second)]
    records = [read_records(folder) for folder in folders]
    pair = pair_records(*records)
    print(describe_comparison("AB", folders, pair))
    for name, folder, rows in zip("AB", folders, records, strict=True):
        left_out = len(rows) - len(pair[0])
        if left_out:
            print(f"left out: {left_out:,} problems that only {name} has")
        tell_if_interrupted(name, folder, rows)


def pair_records(first: list[dict], second: list[dict]) -> tuple[list, list]:
    """Return the records of the problems that both have, in one order.

    Raises:
        ValueError: fewer than two in common, or one id with two references.
    """
    others = {record["id"]: record for record in second}
    pairs = [(r, others[r["id"]]) for r in first if r["id"] in others]
    for one, other in pairs:
        if one["reference"] != other["reference"]:
            raise ValueError(
                f"problem {one['id']!r} has the answer {one['reference']!r} "
                f"in one run and {other['reference']!r} in the other; compare "
                "two evaluations of the same problem set"
            )
    if len(pairs) < 2:
        raise ValueError(
            f"the runs share {len(pairs)} problems, a comparison needs 2 or "
            "more; evaluate both on the same problem set"
        )
    return [one for one, _ in pairs], [other for _, other in pairs]


def describe_comparison(names, folders, pair) -> str:
    """Write the table and the verdict."""
    from reasoning_from_scratch.evaluation.records import summarize

    lines = []
    for name, folder, records in zip(names, folders, pair, strict=True):
        result = summarize(records)
        lines.append(
            f"{name}  {describe_accuracy(result.summary())}  "
            f"{result.mean_tokens:6.1f} tokens  {folder.path}"
        )
    scores = [[float(r["correct"]) for r in records] for records in pair]
    return "\n".join([*lines, "", describe_difference(names, *scores)])


def describe_difference(names, first, second) -> str:
    """Say in words which scores are better, and how sure that is."""
    from reasoning_from_scratch.evaluation.statistics import (
        paired_difference,
        problems_needed,
    )

    better, worse = names
    outcome = paired_difference(first, second)
    if outcome.difference < 0:
        better, worse = worse, better
        outcome = paired_difference(second, first)
    points = 100 * outcome.difference
    p_value = outcome.p_value
    p_text = f"p = {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"
    evidence = (
        f"{points:.1f} points (95 % interval {100 * outcome.low:.1f} to "
        f"{100 * outcome.high:.1f}, {p_text}, exact McNemar)"
    )
    counts = (
        f"{len(first):,} problems: {outcome.num_wins} right only in {better}, "
        f"{outcome.num_losses} only in {worse}"
    )
    if p_value < SIGNIFICANT:
        return f"{better} is better by {evidence}\n{counts}"
    lines = [f"no difference can be claimed: {better} leads by {evidence}"]
    if points > 0:
        variance = outcome.error**2 * len(first)
        needed = problems_needed(outcome.difference, variance=variance)
        counts += f"; to see such a difference takes about {needed:,}"
    return "\n".join([*lines, counts])
