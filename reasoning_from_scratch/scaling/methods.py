"""The table of methods: one callable of one shape per name.

Each is called as

    method(model, tokenizer, problems, prompts, *, num_samples=None,
           sampling=None, max_new_tokens=…, seed=…, batch_size=…, progress=…)

and returns one MethodOutput per problem. What is left out takes the method's
own default, so that a name alone says what was run. A row differs from its
neighbours in arguments, never in a copy of the code.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from reasoning_from_scratch import llm
from reasoning_from_scratch.evaluation.evaluate import generate_answers

from .adaptive import adaptive_thinking, answer_again_when_unsure
from .budget import budget_forcing
from .calculator import calculator
from .choosing import (
    answer_logprob_score,
    best_of_n,
    choose_by_confidence,
    choose_by_verifier,
    draw_and_verify,
    heuristic_score,
    mean_logprob_score,
    oracle_score,
    probability_weight,
    sample_and_choose,
    self_certainty_score,
    self_consistency,
)
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
DRAWING_WHOLE = (draw_samples, draw_and_verify)


@dataclass(frozen=True)
class Method:
    """A way to answer a question (model, tokenizer, problems, prompts)."""

    run: Callable
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
        if getattr(self.run, "func", self.run) not in CHOOSING:
            return None
        return getattr(self.run, "keywords", {}).get("draw", draw_samples)

    @property
    def is_sequential(self):
        """Whether a sample follows from the one before; greedy ones differ."""
        return getattr(self.run, "func", self.run) is self_refine

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
        if self.draw is not draw_and_verify:
            raise ValueError(
                "this method asks no learned verifier; take one whose name "
                "has verifier in it, or leave --verifier out"
            )
        return replace(self, run=partial(self.run, verifier=verifier))


METHODS: dict[str, Method] = {
    "greedy": Method(
        generate_answers, "the likeliest token each time", 0.0, num_samples=1
    ),
    "sample": Method(generate_answers, "one sample", num_samples=1),
    "self-consistency": Method(
        partial(self_consistency, statistics=True), "majority vote"
    ),
    "self-consistency-exact-stop": Method(
        partial(self_consistency, stop_rule=is_decided, round_size=1),
        "majority vote, stopped once it is decided",
    ),
    "self-consistency-likely-stop": Method(
        partial(self_consistency, stop_rule=is_likely_decided, round_size=1),
        "majority vote, stopped once the leader is 90 % sure to stay",
    ),
    "weighted-vote": Method(
        partial(self_consistency, weigh=probability_weight),
        "votes weighed by mean token probability",
    ),
    "confident-vote": Method(
        partial(
            self_consistency,
            weigh=lowest_window_score,
            stop_rule=is_likely_decided,
            round_size=1,
            statistics=True,
        ),
        "votes weighed by confidence, stopped as in likely-stop",
    ),
    "confidence-vote": Method(
        partial(
            sample_and_choose, choose=choose_by_confidence, statistics=True
        ),
        "the more confident half votes, by confidence",
    ),
    "confidence-stop": Method(
        partial(sample_and_choose, draw=draw_while_sure),
        "majority vote, unsure samples dropped half-way",
    ),
    "best-of-n": Method(
        partial(best_of_n, scorer=mean_logprob_score),
        "the sample of highest mean log-probability",
    ),
    "best-of-n-answer": Method(
        partial(best_of_n, scorer=answer_logprob_score),
        "the sample whose answer has the highest log-probability",
    ),
    "best-of-n-certainty": Method(
        partial(best_of_n, scorer=self_certainty_score, statistics=True),
        "the sample of highest self-certainty",
    ),
    "best-of-n-format": Method(
        partial(best_of_n, scorer=heuristic_score),
        "the sample that looks most like a solution",
    ),
    "oracle": Method(
        partial(best_of_n, scorer=oracle_score),
        "a right sample if there is one: the ceiling, pass@n",
    ),
    "self-refine": Method(
        self_refine, "draft, critique, revise", 0.0, num_samples=3
    ),
    "self-refine-scored": Method(
        partial(self_refine, scorer=mean_logprob_score),
        "the same, less likely revisions refused",
        0.0,
        num_samples=3,
    ),
    "budget-cap": Method(
        partial(budget_forcing, max_thinking_tokens=32),
        "thinking ended after 32 tokens",
        0.0,
        num_samples=1,
    ),
    "budget-extend": Method(
        partial(budget_forcing, num_extensions=1),
        'one "Wait" written where thinking would end',
        0.0,
        num_samples=1,
    ),
    "calculator": Method(
        calculator, "what follows = is computed", 0.0, num_samples=1
    ),
    "best-of-n-verifier": Method(
        partial(
            sample_and_choose,
            draw=draw_and_verify,
            choose=choose_by_verifier,
        ),
        "the sample that a learned verifier finds likeliest right",
    ),
    "verifier-vote": Method(
        partial(
            sample_and_choose,
            draw=draw_and_verify,
            choose=partial(choose_by_verifier, is_vote=True),
        ),
        "votes weighed by a learned verifier",
    ),
    "adaptive-think": Method(
        adaptive_thinking,
        "a direct answer where it is sure, else the prompt's",
        0.0,
        num_samples=1,
    ),
    "adaptive-samples": Method(
        partial(
            answer_again_when_unsure,
            again=partial(self_consistency, stop_rule=is_decided),
        ),
        "one greedy solution where it is sure, else a vote",
    ),
}
