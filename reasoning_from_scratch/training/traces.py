"""Worked answers of a teacher: asking for them, and which to learn from.

    runs/NAME/traces.jsonl      one `Trace` in each line, as it came in

A killed job goes on where it stopped: what was answered is not asked again.
Which traces deserve to be learned is decided when they are read.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

from tqdm import tqdm

from reasoning_from_scratch.endpoints import BudgetSpent, Completion
from reasoning_from_scratch.evaluation import render_prompt, verify
from reasoning_from_scratch.evaluation.problems import read_rows
from reasoning_from_scratch.evaluation.prompts import (
    PLACEHOLDER,
    find_template,
)
from reasoning_from_scratch.llm import SamplingConfig, generate
from reasoning_from_scratch.runs import find_file

TRACES = "traces.jsonl"  # its name in a run folder
WORD = re.compile(r"\w+")
SPACING = re.compile(r"[\s.,;:!?'\"$]+")
FAILED = "error"  # the finish_reason of what was never answered
CUT_OFF = ("length", "max_tokens")  # by the limit; servers have many ends
FILTERS = ("failed", "truncated", "wrong", "duplicate", "contaminated")
WARM = SamplingConfig(temperature=0.7)
MAX_FIRST_FAILURES = 8  # when nothing was answered yet: then it is no use


@dataclass(frozen=True)
class Trace:
    """One answer of a teacher; the fields of a line in the file."""

    id: str  # the problem's id, "#" and the number of the sample
    problem: str
    answer: str  # the reference, not the teacher's
    thinking: str  # what stood between <think> and </think>, verbatim
    response: str  # what followed, verbatim
    finish_reason: str  # "stop", "length", … by server; or FAILED
    model: str
    correct: bool  # by the verifier, over response alone
    prompt: str = ""  # the template it was asked with
    num_tokens: int = 0  # of thinking and response
    subject: str = ""
    level: int = 0
    error: str = ""  # why there is no answer
    opening: str = ""  # white space before <think>

    @property
    def text(self):
        """The whole answer, as a model with think tokens writes it."""
        if not self.thinking:
            return self.response
        thought = f"{self.opening}<think>{self.thinking}</think>"
        return thought + self.response


def make_trace(problem, sample, text, *, thinking=None, **rest):
    """Judge one answer, the sample-th to a `Problem`, and make it a trace.

    Unless the thinking is given, the text is split at its tags.
    """
    opening = ""
    if thinking is None:
        opening, thinking, text = split_thinking(text)
    return Trace(
        id=trace_id(problem, sample),
        problem=problem.problem,
        answer=problem.answer,
        thinking=thinking,
        response=text,
        opening=opening,
        correct=verify(text, problem.answer),
        subject=problem.subject,
        level=problem.level,
        **rest,
    )


def trace_id(problem, sample):
    """The id of a problem's sample; a problem without id goes by its text."""
    return f"{problem.id or problem.problem}#{sample}"


def split_thinking(text):
    """Split an answer into what was thought and what was said.

    Thinking that was never closed leaves no response; where only its end is
    there, the prompt began it. White space before it comes first.

    >>> split_thinking(" <think>2+2=4</think> 4")
    (' ', '2+2=4', ' 4')
    """
    before, opened, rest = text.partition("<think>")
    is_open = opened and not before.strip()
    if not is_open:
        before, rest = "", text
    thinking, closed, response = rest.rpartition("</think>")
    if closed:
        return before, thinking, response
    return (before, rest, "") if is_open else ("", "", text)


def read_traces(path):
    """Read a file of traces, or the one in a run folder, as `Trace`s."""
    try:
        path = find_file(path, TRACES)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}; rfs teach writes such a file"
        ) from None
    names = {field.name for field in fields(Trace)}
    traces = []
    for place, row in read_rows(path):
        try:
            traces.append(Trace(**{k: row[k] for k in names & row.keys()}))
        except TypeError:
            missing = ", ".join(sorted(names - row.keys()))
            raise ValueError(
                f"{place} is no trace: it lacks {missing}"
            ) from None
    if not traces:
        raise ValueError(f"{path} holds no trace; rfs teach writes them")
    return traces


