"""The stages of the tour, one entry a chapter's idea.

A stage is measured by a function from the `Tour` to an EvalResult. Its name
is that of the chapter's full run in results/, so the two stand side by side.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields

from reasoning_from_scratch.settings import ModelSettings, get_settings

MODEL = "pocket"
SEED = 0
NUM_VOTED = 200  # problems of a vote: sixteen answers each take their time
GRPO_STEPS = 25  # a taste; the chapter's run is longer
POLISH_STEPS = 8  # of GRPO behind distillation


@dataclass(frozen=True)
class Tour:
    """What the stages share: a model, its settings and its problems."""

    settings: ModelSettings
    model: object
    tokenizer: object
    problems: list
    students: dict = field(default_factory=dict)  # stage -> what it trained

    @classmethod
    def start(cls):
        """Load the model and the problems of a quick look."""
        from reasoning_from_scratch.evaluation import load_problems
        from reasoning_from_scratch.llm import load_model

        settings = get_settings(MODEL)
        model, tokenizer = load_model(MODEL)
        problems = load_problems(
            settings.problems, limit=settings.num_quick_problems
        )
        return cls(settings, model, tokenizer, problems)

    @property
    def has_progress(self) -> bool:
        """Bars are for people."""
        return sys.stderr.isatty()

    def evaluate(self, *, model=None, problems=None, **options):
        """Measure a model (None: the base) as all stages do."""
        from reasoning_from_scratch.evaluation import evaluate

        return evaluate(
            model or self.model,
            self.tokenizer,
            problems or self.problems,
            seed=SEED,
            batch_size=self.settings.batch_size,
            max_new_tokens=self.settings.max_new_tokens,
            progress=self.has_progress,
            **options,
        )


@dataclass(frozen=True)
class Stage:
    """One row of the tour."""

    name: str
    chapter: str
    seconds: int  # on two cores, about
    idea: str
    measure: Callable  # Tour -> EvalResult


def answer_directly(tour):
    """The base model's first guess."""
    return tour.evaluate(prompt="direct")


def answer_step_by_step(tour):
    """The same weights, asked to write the way down."""
    return tour.evaluate(prompt="step-by-step")


def answer_by_vote(tour):
    """The same weights again: many ways, one vote each."""
    from reasoning_from_scratch.llm import SamplingConfig
    from reasoning_from_scratch.scaling import METHODS

    return tour.evaluate(
        problems=tour.problems[:NUM_VOTED],
        prompt="step-by-step",
        method=METHODS["self-consistency"],
        num_samples=tour.settings.num_samples,
        sampling=SamplingConfig(temperature=tour.settings.temperature),
    )


def learn_from_right_and_wrong(tour):
    """A little reinforcement learning, then the direct prompt again."""
    model = reinforce(tour, tour.model, GRPO_STEPS)
    return tour.evaluate(model=model, prompt="direct")


def reinforce(tour, model, steps):
    """A copy of the model after some steps of chapter 5's GRPO."""
    import copy

    from reasoning_from_scratch.evaluation import load_problems
    from reasoning_from_scratch.training import train_grpo, variant_config

    chapter = tour.settings.grpo
    model = copy.deepcopy(model)
    train_grpo(
        model,
        tour.tokenizer,
        load_problems(tour.settings.problems, split="train"),
        variant_config(
            "grpo",
            steps=min(steps, chapter.steps),
            prompts_per_step=chapter.prompts_per_step,
            group_size=chapter.group_size,
            learning_rate=chapter.learning_rate,
            cosine_decay=chapter.cosine_decay,
            max_new_tokens=chapter.max_new_tokens,
            eval_every=0,
            track_kl=False,
        ),
        progress=tour.has_progress,
    )
    return model


def learn_from_a_teacher(tour):
    """A stronger model's worked answers, then the direct prompt again."""
    import copy

    from reasoning_from_scratch.training import (
        DistillationConfig,
        encode_traces,
        filter_traces,
        train_distillation,
    )

    chapter = asdict(tour.settings.distillation)
    names = {f.name for f in fields(DistillationConfig)}
    config = DistillationConfig(
        **{name: chapter[name] for name in names & chapter.keys()}
    )
    kept, _ = filter_traces(ask_the_teacher(tour), ngram=0)
    examples, _ = encode_traces(kept, tour.tokenizer, config)
    model = copy.deepcopy(tour.model)
    train_distillation(
        model, tour.tokenizer, examples, config, progress=tour.has_progress
    )
    tour.students["distillation"] = model
    return tour.evaluate(model=model, prompt="direct")


def ask_the_teacher(tour):
    """Its answers to some training problems, right and wrong."""
    from reasoning_from_scratch.evaluation import load_problems
    from reasoning_from_scratch.llm import load_model
    from reasoning_from_scratch.training import (
        LocalTeacher,
        generate_teacher_traces,
    )

    chapter = tour.settings.distillation
    teacher = LocalTeacher(
        *load_model(chapter.teacher),
        name=chapter.teacher,
        prompt=chapter.teacher_prompt,
        max_new_tokens=get_settings(chapter.teacher).max_new_tokens,
        seed=SEED,
    )
    problems = load_problems(
        tour.settings.problems,
        split="train",
        limit=chapter.quick_traces,
    )
    return generate_teacher_traces(
        teacher, problems, progress=tour.has_progress
    )


def combine_all(tour):
    """Distilled, reinforced, a calculator at hand, and sixteen votes."""
    from reasoning_from_scratch.llm import SamplingConfig
    from reasoning_from_scratch.scaling import METHODS

    student = tour.students["distillation"]
    return tour.evaluate(
        model=reinforce(tour, student, POLISH_STEPS),
        problems=tour.problems[:NUM_VOTED],
        prompt="direct",
        method=METHODS["calculator"],
        num_samples=tour.settings.num_samples,
        sampling=SamplingConfig(temperature=tour.settings.temperature),
    )


STAGES = (
    Stage(
        name="direct",
        chapter="ch03",
        seconds=5,
        idea="the answer at once",
        measure=answer_directly,
    ),
    Stage(
        name="step by step",
        chapter="ch03",
        seconds=10,
        idea='the same weights after "Let\'s think step by step."',
        measure=answer_step_by_step,
    ),
    Stage(
        name="vote of 16",
        chapter="ch04",
        seconds=30,
        idea="sixteen ways to an answer, and the one most of them reach",
        measure=answer_by_vote,
    ),
    Stage(
        name="GRPO",
        chapter="ch05",
        seconds=90,
        idea="the direct prompt again, after learning from right and wrong",
        measure=learn_from_right_and_wrong,
    ),
    Stage(
        name="distillation",
        chapter="ch06",
        seconds=60,
        idea="the direct prompt again, after reading a teacher's work",
        measure=learn_from_a_teacher,
    ),
    Stage(
        name="the whole pipeline",
        chapter="ch07",
        seconds=45,
        idea="the distilled model, some GRPO, a calculator and a vote",
        measure=combine_all,
    ),
)
