"""Train a student on a teacher's answers, or on its own right ones.

    rfs distill --traces runs/traces --run student
    rfs distill --from-self --run self-taught
    rfs distill --traces runs/traces --teacher pocket-teacher \\
        --loss forward --run soft
    rfs distill --on-policy --teacher pocket-teacher --run on-policy

Without further flags these are the chapter's runs of the model's row in
`settings`. --from-self of a model so trained is its second round.
"""

from .. import llm, training
from ..evaluation.problems import all_test_problems, load_splits
from ..options import add_flags, given_options
from ..settings import get_settings
from ..training.config import DistillationConfig, OnPolicyConfig, check_teacher
from . import flags

FLAGS = f"""{flags.TRAINING_FLAGS}{flags.MEMORY_FLAG}
--teacher NAME   a model of the same tokenizer
--prompt NAME=direct   how the student is asked
--teacher-prompt NAME   how the teacher is asked (default: as the student;
                 --from-self: step-by-step)
--limit N        learn the first so many traces; --from-self: problems to
                 answer
--skip K=0       leave out the first so many lines of the traces' file
--samples N=1    --from-self: answers to a problem
--unfiltered     learn wrong traces too
--ngram K        words in a row that mark a trace as a held-out problem's
                 (default: 13; on pocketmath 0, whole problems only)
"""
SOURCES = """
--traces RUN     learn from a file or run folder that rfs teach wrote
--from-self      answer training problems first, and learn what is right
--on-policy      learn from a teacher's marks on the student's own answers
"""
CONFIGS, ROW = (DistillationConfig, OnPolicyConfig), "distillation"
# Flags beside the configuration's that the result depends on
TOLD = """command model problems split teacher traces limit skip samples
          teacher_prompt unfiltered"""
MAX_HELD_BACK = 100  # traces kept for the validation loss


def add_arguments(parser) -> None:
    """Declare where the texts come from."""
    add_flags(parser.add_mutually_exclusive_group(required=True), SOURCES)


def run(args) -> None:
    """Train, and say where the result lies."""
    from ..training import distillation_loss

    settings = get_settings(args.model)
    config = choose_config(args, settings)
    args.problems = flags.choose_problems(args, settings)
    problems, validation = load_splits(args.problems, args.split)
    validation = validation or []
    traces = training.read_traces(args.traces) if args.traces else []
    student = flags.open_model(args, config.max_new_tokens)
    teacher, teacher_bytes = None, 0
    if args.teacher:
        where = {"device": args.device, "dtype": args.dtype}
        teacher, tokenizer = llm.load_model(args.teacher, **where)
        distillation_loss.check_same_tokens(tokenizer, student[1])
        teacher.requires_grad_(False)
        teacher_bytes = sum(weight.nbytes for weight in teacher.parameters())
    config = flags.fit_training(args, config, student, problems, teacher_bytes)
    about = flags.describe_run(args, TOLD, config, [*problems, *validation])
    with flags.new_run(args, about) as folder:
        common = {"teacher": teacher, "validation": validation, "run": folder}
        if args.on_policy:
            training.train_on_policy(*student, problems, config, **common)
        else:
            traces = traces[args.skip :]
            if args.from_self:
                traces = answer_problems(args, student, problems, folder)
            filters = choose_filters(args, validation)
            found = training.filter_traces(traces, **filters)
            train_on_traces(args, student, *found, config, **common)
    print(flags.describe_training(folder))


def choose_config(args, settings):
    """The config of the kind of run, the model's row, then the flags."""
    chosen = {"max_new_tokens": settings.max_new_tokens}
    kind = OnPolicyConfig if args.on_policy else DistillationConfig
    if not args.on_policy:
        chosen |= settings.distillation.of(kind)
    chosen |= given_options(args, kind)
    chosen["prompt"] = flags.choose_prompt(args.prompt, settings)
    if args.on_policy:
        if not args.teacher:
            raise ValueError("--on-policy needs --teacher MODEL")
        if args.teacher_prompt:
            asked = flags.choose_prompt(args.teacher_prompt, settings)
            chosen["teacher_prompt"] = asked
        return kind(**chosen)
    config = kind(**chosen)
    check_teacher(config, bool(args.teacher))
    return config


def choose_filters(args, validation) -> dict:
    """What should not be learned, as `filter_traces` is told it."""
    default = 0 if args.problems == "pocketmath" else 13
    return {
        "held_out": [*validation, *all_test_problems()],
        "ngram": default if args.ngram is None else args.ngram,
        "keep_wrong": args.unfiltered,
    }


def answer_problems(args, student, problems, run):
    """The student's own answers."""
    settings = get_settings(args.model)
    limit = args.limit or settings.distillation.num_traces
    prompt = args.teacher_prompt or "step-by-step"
    itself = training.LocalTeacher(
        *student,
        name="itself",
        prompt=flags.choose_prompt(prompt, settings),
        sampling=flags.choose_sampling(settings),
        max_new_tokens=settings.max_new_tokens,
        seed=args.seed or 0,
        batch_size=settings.batch_size,
    )
    return training.generate_teacher_traces(
        itself, problems[:limit], num_samples=args.samples, run=run
    )


def train_on_traces(args, student, traces, counts, config, **common) -> None:
    """Hard or soft distillation; some traces are held back to measure."""
    common["run"].write_json("filters.json", {"kept": len(traces), **counts})
    num_traces = len(traces) + sum(counts.values())
    dropped = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"{len(traces):,} of {num_traces:,} traces kept ({dropped})")
    if not args.from_self:
        traces = traces[: args.limit]
    examples, num_long = training.encode_traces(traces, student[1], config)
    if num_long:
        most = f"more than {config.max_tokens} tokens"
        print(f"left out {num_long:,} traces of {most}")
    num_held_back = min(MAX_HELD_BACK, len(examples) // 20)
    held_back, examples = examples[:num_held_back], examples[num_held_back:]
    training.train_distillation(
        *student, examples, config, validation_examples=held_back, **common
    )
