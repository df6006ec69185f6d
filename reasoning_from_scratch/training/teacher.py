"""Asking a teacher: many worked answers, into a file that only grows.

    runs/NAME/traces.jsonl      one `Trace` a line, as it came in

A teacher is any object with `answer_all`; a model on this machine is
`LocalTeacher`, a server (vLLM, Ollama, or a paid service) `EndpointTeacher`.
A killed job goes on where it stopped: what was answered is not asked again.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from tqdm import tqdm

from reasoning_from_scratch.endpoints import BudgetSpent, Completion
from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.evaluation.prompts import (
    PLACEHOLDER,
    find_template,
)
from reasoning_from_scratch.llm import SamplingConfig, generate

from .traces import (
    FAILED,
    TRACES,
    Trace,
    make_trace,
    split_thinking,
    trace_id,
)

WARM = SamplingConfig(temperature=0.7)
MAX_FIRST_FAILURES = 8  # when nothing was answered yet: then it is no use


def generate_teacher_traces(
    teacher, problems, *, num_samples=1, run=None, progress=True
):
    """Let a teacher answer every problem.

    Args:
        teacher: has answer_all(items, done), which yields a `Trace` for
            every item that is not done; items are (problem, sample) pairs
            in a fixed order, done is a set of trace ids.
        problems: list of `Problem`, of a train split.
        num_samples: answers a problem.
        run: a `RunFolder`; it receives traces.jsonl. What was answered there
            is kept and not asked again, what failed is.
        progress: show a bar.

    Returns:
        list of `Trace`, also of wrong, truncated and failed answers (see
        `filter_traces`), in the order in which they came in.

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
    finally:
        bar.close()
    return traces


@dataclass(repr=False, eq=False)
class LocalTeacher:
    """A model on this machine as a teacher.

    Answers come in fixed blocks, and a block cut by a kill is answered
    again as a whole, so that a resumed file holds what an uninterrupted one
    would.
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
        for start in range(0, len(items), self.batch_size):
            block = items[start : start + self.batch_size]
            if done.issuperset(trace_id(*item) for item in block):
                continue
            for trace in self.answer(block):
                if trace.id not in done:
                    yield trace

    def answer(self, items):
        """The traces of one block, in its order."""
        outputs = generate(
            self.model,
            self.tokenizer,
            [
                render_prompt(self.prompt, problem, self.tokenizer)
                for problem, _ in items
            ],
            max_new_tokens=self.max_new_tokens,
            sampling=self.sampling,
            seed=self.seed,
            ids=[trace_id(*item) for item in items],
        )
        return [
            make_trace(
                *item,
                output.text,
                finish_reason=output.stop_reason,
                model=self.name,
                prompt=self.prompt,
                num_tokens=len(output.token_ids),
            )
            for item, output in zip(items, outputs, strict=True)
        ]


class EndpointTeacher:
    """Asks a server through an `EndpointClient`, several at once.

    The prompt becomes the user's turn, the options (temperature, max_tokens,
    …) go along with every request; `stopped` says why the last `answer_all`
    left items unasked.
    """

    def __init__(self, client, *, prompt="chat", **options):
        self.client = client
        self.prompt = prompt
        self.options = options
        self.stopped = ""

    def answer_all(self, items, done=frozenset()):
        """Yield a trace for every item not done, as the answers come in.

        An item that stays unanswered becomes a trace whose finish_reason is
        FAILED. Once the budget is spent, or where all of the first answers
        are failures, the rest is left unasked.
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
        text, thinking = answer.text, None
        if answer.thinking:  # put back as Qwen3 writes it
            thinking = f"\n{answer.thinking.strip()}\n"
            text = f"\n\n{split_thinking(text)[-1].strip()}"
        return make_trace(
            problem,
            sample,
            text,
            thinking=thinking,
            finish_reason=answer.finish_reason,
            num_tokens=answer.num_new_tokens,
            **known,
        )
