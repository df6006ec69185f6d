"""Drawing samples: what every method of this folder votes on or ranks.

A `Sample` keeps a completion with the few numbers about it that the methods
need, and nothing of the model, so that a finished run can be voted on again,
filtered or ranked in another way from its records alone.
"""

from bisect import bisect_left, bisect_right
from dataclasses import asdict, dataclass, field, fields
from statistics import fmean

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation.answers import extract_answer
from reasoning_from_scratch.evaluation.evaluate import MethodOutput

DIGITS = 4  # decimals kept of log-probabilities and confidences


@dataclass(frozen=True)
class Sample:
    """One completion and how sure the model was of it.

    Log-probabilities and confidences are in nats. `answer_logprob` is None
    without an answer; the last two are empty unless statistics were asked for.
    """

    text: str
    answer: str | None
    num_tokens: int
    stop_reason: str
    mean_logprob: float
    answer_logprob: float | None = None  # mean over the answer's own tokens
    self_certainty: float | None = None  # mean KL(uniform || model)
    confidence: list[float] = field(default_factory=list)  # one a token


def draw_samples(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples,
    first_sample=0,
    recorded=None,
    **decoding,
):
    """Draw completions for all problems in shared batches.

    Args:
        problems: a list of `Problem`; the id keys the random numbers.
        prompts: the rendered prompt of each problem.
        num_samples: completions for each problem.
        first_sample: number of the first one.
        recorded: problem id -> Samples drawn before with the same prompts,
            sampling and seed, from number 0 on; only those missing are
            drawn. None draws all.
        decoding: passed on to `generate` (sampling, max_new_tokens, seed,
            batch_size, progress, statistics).

    Returns:
        One list of `num_samples` Sample per problem.
    """
    end = first_sample + num_samples
    known = [
        (recorded or {}).get(problem.id, [])[first_sample:end]
        for problem in problems
    ]
    num_known = min(map(len, known))
    num_missing = num_samples - num_known
    if num_missing == 0:
        return known
    outputs = llm.generate(
        model,
        tokenizer,
        prompts,
        num_samples=num_missing,
        first_sample=first_sample + num_known,
        ids=[problem.id or problem.problem for problem in problems],
        **decoding,
    )
    drawn = [make_sample(tokenizer, output) for output in outputs]
    starts = range(0, len(drawn), num_missing)
    return [
        samples[:num_known] + drawn[start : start + num_missing]
        for samples, start in zip(known, starts, strict=True)
    ]


def read_samples(records):
    """The Samples that an evaluation wrote down, by problem id.

    Raises:
        ValueError: records of a method that keeps no samples, or not what
            the methods of this folder need to know of them.
    """
    names = {field.name for field in fields(Sample)}
    if not all(
        names <= sample.keys()
        for record in records
        for sample in record.get("samples", [{}])
    ):
        raise ValueError(
            "the records hold no samples to choose from; take a run of "
            "--method self-consistency, best-of-n or the like"
        )
    return {
        record["id"]: [
            Sample(**{name: sample[name] for name in names})
            for sample in record["samples"]
        ]
        for record in records
    }


def make_sample(tokenizer, output):
    """Condense a GenerationOutput into a Sample."""
    answer = extract_answer(output.text)
    statistics = output.statistics or {}
    certainty = statistics.get("confidence")
    confidence = statistics.get("topk_confidence", [])
    return Sample(
        text=output.text,
        answer=answer,
        num_tokens=len(output.token_ids),
        stop_reason=output.stop_reason,
        mean_logprob=rounded_mean(output.logprobs),
        answer_logprob=answer_logprob(tokenizer, output, answer),
        self_certainty=rounded_mean(certainty) if certainty else None,
        confidence=[round(value, DIGITS) for value in confidence],
    )


def answer_logprob(tokenizer, output, answer):
    """Mean log-probability of the tokens that spell the final answer.

    Args:
        output: a GenerationOutput whose text contains the answer.
        answer: as extracted; its last occurrence in the text is scored.

    Returns:
        float in nats, or None when there is no such text.
    """
    start = -1 if answer is None else output.text.rfind(answer)
    if start < 0 or not answer:
        return None
    token_ids = output.token_ids

    def num_characters(num_tokens):
        return len(tokenizer.decode(token_ids[:num_tokens]))

    # Token i covers the characters from num_characters(i) to that of i + 1.
    counts = range(len(token_ids) + 1)
    first = bisect_right(counts, start, key=num_characters) - 1
    last = bisect_left(counts, start + len(answer), key=num_characters)
    return rounded_mean(output.logprobs[first:last])


def make_output(samples, chosen):
    """The MethodOutput that answers with samples[chosen]."""
    return MethodOutput(
        response=samples[chosen].text,
        num_tokens=sum(sample.num_tokens for sample in samples),
        stop_reason=samples[chosen].stop_reason,
        samples=[asdict(sample) for sample in samples],
    )


def rounded_mean(values):
    """Rounded mean; of nothing, 0."""
    return round(fmean(values), DIGITS) if values else 0.0
