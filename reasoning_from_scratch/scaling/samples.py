"""Drawing samples: what every method of this folder chooses from.

A `Sample` keeps what the methods need of a completion and nothing of the
model, so recorded ones can be chosen from again. A `Trace` is a sample under
way: text that a method looks at, edits and lets continue.
"""

from bisect import bisect_left, bisect_right
from dataclasses import asdict, dataclass, field, fields
from statistics import fmean

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation.answers import extract_answer
from reasoning_from_scratch.evaluation.evaluate import (
    MethodOutput,
    check_samples,
)
from reasoning_from_scratch.evaluation.grouping import group_answers

DIGITS = 4  # decimals kept of log-probabilities and confidences


@dataclass(frozen=True)
class Sample:
    """One completion and how sure the model was of it, in nats.

    Certainty and confidence are empty unless statistics were asked for.
    """

    text: str
    answer: str | None
    num_tokens: int
    stop_reason: str
    mean_logprob: float
    answer_logprob: float | None = None  # mean over the answer's tokens
    self_certainty: float | None = None  # mean KL(uniform || model)
    confidence: list[float] = field(default_factory=list)  # one per token
    notes: dict = field(default_factory=dict)  # what one method adds

    def as_record(self):
        """The sample as it is written down, its notes beside its fields."""
        record = asdict(self)
        for name, note in record.pop("notes").items():
            is_float = isinstance(note, float)
            record[name] = round(note, DIGITS) if is_float else note
        return record


RECORDED = {field.name for field in fields(Sample)} - {"notes"}


def draw_samples(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples,
    first_sample=0,
    stop_rule=None,
    round_size=1,
    recorded=None,
    **decoding,
):
    """Draw completions for all problems in shared batches, a list for each.

    A problem's id keys its random numbers, so sample k is the same in
    whichever round of `round_size` it is drawn. Between rounds the stop rule,
    a callable (groups, num_samples) -> bool, says who needs no more; see
    `votes`. `recorded` maps a problem's id to Samples drawn before with the
    same prompts, sampling and seed, from number 0 on; only those missing are
    drawn. The decoding is that of `generate`.
    """
    check_samples(num_samples, decoding.get("sampling"))
    if stop_rule is None:
        round_size = num_samples
    numbers = range(first_sample, first_sample + num_samples)
    pools = [[] for _ in problems]
    unfinished = range(len(problems))
    for start in range(0, num_samples, round_size):
        drawn = _draw_round(
            model,
            tokenizer,
            [problems[place] for place in unfinished],
            [prompts[place] for place in unfinished],
            numbers[start : start + round_size],
            recorded or {},
            decoding,
        )
        for place, samples in zip(unfinished, drawn, strict=True):
            pools[place] += samples
        unfinished = [
            place
            for place in unfinished
            if stop_rule
            and not stop_rule(
                group_answers([sample.answer for sample in pools[place]]),
                num_samples,
            )
        ]
        if not unfinished:
            break
    return pools


def _draw_round(
    model, tokenizer, problems, prompts, numbers, recorded, decoding
):
    """The samples of these numbers for every problem, recorded or new."""
    part = slice(numbers.start, numbers.stop)
    known = [recorded.get(problem.id, [])[part] for problem in problems]
    num_known = min(map(len, known))
    missing = numbers[num_known:]
    if not missing:
        return known
    outputs = llm.generate(
        model,
        tokenizer,
        prompts,
        num_samples=len(missing),
        first_sample=missing.start,
        ids=[problem.id or problem.problem for problem in problems],
        **decoding,
    )
    drawn = [make_sample(tokenizer, output) for output in outputs]
    return [
        samples[:num_known] + new
        for samples, new in zip(known, split(drawn, len(missing)), strict=True)
    ]


def read_samples(records):
    """The Samples that an evaluation wrote down, by problem id."""
    try:
        return {
            record["id"]: [
                Sample(**{name: sample[name] for name in RECORDED})
                for sample in record["samples"]
            ]
            for record in records
        }
    except KeyError:
        raise ValueError(
            "the records hold no samples to choose from; take a run of "
            "--method self-consistency, best-of-n or the like"
        ) from None


def make_sample(tokenizer, output):
    """Condense a GenerationOutput into a Sample."""
    answer = extract_answer(output.text)
    certainty = output.statistics.get("confidence")
    return Sample(
        text=output.text,
        answer=answer,
        num_tokens=len(output.token_ids),
        stop_reason=output.stop_reason,
        mean_logprob=rounded_mean(output.logprobs),
        answer_logprob=answer_logprob(tokenizer, output, answer),
        self_certainty=rounded_mean(certainty) if certainty else None,
        confidence=rounded(output.statistics.get("topk_confidence", [])),
    )


def answer_logprob(tokenizer, output, answer):
    """Mean log-probability, in nats, of the last tokens that spell it."""
    start = output.text.rfind(answer) if answer else -1
    if start < 0:
        return None

    def num_characters(num_tokens):
        return len(tokenizer.decode(output.token_ids[:num_tokens]))

    # Token i covers the characters from num_characters(i) to that of i + 1.
    counts = range(len(output.token_ids) + 1)
    first = bisect_right(counts, start, key=num_characters) - 1
    last = bisect_left(counts, start + len(answer), key=num_characters)
    return rounded_mean(output.logprobs[first:last])


def make_output(samples, chosen=0):
    """The MethodOutput that answers with samples[chosen]."""
    return MethodOutput(
        response=samples[chosen].text,
        num_tokens=sum(sample.num_tokens for sample in samples),
        stop_reason=samples[chosen].stop_reason,
        samples=[sample.as_record() for sample in samples],
    )


def split(items, size):
    """Cut a list into lists of this size."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def rounded(values):
    """The values with the digits that are kept."""
    return [round(value, DIGITS) for value in values]


def rounded_mean(values):
    """Rounded mean; of nothing, 0."""
    return round(fmean(values), DIGITS) if values else 0.0


@dataclass
class Trace:
    """A sample under way: its text so far, forced pieces included."""

    prompt: str
    identifier: str  # keys the random numbers
    text: str = ""
    num_tokens: int = 0  # generated; forced pieces are free
    stop_reason: str = "length"
    logprobs: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)

    def to_sample(self, has_vote=True):
        """The finished trace as a Sample, without a vote: no answer."""
        return Sample(
            text=self.text,
            answer=extract_answer(self.text) if has_vote else None,
            num_tokens=self.num_tokens,
            stop_reason=self.stop_reason,
            mean_logprob=rounded_mean(self.logprobs),
            confidence=rounded(self.confidence),
        )


def start_traces(problems, prompts, numbers):
    """One Trace per problem and sample number, grouped by problem."""
    return [
        Trace(prompt, f"{problem.id or problem.problem}/{number}")
        for problem, prompt in zip(problems, prompts, strict=True)
        for number in numbers
    ]


def continue_traces(model, tokenizer, traces, stretch, **decoding):
    """Generate a further stretch of every trace, named by it, in place."""
    if not traces:
        return
    outputs = llm.generate(
        model,
        tokenizer,
        [trace.prompt + trace.text for trace in traces],
        ids=[f"{trace.identifier}/{stretch}" for trace in traces],
        **decoding,
    )
    for trace, output in zip(traces, outputs, strict=True):
        trace.text += output.text
        trace.num_tokens += len(output.token_ids)
        trace.stop_reason = output.stop_reason
        trace.logprobs += output.logprobs
        trace.confidence += output.statistics.get("topk_confidence", [])