# ---- Asking a teacher ----


def generate_teacher_traces(
    teacher, problems, *, num_samples=1, run=None, progress=True
):
    """Let a teacher answer every problem.

    Args:
        teacher: has answer_all(items, done), which yields a `Trace` for
            every item that is not done; items are (problem, sample) pairs
            in a fixed order, done is a set of trace ids.
        problems: list of `Problem`, of a train split.
        num_samples: answers to each problem.
        run: a `RunFolder` for traces.jsonl; what was answered there is not
            asked again, what failed is.
        progress: show a bar.

    Returns:
        list of `Trace`, wrong and failed ones too, as they came in.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the message says how to go on.
    """
    rows = run.read(TRACES) if run is not None else []
    traces = [Trace(**row) for row in rows if row["finish_reason"] != FAILED]
    if len(traces) < len(rows):
        run.rewrite(TRACES, map(asdict, traces))
    done = {trace.id for trace in traces}
    items = [(p, sample) for p in problems for sample in range(num_samples)]
    bar = tqdm(
        total=len(items),
        initial=len(done),
        desc="teach",
        unit="answer",
        disable=not progress,
        file=sys.stderr,
    )
    num_right = sum(trace.correct for trace in traces)
    try:
        with bar:
            for trace in teacher.answer_all(items, done):
                if run is not None:
                    run.append(TRACES, asdict(trace))
                traces.append(trace)
                num_right += trace.correct
                bar.update()
                bar.set_postfix_str(f"right {num_right / len(traces):.0%}")
    except KeyboardInterrupt:
        where = "lost" if run is None else f"kept in {run.path}"
        raise KeyboardInterrupt(
            f"stopped after {len(traces):,} of {len(items):,} answers, which "
            f"are {where}; the same command with --resume goes on"
        ) from None
    return traces


@dataclass(repr=False, eq=False)
class LocalTeacher:
    """A model on this machine as a teacher.

    Answers come in fixed blocks. One that a kill cut is answered again as a
    whole, so that a resumed file holds what an uninterrupted one would.
    """

    model: Callable
    tokenizer: object
    name: str = "local"  # stands in every trace
    prompt: str = "step-by-step"  # a name of PROMPTS or a template
    sampling: SamplingConfig = WARM
    max_new_tokens: int = 192  # a longer answer is truncated
    seed: int = 0  # with the problem's id and the sample it fixes an answer
    batch_size: int = 256  # rows of a block

    def answer_all(self, items, done=frozenset()):
        """Yield the traces of all items that are not done, block by block."""
        told = {"model": self.name, "prompt": self.prompt}
        for start in range(0, len(items), self.batch_size):
            block = items[start : start + self.batch_size]
            ids = [trace_id(*item) for item in block]
            if done.issuperset(ids):
                continue
            outputs = generate(
                self.model,
                self.tokenizer,
                [
                    render_prompt(self.prompt, p, self.tokenizer)
                    for p, _ in block
                ],
                max_new_tokens=self.max_new_tokens,
                sampling=self.sampling,
                seed=self.seed,
                ids=ids,
            )
            for item, output in zip(block, outputs, strict=True):
                if trace_id(*item) not in done:
                    told["finish_reason"] = output.stop_reason
                    told["num_tokens"] = len(output.token_ids)
                    yield make_trace(*item, output.text, **told)


