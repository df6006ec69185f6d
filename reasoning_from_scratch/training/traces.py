"""Worked answers of a teacher: what a trace is, its file, and its filters.

Files are JSON Lines, written by `rfs teach` and `collect_verified_samples`.
Which traces deserve to be learned is decided when they are read, so that
nothing is lost in the file.
"""

import re
from collections import Counter
from dataclasses import dataclass, fields

from reasoning_from_scratch.evaluation import verify
from reasoning_from_scratch.evaluation.problems import read_rows
from reasoning_from_scratch.runs import find_file

TRACES = "traces.jsonl"  # its name in a run folder
WORD = re.compile(r"\w+")
SPACING = re.compile(r"[\s.,;:!?'\"$]+")
FAILED = "error"  # the finish_reason of what was never answered
CUT_OFF = ("length", "max_tokens")  # by the limit; servers have many ends
FILTERS = ("failed", "truncated", "wrong", "duplicate", "contaminated")


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

    With `thinking` None the text is split at its tags; `rest` are the other
    fields of `Trace`.
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

    Thinking that was never closed is all thinking: there is no response.
    Where only its end is there, the prompt began it. White space before it
    comes first, so that the parts make the whole.

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
            missing = names - row.keys()
            raise ValueError(
                f"{place} is no trace: it lacks {', '.join(sorted(missing))}"
            ) from None
    if not traces:
        raise ValueError(f"{path} holds no trace; rfs teach writes them")
    return traces


def filter_traces(traces, *, held_out=(), ngram=13, keep_wrong=False):
    """Keep the traces worth learning from, and count the others.

    Args:
        traces: list of `Trace`.
        held_out: problems that no training text may repeat: those of the
            validation and test splits.
        ngram: a problem that shares so many words in a row with a held-out
            one is contaminated too; 0 compares whole problems only.
        keep_wrong: keep answers that the verifier rejects, for the
            experiment that shows what filtering is worth.

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
    """A problem without its spaces and punctuation, in lower case.

    Signs are kept: 3 - 5 is another problem than 3 + 5.

    >>> canonical_text("What is 3 - 5?")
    'whatis3-5'
    """
    return SPACING.sub("", text.lower())


def held_out_check(problems, ngram=13):
    """Make a function that tells whether a text repeats a held-out problem.

    Two problems are the same when their canonical texts are, or when they
    share `ngram` words in a row, a number among them: the usual search for
    contamination. 0 compares canonical texts alone.

    Source: Brown et al. 2020 (13-grams), arXiv 2005.14165, appendix C.
    """
    texts = {canonical_text(problem.problem) for problem in problems}
    grams = {
        gram
        for problem in problems
        for gram in _word_grams(problem.problem, ngram)
    }

    def is_held_out(text):
        if canonical_text(text) in texts:
            return True
        return any(gram in grams for gram in _word_grams(text, ngram))

    return is_held_out


def _word_grams(text, size):
    """Runs of `size` words with a number among them; none for size 0."""
    words = WORD.findall(text.lower())
    starts = range(len(words) - size + 1) if size else ()
    for start in starts:
        gram = tuple(words[start : start + size])
        if any(word.isdigit() for word in gram):
            yield gram
