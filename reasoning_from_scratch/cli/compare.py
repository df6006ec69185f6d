"""Look at stored evaluations again: which is better, were they judged well?

    rfs compare runs/direct runs/steps
    rfs regrade runs/steps

Only problems on which two runs disagree tell which is better; the comparison
is paired by problem id, and says nothing when nothing can be said. Regrading
is for when the verifier has changed: the old records stay, the new ones go
into regraded-1.jsonl, regraded-2.jsonl, … beside them.
"""

import itertools

from .. import evaluation
from ..evaluation.records import accuracy_of, summarize
from . import flags

FLAGS = """
first RUN        a run folder, or its name
second RUN       another
"""
REGRADE_FLAGS = "name RUN  a run folder or its name"
NUM_SHOWN = 20  # verdicts that changed
SIGNIFICANT = 0.05


def run(args) -> None:
    """Print both accuracies and a verdict in words."""
    names = args.first, args.second
    folders, records = zip(*map(flags.open_evaluated, names), strict=True)
    pair = pair_records(*records)
    for name, folder, rows in zip("AB", folders, pair, strict=True):
        result = summarize(rows)
        print(
            f"{name}  {flags.describe_accuracy(result.summary())}  "
            f"{result.mean_tokens:6.1f} tokens  {folder.path}"
        )
    scores = [[float(r["correct"]) for r in rows] for rows in pair]
    print(f"\n{describe_difference('AB', *scores)}")
    for name, folder, rows in zip("AB", folders, records, strict=True):
        left_out = len(rows) - len(pair[0])
        if left_out:
            print(f"left out: {left_out:,} problems that only {name} has")
        tell_if_interrupted(name, folder, rows)


def pair_records(first: list[dict], second: list[dict]) -> tuple[list, list]:
    """The records of the problems that both have, in one order."""
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


def describe_difference(names, first, second) -> str:
    """Say in words which scores are better, and how sure that is."""
    better, worse = names
    outcome = evaluation.paired_difference(first, second)
    if outcome.difference < 0:
        better, worse = worse, better
        outcome = evaluation.paired_difference(second, first)
    points, p_value = 100 * outcome.difference, outcome.p_value
    p_text = f"p = {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"
    evidence = (
        f"by {points:.1f} points (95 % interval {100 * outcome.low:.1f} to "
        f"{100 * outcome.high:.1f}, {p_text}, exact McNemar)\n"
        f"{len(first):,} problems: {outcome.num_wins} right only in {better}, "
        f"{outcome.num_losses} only in {worse}"
    )
    if p_value < SIGNIFICANT:
        return f"{better} is better {evidence}"
    if points > 0:
        needed = evaluation.problems_needed(
            outcome.difference, variance=outcome.error**2 * len(first)
        )
        evidence += f"; to see such a difference takes about {needed:,}"
    return f"no difference can be claimed: {better} leads {evidence}"


def run_regrade(args) -> None:
    """Regrade, print what changed and write the new records."""
    folder, records = flags.open_evaluated(args.name)
    if not records:
        raise ValueError(f"{folder.path} holds no whole record yet")
    graded, changes = evaluation.regrade(records)
    paths = (folder.path / f"regraded-{n}.jsonl" for n in itertools.count(1))
    path = next(path for path in paths if not path.exists())
    folder.rewrite(path.name, graded)
    tell_if_interrupted("the run", folder, records)
    print(f"before  {flags.describe_accuracy(accuracy_of(records))}")
    print(f"now     {flags.describe_accuracy(accuracy_of(graded))}")
    print(f"{len(changes)} of {len(records):,} verdicts changed")
    for record in changes[:NUM_SHOWN]:
        verdict = "now right" if record["correct"] else "now wrong"
        answer = flags.printable(str(record["answer"]))[:40]
        reference = flags.printable(record["reference"])[:40]
        print(f"  {record['id']}: {verdict}: {answer} against {reference}")
    if len(changes) > NUM_SHOWN:
        print(f"  … and {len(changes) - NUM_SHOWN} more")
    print(f"records {path}")


def tell_if_interrupted(name: str, run, records: list) -> None:
    """Say it of an evaluation that is not whole."""
    planned = run.config.get("num_problems", len(records))
    if len(records) < planned:
        print(
            f"{name} was interrupted after {len(records):,} of {planned:,} "
            "problems; its command with --resume finishes it"
        )