class EndpointTeacher:
    """Asks a server (vLLM, Ollama, a paid service) by an `EndpointClient`.

    The prompt becomes the user's turn, the options (temperature, max_tokens,
    …) go along with every request; `stopped` says why items were left unasked.
    """

    def __init__(self, client, *, prompt="chat", **options):
        self.client = client
        self.prompt = prompt
        self.options = options
        self.stopped = ""

    def answer_all(self, items, done=frozenset()):
        """Yield a trace for every item not done, as the answers come in.

        What stays unanswered has the finish_reason FAILED. Once the budget is
        spent, or where all first answers fail, the rest is left unasked.
        """
        self.stopped = ""
        waiting = {trace_id(*item): item for item in items}
        requests = (
            (key, self.messages(problem))
            for key, (problem, _) in waiting.items()
            if key not in done and not self.stopped
        )
        num_failed, is_alive = 0, False
        for key, answer in self.client.complete_many(requests, **self.options):
            if isinstance(answer, BudgetSpent):
                self.stopped = str(answer)
                continue
            is_alive = is_alive or isinstance(answer, Completion)
            num_failed += not isinstance(answer, Completion)
            if num_failed >= MAX_FIRST_FAILURES and not is_alive:
                self.stopped = f"the first {num_failed} requests all failed"
            yield self.trace(*waiting[key], answer)

    def messages(self, problem):
        """The conversation that puts a problem to the server."""
        template = find_template(self.prompt)
        text = template.replace(PLACEHOLDER, problem.problem)
        return [{"role": "user", "content": text}]

    def trace(self, problem, sample, answer):
        """Record an answer, or an `EndpointError`."""
        known = {"model": self.client.settings.model, "prompt": self.prompt}
        if not isinstance(answer, Completion):
            known |= {"finish_reason": FAILED, "error": str(answer)}
            return make_trace(problem, sample, "", **known)
        text = answer.text
        if answer.thinking:  # put back as Qwen3 writes it
            known["thinking"] = f"\n{answer.thinking.strip()}\n"
            text = f"\n\n{split_thinking(text)[-1].strip()}"
        known["finish_reason"] = answer.finish_reason
        known["num_tokens"] = answer.num_tokens
        return make_trace(problem, sample, text, **known)


# ---- Which to learn from ----


def filter_traces(traces, *, held_out=(), ngram=13, keep_wrong=False):
    """Keep the traces worth learning from, and count the others.

    Args:
        traces: list of `Trace`.
        held_out: problems that no training text may repeat: those of the
            validation and test splits.
        ngram: a problem that shares so many words in a row with a held-out
            one is contaminated too; 0 compares whole problems only.
        keep_wrong: keep answers that the verifier rejects.

    Returns:
        (kept, counts): a list, and a dict of how many each filter dropped,
        in the order of FILTERS; a trace counts for the first that takes it.
    """
    is_held_out = held_out_check(held_out, ngram)
    counts, kept, seen = Counter(dict.fromkeys(FILTERS, 0)), [], set()
    for trace in traces:
        key = canonical_text(trace.problem), trace.text
        reasons = {
            "failed": trace.finish_reason == FAILED,
            "truncated": trace.finish_reason in CUT_OFF,
            "wrong": not (trace.correct or keep_wrong),
            "duplicate": key in seen,
            "contaminated": is_held_out(trace.problem),
        }
        reason = next((name for name in FILTERS if reasons[name]), None)
        if reason is None:
            seen.add(key)
            kept.append(trace)
        else:
            counts[reason] += 1
    return kept, dict(counts)


def canonical_text(text):
    """A problem without spaces, punctuation and capitals, but with signs.

    >>> canonical_text("What is 3 - 5?")
    'whatis3-5'
    """
    return SPACING.sub("", text.lower())


def held_out_check(problems, ngram=13):
    """Make a function that tells whether a text repeats a held-out problem.

    Two problems are the same when their canonical texts are, or when they
    share `ngram` words in a row, a number among them (Brown et al. 2020, arXiv
    2005.14165, appendix C); 0 compares canonical texts alone.
    """
    held_out = [problem.problem for problem in problems]
    texts = set(map(canonical_text, held_out))
    grams = {gram for text in held_out for gram in _word_grams(text, ngram)}

    def is_held_out(text):
        is_known = canonical_text(text) in texts
        return is_known or not grams.isdisjoint(_word_grams(text, ngram))

    return is_held_out


def _word_grams(text, size):
    """Runs of `size` words with a number among them; none for size 0."""
    words = WORD.findall(text.lower())
    for start in range(len(words) - size + 1) if size else ():
        gram = tuple(words[start : start + size])
        if any(word.isdigit() for word in gram):
            yield gram
