"""Measuring a model on a problem set, in blocks that survive a kill.

Problems are answered in blocks of `batch_size`, each written down when it is
whole; of all the samples of a block as many rows decode at a time. A resumed
run does a cut block again with the same batches and random numbers, so its
records are those of an uninterrupted run.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from tqdm import tqdm

from reasoning_from_scratch import llm
from reasoning_from_scratch.memory import (
    advised,
    decoding_advice,
    is_out_of_memory,
)
from reasoning_from_scratch.settings import get_settings

from .problems import checked_problems
from .prompts import prompt_hash, render_prompt
from .records import (
    RECORDS,
    EvalResult,
    grade_record,
    make_record,
    read_records,
    summarize,
)

TIMINGS = "timings.jsonl"  # one line a block: its problems and seconds


@dataclass(frozen=True)
class MethodOutput:
    """A method's answer to one problem."""

    response: str
    num_tokens: int  # all that were generated for the problem
    stop_reason: str  # of the response: "stop" or "length"
    samples: list[dict] = field(default_factory=list)  # each with its "text"


def evaluate(
    model,
    tokenizer,
    problems,
    *,
    prompt: str = "direct",
    method=None,
    num_samples: int | None = None,
    sampling=None,
    max_new_tokens: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    run=None,
    progress: bool = True,
) -> EvalResult:
    """Answer every problem and say how many answers are right.

    Args:
        prompt: see `render_prompt`.
        method: a callable such as those of `scaling.METHODS`; None is plain
            generation, greedy unless `sampling` says otherwise.
        num_samples, sampling: None takes the method's own.
        max_new_tokens, batch_size: None takes the model's row in `settings`.
        run: a RunFolder, for records.jsonl, timings.jsonl and result.json;
            what is there already is not done again.

    Returns:
        EvalResult. An error counts as wrong and is in its problem's record.

    Raises:
        ValueError: no problems, two with one id, a count below 1, or records
            in `run` that belong to other problems or another prompt.
        OutOfMemory: with what to try; whole blocks are written down.
    """
    settings = get_settings(model)
    batch_size = _count("batch_size", batch_size, settings.batch_size)
    limit = _count("max_new_tokens", max_new_tokens, settings.max_new_tokens)
    own_samples = getattr(method, "num_samples", 1)
    num_samples = _count("num_samples", num_samples, own_samples)
    problems = checked_problems(problems)
    _check_ids(problems)
    prompts = [render_prompt(prompt, p, tokenizer) for p in problems]
    records, seconds = _resume(run, problems, prompts)
    rows = min(batch_size, len(problems) * num_samples)
    with _Progress(records, num_samples, len(problems), progress) as bar:
        ask = partial(
            method or generate_answers,
            model,
            tokenizer,
            num_samples=num_samples,
            sampling=sampling,
            max_new_tokens=limit,
            seed=seed,
            batch_size=batch_size,
            progress=bar.add_rows,
        )
        for start in range(len(records), len(problems), batch_size):
            block = slice(start, start + batch_size)
            with advised(decoding_advice(rows, "--batch-size")):
                done, spent = _measure_block(
                    ask, problems[block], prompts[block]
                )
            if run is not None:  # the timing first: no block lacks one
                timing = {"num_problems": len(done), "seconds": spent}
                run.append(TIMINGS, timing)
                for record in done:
                    run.append(RECORDS, record)
            records += done
            seconds += spent
            bar.show(records)
    result = summarize(records, seconds)
    if run is not None:
        run.write_json("result.json", result.summary())
    return result


def generate_answers(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=1,
    sampling=None,
    **decoding,
) -> list[MethodOutput]:
    """Answer each problem with the first completion drawn for it."""
    sampling = sampling or llm.SamplingConfig()
    check_samples(num_samples, sampling)
    outputs = llm.generate(
        model,
        tokenizer,
        prompts,
        num_samples=num_samples,
        sampling=sampling,
        ids=[problem.id or problem.problem for problem in problems],
        **decoding,
    )
    rows = [
        {
            "text": output.text,
            "num_tokens": len(output.token_ids),
            "stop_reason": output.stop_reason,
        }
        for output in outputs
    ]
    return [
        MethodOutput(
            pool[0]["text"],
            sum(sample["num_tokens"] for sample in pool),
            pool[0]["stop_reason"],
            pool if num_samples > 1 else [],
        )
        for start in range(0, len(rows), num_samples)
        for pool in [rows[start : start + num_samples]]
    ]


