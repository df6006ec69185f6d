"""Self-refinement: draft, critique, revise, until the answer is stable.

A scorer may refuse a revision. Without outside feedback a model often talks
itself out of right answers, so count what it fixed and what it broke.

Sources: Madaan et al. 2023 (arXiv 2303.17651); for the caution, Huang et al.
2023 (arXiv 2310.01798).
"""

from dataclasses import dataclass, field, replace

from reasoning_from_scratch.evaluation import Problem
from reasoning_from_scratch.evaluation.grouping import same_answer

from .samples import Sample, draw_samples, make_output

# What is written after a draft, and after its critique
PLAIN_REQUESTS = {
    "critique": "\nCheck:",
    "revision": "\nAnswer: Let's think step by step.",
}
CHAT_REQUESTS = {
    "critique": (
        "<|im_end|>\n<|im_start|>user\nCheck your solution step by step and "
        "name the first mistake, if there is one.<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "revision": (
        "<|im_end|>\n<|im_start|>user\nNow solve the problem again and put "
        "the final answer in \\boxed{}.<|im_end|>\n<|im_start|>assistant\n"
    ),
}


@dataclass
class Refinement:
    """One problem under way."""

    problem: Problem
    conversation: str  # everything the model has read and written
    history: list[Sample] = field(default_factory=list)
    current: int = 0  # place in the history of the solution that stands

    def ask(self, role):
        """Put the request for this role; returns the text to continue."""
        is_chat = "<|im_start|>" in self.conversation
        requests = CHAT_REQUESTS if is_chat else PLAIN_REQUESTS
        self.conversation += requests.get(role, "")
        return self.conversation

    def settle(self, scorer):
        """Take the last solution or refuse it; true if the answer moved."""
        before, newest = self.history[self.current], self.history[-1]
        if not accepts(before, newest, self.problem, scorer):
            return False
        self.current = len(self.history) - 1
        return not is_stable(before, newest)


def self_refine(
    model,
    tokenizer,
    problems,
    prompts,
    *,
    num_samples=3,
    scorer=None,
    **decoding,
):
    """Answer each problem with a draft that the model itself revises.

    A problem leaves once a revision repeats the answer, or is refused.

    At most `num_samples` solutions, the draft included. `scorer` is a callable
    (sample, problem) -> float; a revision that does not score higher is
    refused, None takes all that have an answer. Returns one MethodOutput per
    problem, whose samples have a "role": draft, critique or revision.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be >= 1, got {num_samples}")
    tasks = list(map(Refinement, problems, prompts))
    roles = ["draft"] + ["critique", "revision"] * (num_samples - 1)
    active = tasks
    for number, role in enumerate(roles):
        drawn = draw_samples(
            model,
            tokenizer,
            [task.problem for task in active],
            [task.ask(role) for task in active],
            num_samples=1,
            first_sample=number,
            **decoding,
        )
        for task, (sample,) in zip(active, drawn, strict=True):
            task.conversation += sample.text
            task.history.append(replace(sample, notes={"role": role}))
        if role == "revision":
            active = [task for task in active if task.settle(scorer)]
        if not active:
            break
    return [make_output(task.history, task.current) for task in tasks]


def accepts(current, revision, problem=None, scorer=None):
    """Tell whether a revision may replace what there is.

    One without an answer never does; otherwise no scorer accepts it.
    """
    if revision.answer is None or scorer is None:
        return revision.answer is not None
    return scorer(revision, problem) > scorer(current, problem)


def is_stable(current: Sample, revision: Sample) -> bool:
    """Tell whether two attempts came to the same answer."""
    if current.answer is None or revision.answer is None:
        return False
    return same_answer(current.answer, revision.answer)
