"""The table of methods: one callable of one shape per name.

Each is called as

    method(model, tokenizer, problems, prompts, *, num_samples=None,
           sampling=None, max_new_tokens=…, seed=…, batch_size=…, progress=…)

and returns one MethodOutput per problem; what is left out takes the method's
own default. A row differs from its neighbours in arguments alone.
"""

from dataclasses import dataclass, replace
from functools import partial

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation.evaluate import generate_answers

from . import choosing
from .adaptive import adaptive_thinking, answer_again_when_unsure
from .budget import budget_forcing
from .calculator import calculator
from .choosing import best_of_n, sample_and_choose, self_consistency
from .refinement import self_refine
from .samples import draw_samples
from .stopping import draw_while_sure, lowest_window_score
from .votes import is_decided, is_likely_decided

TEMPERATURE = 0.7  # of everything that compares several samples
NUM_SAMPLES = 16
# These draw whole samples and choose then, so recorded ones will do
CHOOSING = (
    sample_and_choose,
    self_consistency,
    best_of_n,
    answer_again_when_unsure,
)
DRAWING_WHOLE = (draw_samples, choosing.draw_and_verify)


@dataclass(frozen=True)
class Method:
    """A way to answer a question (model, tokenizer, problems, prompts)."""

    run: partial
    summary: str
    temperature: float = TEMPERATURE
    num_samples: int = NUM_SAMPLES

    def __call__(self, *question, num_samples=None, sampling=None, **decoding):
        if num_samples is None:
            num_samples = self.num_samples
        if sampling is None:
            sampling = llm.SamplingConfig(temperature=self.temperature)
        decoding |= {"num_samples": num_samples, "sampling": sampling}
        return self.run(*question, **decoding)

    @property
    def draw(self):
        """What its samples are drawn with; None where it writes its own."""
        own = None if self.run.func not in CHOOSING else draw_samples
        return self.run.keywords.get("draw", own)

    @property
    def is_sequential(self):
        """Whether a sample follows from the one before; greedy ones differ."""
        return self.run.func is self_refine

    def reusing(self, recorded):
        """The same method on recorded samples; see `draw_samples`."""
        if self.draw not in DRAWING_WHOLE:
            raise ValueError(
                "this method writes its own text and cannot take recorded "
                "samples; leave --samples-of out"
            )
        return replace(self, run=partial(self.run, recorded=recorded))

    def judged_by(self, verifier):
        """The same method with this run's learned verifier."""
        if self.draw is not choosing.draw_and_verify:
            raise ValueError(
                "this method asks no learned verifier; take one whose name "
                "has verifier in it, or leave --verifier out"
            )
        return replace(self, run=partial(self.run, verifier=verifier))


def _sampling(summary, run, **arguments):
    """A row that compares several samples."""
    return Method(partial(run, **arguments), summary)


def _greedy(summary, run, num_samples=1, **arguments):
    """A row that takes the likeliest token each time."""
    return Method(partial(run, **arguments), summary, 0.0, num_samples)


METHODS: dict[str, Method] = {
    "greedy": _greedy("the likeliest token each time", generate_answers),
    "sample": Method(partial(generate_answers), "one sample", num_samples=1),
    "self-consistency": _sampling(
        "majority vote", self_consistency, statistics=True
    ),
    "self-consistency-exact-stop": _sampling(
        "majority vote, stopped once it is decided",
        self_consistency,
        stop_rule=is_decided,
    ),
    "self-consistency-likely-stop": _sampling(
        "majority vote, stopped once the leader is 90 % sure to stay",
        self_consistency,
        stop_rule=is_likely_decided,
    ),
    "weighted-vote": _sampling(
        "votes weighed by mean token probability",
        self_consistency,
        weigh=choosing.probability_weight,
    ),
    "confident-vote": _sampling(
        "votes weighed by confidence, stopped as in likely-stop",
        self_consistency,
        weigh=lowest_window_score,
        stop_rule=is_likely_decided,
        statistics=True,
    ),
    "confidence-vote": _sampling(
        "the more confident half votes, by confidence",
        sample_and_choose,
        choose=choosing.choose_by_confidence,
        statistics=True,
    ),
    "confidence-stop": _sampling(
        "majority vote, unsure samples dropped half-way",
        sample_and_choose,
        draw=draw_while_sure,
    ),
    "best-of-n": _sampling(
        "the sample of highest mean log-probability", best_of_n
    ),
    "best-of-n-answer": _sampling(
        "the sample whose answer has the highest log-probability",
        best_of_n,
        scorer=choosing.answer_logprob_score,
    ),
    "best-of-n-certainty": _sampling(
        "the sample of highest self-certainty",
        best_of_n,
        scorer=choosing.self_certainty_score,
        statistics=True,
    ),
    "best-of-n-format": _sampling(
        "the sample that looks most like a solution",
        best_of_n,
        scorer=choosing.heuristic_score,
    ),
    "oracle": _sampling(
        "a right sample if there is one: the ceiling, pass@n",
        best_of_n,
        scorer=choosing.oracle_score,
    ),
    "self-refine": _greedy("draft, critique, revise", self_refine, 3),
    "self-refine-scored": _greedy(
        "the same, less likely revisions refused",
        self_refine,
        3,
        scorer=choosing.mean_logprob_score,
    ),
    "budget-cap": _greedy(
        "thinking ended after 32 tokens",
        budget_forcing,
        max_thinking_tokens=32,
    ),
    "budget-extend": _greedy(
        'one "Wait" written where thinking would end',
        budget_forcing,
        num_extensions=1,
    ),
    "calculator": _greedy("what follows = is computed", calculator),
    "best-of-n-verifier": _sampling(
        "the sample that a learned verifier finds likeliest right",
        sample_and_choose,
        draw=choosing.draw_and_verify,
        choose=choosing.choose_by_verifier,
    ),
    "verifier-vote": _sampling(
        "votes weighed by a learned verifier",
        sample_and_choose,
        draw=choosing.draw_and_verify,
        choose=partial(choosing.choose_by_verifier, is_vote=True),
    ),
    "adaptive-think": _greedy(
        "a direct answer where it is sure, else the prompt's",
        adaptive_thinking,
    ),
    "adaptive-samples": _sampling(
        "one greedy solution where it is sure, else a vote",
        answer_again_when_unsure,
        again=partial(self_consistency, stop_rule=is_decided, round_size=4),
    ),
}