def check_samples(num_samples, sampling):
    """Refuse less than one sample, and several without a temperature."""
    _count("num_samples", num_samples, None)
    is_greedy = sampling is None or sampling.is_greedy
    if num_samples > 1 and is_greedy:
        raise ValueError(
            f"{num_samples} greedy samples would all be the same; pass "
            "sampling=SamplingConfig(temperature=…), or --temperature"
        )


def _count(name, value, default):
    """Return a count that was given, or its default."""
    if value is None:
        return default
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
    return value


def _check_ids(problems):
    """Every problem must have an id, and no two the same."""
    times = Counter(problem.id for problem in problems)
    for problem in problems:
        if not problem.id or times[problem.id] > 1:
            raise ValueError(
                f"every problem needs an id of its own, got {problem.id!r} "
                f"for {problem.problem[:60]!r}"
            )


def _measure_block(ask, problems, prompts) -> tuple[list[dict], float]:
    """Answer and grade a block; the seconds are those of answering."""
    began = time.perf_counter()
    outputs = _answer(ask, problems, prompts)
    seconds = round(time.perf_counter() - began, 3)
    if len(outputs) > 1 and all(isinstance(o, Exception) for o in outputs):
        raise outputs[0]  # where nothing worked, the error is no problem's
    rows = zip(problems, map(prompt_hash, prompts), outputs, strict=True)
    return [grade_record(make_record(*row)) for row in rows], seconds


def _answer(ask, problems, prompts) -> list:
    """Answer a block; whatever fails is halved until it fails alone."""
    try:
        return ask(problems, prompts)
    except Exception as error:  # of one problem; the others shall not suffer
        if is_out_of_memory(error):  # of none
            raise
        if len(problems) == 1:
            return [error]
    half = len(problems) // 2
    return [
        *_answer(ask, problems[:half], prompts[:half]),
        *_answer(ask, problems[half:], prompts[half:]),
    ]


def _resume(run, problems, prompts) -> tuple[list[dict], float]:
    """Return the records of whole blocks and the seconds they took."""
    if run is None:
        return [], 0.0
    found, timings, whole = read_records(run), [], 0
    for timing in run.read(TIMINGS):  # of a block; its size may have changed
        if whole + timing["num_problems"] <= len(found):
            whole += timing["num_problems"]
            timings.append(timing)
    records = found[:whole]
    if whole < len(found):
        run.rewrite(RECORDS, records)
    found = [(r["id"], r["reference"], r.get("prompt_hash")) for r in records]
    expected = [
        (problem.id, problem.answer, prompt_hash(prompt))
        for problem, prompt in zip(problems, prompts, strict=True)
    ]
    if found != expected[: len(found)]:
        raise ValueError(
            f"{run.path / RECORDS} holds records of other problems or of "
            "another prompt; repeat that run's flags or choose another --run"
        )
    run.rewrite(TIMINGS, timings)
    return records, sum(timing["seconds"] for timing in timings)


class _Progress(tqdm):
    """A bar over problems; a finished completion is a part of one."""

    def __init__(self, records, rows_each, num_problems, is_shown):
        self.rows_each = rows_each
        self.num_rows = rows_each * len(records)
        super().__init__(
            total=num_problems,
            initial=len(records),
            unit="problem",
            disable=not is_shown,
        )

    def add_rows(self, num_rows):
        """Count completions, at most to the end."""
        self.num_rows += num_rows
        place = min(self.num_rows // self.rows_each, self.total)
        self.update(place - self.n)

    def show(self, records):
        """Move to these whole problems and show their accuracy."""
        share = sum(record["correct"] for record in records) / len(records)
        self.set_postfix_str(f"accuracy {100 * share:.1f} %", False)
        self.add_rows(self.rows_each * len(records) - self.num_rows)
