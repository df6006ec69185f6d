"""Judge the stored answers of an evaluation again, without a model.

    rfs regrade runs/steps

For when the verifier has changed. The old records stay; the new ones go into
regraded-1.jsonl, regraded-2.jsonl, … beside them.
"""

from reasoning_from_scratch.cli.flags import (
    describe_accuracy,
    open_evaluated,
    printable,
    tell_if_interrupted,
)

FLAGS = "name RUN  a run folder or its name"
NUM_SHOWN = 20


def run(args) -> None:
    """Regrade, print what changed and write the new records."""
    from reasoning_from_scratch.evaluation.records import (
        accuracy_of,
        read_records,
        regrade,
    )

    folder = open_evaluated(args.name)
    records = read_records(folder)
    if not records:
        raise ValueError(f"{folder.path} holds no whole record yet")
    graded, changes = regrade(records)
    path = next_free(folder.path)
    folder.rewrite(path.name, graded)
    tell_if_interrupted("the run", folder, records)
    print(f"before  {describe_accuracy(accuracy_of(records))}")
    print(f"now     {describe_accuracy(accuracy_of(graded))}")
    print(f"{len(changes)} of {len(records):,} verdicts changed")
    for record in changes[:NUM_SHOWN]:
        print(describe_change(record))
    if len(changes) > NUM_SHOWN:
        print(f"  … and {len(changes) - NUM_SHOWN} more")
    print(f"records {path}")


def next_free(folder):
    """Return the first of regraded-1.jsonl, … that is not there yet."""
    number = 1
    while (folder / f"regraded-{number}.jsonl").exists():
        number += 1
    return folder / f"regraded-{number}.jsonl"


def describe_change(record: dict) -> str:
    """Write one changed verdict in a line that is safe to print."""
    verdict = "now right" if record["correct"] else "now wrong"
    answer = printable(str(record["answer"]))[:40]
    reference = printable(record["reference"])[:40]
    return f"  {record['id']}: {verdict}: {answer} against {reference}"
