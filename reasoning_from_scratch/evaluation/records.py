"""What an evaluation leaves behind: a record a problem, and their summary.

A record holds all that it takes to judge it again without a model. Seconds
are kept apart: a resumed run has the same records, not the same clock.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean

from .answers import extract_answer
from .grouping import group_answers
from .statistics import majority_at_k, pass_at_k, wilson_interval
from .verifier import answers_equal

RECORDS = "records.jsonl"
# What is needed to judge, to pair and to summarize
RECORD_FIELDS = """id subject level reference response num_tokens stop_reason
                   correct"""


@dataclass(frozen=True)
class EvalResult:
    """The summary of an evaluation; accuracies and shares are in [0, 1].

    The three measures over several samples are empty where a problem has
    one sample, or another number of them than the next.
    """

    accuracy: float
    low: float  # of the 95 % Wilson interval
    high: float
    num_problems: int
    num_errors: int  # problems without a response, counted as wrong
    mean_tokens: float  # generated per problem, all its samples together
    truncated: float  # share of responses cut at max_new_tokens
    seconds: float  # spent on generating
    tokens_per_second: float
    by_level: dict[str, dict] = field(default_factory=dict)
    by_subject: dict[str, dict] = field(default_factory=dict)
    avg_at_n: float | None = None  # accuracy of one sample, over all samples
    pass_at_k: dict[str, float] = field(default_factory=dict)
    majority_at_k: dict[str, float] = field(default_factory=dict)
    records: list[dict] = field(default_factory=list, repr=False)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        return self.low, self.high

    def summary(self) -> dict:
        """Return what result.json holds: all but the records."""
        fields = asdict(self)
        del fields["records"]
        return {**fields, "interval": list(self.interval)}


def make_record(problem, prompt_hash: str, output) -> dict:
    """Write down a MethodOutput for one problem, or the error instead."""
    record = {
        "id": problem.id,
        "subject": problem.subject,
        "level": problem.level,
        "prompt_hash": prompt_hash,
        "reference": problem.answer,
    }
    if isinstance(output, Exception):
        error = f"{type(output).__name__}: {output}"
        none = {"response": "", "num_tokens": 0, "stop_reason": "error"}
        return record | none | {"error": error}
    record |= vars(output)
    if not output.samples:
        del record["samples"]
    return record


def read_records(run) -> list[dict]:
    """Read the records of an evaluation's RunFolder, whole and each once."""
    records, lines = run.read(RECORDS), {}
    for number, record in enumerate(records, start=1):
        place = f"{run.path / RECORDS}, line {number}"
        missing = sorted(set(RECORD_FIELDS.split()) - set(record))
        if missing:
            raise ValueError(
                f"{place} lacks {missing}, so it is no whole record; "
                "make the run again under another name"
            )
        first = lines.setdefault(record["id"], number)
        if first != number:
            raise ValueError(
                f"{place} has the id {record['id']!r} of line {first}: two "
                "processes wrote to one run; make it again under another name"
            )
    return records


def grade_record(record: dict) -> dict:
    """Return the record with answers, verdicts and the verifier's version."""
    reference = record["reference"]

    @cache  # samples often repeat an answer
    def is_correct(answer):
        return answer is not None and answers_equal(answer, reference)

    answer = extract_answer(record["response"])
    graded = {**record, "answer": answer, "correct": is_correct(answer)}
    if "samples" in record:
        answers = [extract_answer(s["text"]) for s in record["samples"]]
        graded["samples"] = [
            {**sample, "answer": answer, "correct": is_correct(answer)}
            for sample, answer in zip(record["samples"], answers, strict=True)
        ]
    return {**graded, "verifier": verifier_version()}


def regrade(records: list[dict]) -> tuple[list[dict], list[dict]]:
    """Judge stored records again; return all, and those that changed."""
    graded = list(map(grade_record, records))
    pairs = zip(records, graded, strict=True)
    return graded, [b for a, b in pairs if a["correct"] != b["correct"]]


@cache
def verifier_version() -> str:
    """Return a hash of the code that decides verdicts."""
    folder = Path(__file__).parent
    sources = [folder / "answers.py", *sorted(folder.glob("verifier/*.py"))]
    code = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(code).hexdigest()[:12]


def summarize(records: list[dict], seconds: float = 0.0) -> EvalResult:
    """Summarize graded records, at least one; 0 seconds: not measured."""
    accuracy = accuracy_of(records)
    num_tokens = sum(record["num_tokens"] for record in records)
    return EvalResult(
        **accuracy,
        num_errors=sum("error" in record for record in records),
        mean_tokens=num_tokens / len(records),
        truncated=fmean(r["stop_reason"] == "length" for r in records),
        seconds=seconds,
        tokens_per_second=num_tokens / seconds if seconds else 0.0,
        by_level=_accuracy_by(records, "level"),
        by_subject=_accuracy_by(records, "subject"),
        **_sample_measures(records),
        records=records,
    )


def accuracy_of(records: list[dict]) -> dict:
    """Return the accuracy of records, its interval and their number."""
    num_correct = sum(record["correct"] for record in records)
    low, high = wilson_interval(num_correct, len(records))
    return {
        "accuracy": num_correct / len(records),
        "low": low,
        "high": high,
        "num_problems": len(records),
    }


def _accuracy_by(records: list[dict], key: str) -> dict[str, dict]:
    """Group records by a field; empty where the problem set lacks it."""
    return {
        str(name): accuracy_of([r for r in records if r[key] == name])
        for name in sorted({record[key] for record in records})
        if name
    }


def _sample_measures(records: list[dict]) -> dict:
    """Measure avg@n, pass@k and maj@k; problems with an error are left out."""
    pools = [r.get("samples", []) for r in records if "error" not in r]
    num_samples = len(pools[0]) if pools else 0
    is_uniform = all(len(pool) == num_samples for pool in pools)
    if num_samples < 2 or not is_uniform or "role" in pools[0][0]:
        return {}  # a role: drafts and critiques are not alike
    verdicts = [[sample["correct"] for sample in pool] for pool in pools]
    groups = [group_answers([s["answer"] for s in pool]) for pool in pools]
    passes, wins = {}, {}
    for k in (2**i for i in range(num_samples.bit_length())):
        passes[str(k)] = fmean(
            pass_at_k(num_samples, sum(rights), k) for rights in verdicts
        )
        votes = zip(groups, verdicts, strict=True)
        wins[str(k)] = fmean(majority_at_k(*vote, k) for vote in votes)
    average = fmean(sum(verdicts, []))
    return {"avg_at_n": average, "pass_at_k": passes, "majority_at_k": wins}
