"""A teacher behind a chat endpoint: vLLM, Ollama, or a paid service.

Waiting, retrying and the budget are `endpoints`' business; here a problem
becomes a message, and an answer or a failure becomes a trace.
"""

from reasoning_from_scratch.endpoints import BudgetSpent, Completion
from reasoning_from_scratch.evaluation.prompts import (
    PLACEHOLDER,
    find_template,
)

from .traces import make_trace, trace_id


class EndpointTeacher:
    """Asks a server; several questions are under way at once.

    Args:
        client: an `EndpointClient`.
        prompt: a name of PROMPTS or a template; it becomes the user's turn.
        options: sent along with every request, such as temperature or
            max_tokens.

    Attributes:
        spent: why the last `answer_all` stopped early; empty if it did not.
    """

    def __init__(self, client, *, prompt="chat", **options):
        self.client = client
        self.prompt = prompt
        self.options = options
        self.spent = ""

    def answer_all(self, items, done=frozenset()):
        """Yield a trace for every item not done, as the answers come in.

        An item that stays unanswered becomes a trace with finish_reason
        "error", so that it is not paid for twice. Once the budget is spent
        the rest is left unasked.
        """
        self.spent = ""
        waiting = {trace_id(*item): item for item in items}
        requests = (
            (key, self.messages(problem))
            for key, (problem, _) in waiting.items()
            if key not in done and not self.spent
        )
        answers = self.client.complete_many(requests, **self.options)
        for key, answer in answers:
            if isinstance(answer, BudgetSpent):
                self.spent = str(answer)
            else:
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
            return make_trace(
                problem,
                sample,
                "",
                finish_reason="error",
                error=str(answer),
                **known,
            )
        text, thinking = answer.text, None
        if answer.thinking:  # put back as Qwen3 writes it
            thinking = f"\n{answer.thinking.strip()}\n"
            text = f"\n\n{text.strip()}"
        return make_trace(
            problem,
            sample,
            text,
            thinking=thinking,
            finish_reason=answer.finish_reason,
            num_tokens=answer.num_new_tokens,
            **known,
        )
