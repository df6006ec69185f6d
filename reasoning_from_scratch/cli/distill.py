"""Train a student on a teacher's answers, or on its own right ones.

    rfs distill --traces runs/traces --run student
    rfs distill --from-self --run self-taught
    rfs distill --traces runs/traces --teacher pocket-teacher \\
        --loss forward --run soft
    rfs distill --on-policy --teacher pocket-teacher --run on-policy

Everything else is the same run with a flag more: --unfiltered learns wrong
traces too, --thinking short leaves out the teacher's scratch work and none
all but the answer, --limit and --skip take a part of the file, and
--from-self of a model so trained is its second round.

Without further flags these are the chapter's runs of the model's row in
`settings`. Ctrl-C saves; the same command with --resume goes on.
"""

from dataclasses import asdict, fields

from reasoning_from_scratch.cli.training_flags import (
    add_config_flags,
    add_problem_arguments,
    add_run_arguments,
    choose_problems,
    given_flags,
    summary,
)
from reasoning_from_scratch.evaluation.problems import load_splits
from reasoning_from_scratch.settings import default_model, get_settings
from reasoning_from_scratch.training.config import (
    LOSSES,
    THINKING,
    DistillationConfig,
    OnPolicyConfig,
    check_teacher,
)

# field of DistillationConfig, of OnPolicyConfig or both -> (type, help)
FLAGS = {
    "hard_weight": (float, "share of the hard loss beside a divergence"),
    "temperature": (float, "of the distributions; on-policy: of the samples"),
    "beta": (float, "of jsd: near 0 is forward, near 1 reverse"),
    "teacher_top_k": (int, "keep the teacher's k likeliest tokens; 0: all"),
    "max_tokens": (int, "a longer example is left out"),
    "epochs": (int, "passes over the examples"),
    "batch_size": (int, "examples an update"),
    "micro_batch_tokens": (int, "of one backward pass: memory"),
    "steps": (int, "on-policy: updates"),
    "prompts_per_step": (int, "on-policy: problems an update"),
    "learning_rate": (float, "of AdamW, after the warm-up"),
    "warmup_steps": (int, "updates until the learning rate is reached"),
    "eval_every": (int, "updates between evaluations on validation"),
    "eval_problems": (int, "validation problems of one evaluation"),
    "moment_dtype": (str, "of the optimizer: float32 | bfloat16"),
    "seed": (int, "of the data order and the samples"),
}
# training set -> the set whose test split its traces may not repeat
TEST_SETS = {
    "pocketmath": "pocketmath",
    "math-train": "math500",
    "gsm8k": "gsm8k",
}
MAX_HELD_BACK = 100  # traces kept for the validation loss


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument("--model", help="the student (default: RFS_MODEL)")
    parser.add_argument("--teacher", help="a model of the same tokenizer")
    parser.add_argument(
        "--loss",
        choices=(*LOSSES, "sampled"),
        help="hard; with --teacher a divergence; on-policy also sampled",
    )
    parser.add_argument("--prompt", default="direct")
    parser.add_argument(
        "--teacher-prompt",
        help="how the teacher is asked (default: as the student; "
        "--from-self: step-by-step)",
    )
    add_problem_arguments(parser)
    _add_trace_arguments(parser)
    add_config_flags(parser, FLAGS)
    add_run_arguments(parser)


def _add_trace_arguments(parser) -> None:
    """Where the texts come from, and which of them are learned."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--traces", help="a file or run folder that rfs teach wrote"
    )
    source.add_argument(
        "--from-self",
        action="store_true",
        help="answer training problems first, and learn what is right",
    )
    source.add_argument(
        "--on-policy",
        action="store_true",
        help="learn from a teacher's marks on the student's own answers",
    )
    parser.add_argument(
        "--limit",
        type=int,
        help="learn the first so many traces; --from-self: problems to answer",
    )
    parser.add_argument(
        "--skip",
        type=int,
        default=0,
        help="leave out the first so many lines of the traces' file",
    )
    parser.add_argument(
        "--samples", type=int, default=1, help="--from-self: answers each"
    )
    parser.add_argument(
        "--unfiltered", action="store_true", help="learn wrong traces too"
    )
    parser.add_argument(
        "--thinking",
        choices=THINKING,
        help="how much of a teacher's is learned (default: the model's row)",
    )
    parser.add_argument(
        "--ngram",
        type=int,
        help="words in a row that mark a trace as a held-out problem's "
        "(default: 13; on pocketmath 0, whole problems only)",
    )


def run(args) -> None:
    """Train, and say where the result lies."""
    from reasoning_from_scratch.llm import load_model
    from reasoning_from_scratch.runs import RunFolder
    from reasoning_from_scratch.training.traces import read_traces

    name = args.model or default_model()
    settings = get_settings(name)
    config = choose_config(args, settings)
    source = choose_problems(args, settings)
    problems, validation = load_splits(source, args.split)
    splits = problems, validation or []
    traces = read_traces(args.traces)[args.skip :] if args.traces else []
    student = load_model(name, device=args.device, dtype=args.dtype)
    teacher = open_teacher(args, student)
    run_folder = RunFolder.create(
        args.run,
        {
            "command": "distill",
            "model": name,
            "teacher": args.teacher,
            "traces": args.traces,
            "problems": source,
            "limit": args.limit,
            "skip": args.skip,
            "samples": args.samples,
            "teacher_prompt": args.teacher_prompt,
            "unfiltered": args.unfiltered,
            **asdict(config),
        },
        resume=args.resume,
    )
    if args.on_policy:
        train_on_own_answers(student, teacher, splits, config, run_folder)
    else:
        if args.from_self:
            filters = trace_filters(args, source, splits)
            kept = answer_problems(
                args, settings, student, problems, run_folder, filters
            )
        else:
            kept = choose_traces(args, source, traces, splits, run_folder)
            kept = kept[: args.limit]
        train_on_traces(student, teacher, kept, splits, config, run_folder)
    print(summary(run_folder))


def choose_config(args, settings):
    """The config of the kind of run, the model's row, then the flags."""
    kind = OnPolicyConfig if args.on_policy else DistillationConfig
    names = {field.name for field in fields(kind)}
    values = asdict(settings.distillation) if not args.on_policy else {}
    values["max_new_tokens"] = settings.max_new_tokens
    names_of_flags = *FLAGS, "loss", "thinking", "activation_checkpointing"
    values |= given_flags(args, names_of_flags)
    values["prompt"] = settings.prompts.get(args.prompt, args.prompt)
    values["teacher_prompt"] = _teacher_prompt(args, settings, "")
    config = kind(**{n: value for n, value in values.items() if n in names})
    if args.on_policy and not args.teacher:
        raise ValueError("--on-policy needs --teacher MODEL")
    if not args.on_policy:
        check_teacher(config, bool(args.teacher))
    return config


def _teacher_prompt(args, settings, default):
    """The template that the teacher gets: the flag's, else the default."""
    name = args.teacher_prompt or default
    return settings.prompts.get(name, name)


def open_teacher(args, student):
    """The teacher's model, or None; its tokens must be the student's."""
    if not args.teacher:
        return None
    from reasoning_from_scratch.llm import load_model
    from reasoning_from_scratch.training.distillation_loss import (
        check_same_tokens,
    )

    teacher, tokenizer = load_model(
        args.teacher, device=args.device, dtype=args.dtype
    )
    check_same_tokens(tokenizer, student[1])
    return teacher.requires_grad_(False)


def choose_traces(args, source, traces, splits, run_folder):
    """Drop what should not be learned."""
    from reasoning_from_scratch.training.traces import filter_traces

    filters = trace_filters(args, source, splits)
    return note_kept(*filter_traces(traces, **filters), run_folder)


def trace_filters(args, source, splits):
    """What `filter_traces` is told."""
    ngram = args.ngram
    if ngram is None:
        ngram = 0 if source == "pocketmath" else 13
    return {
        "held_out": [*splits[1], *load_test_problems(source)],
        "ngram": ngram,
        "keep_wrong": args.unfiltered,
    }


def note_kept(kept, counts, run_folder):
    """Say how many traces are left; the counts go into filters.json."""
    run_folder.write_json("filters.json", {"kept": len(kept), **counts})
    dropped = ", ".join(f"{count} {name}" for name, count in counts.items())
    total = len(kept) + sum(counts.values())
    print(f"{len(kept):,} of {total:,} traces kept ({dropped})")
    return kept


def answer_problems(args, settings, student, problems, run_folder, filters):
    """The student's own answers, those that are right."""
    from reasoning_from_scratch.llm import SamplingConfig
    from reasoning_from_scratch.training.on_policy import (
        collect_verified_samples,
    )

    limit = args.limit or settings.distillation.num_traces
    kept, counts = collect_verified_samples(
        *student,
        problems[:limit],
        num_samples=args.samples,
        **filters,
        run=run_folder,
        name="itself",
        prompt=_teacher_prompt(args, settings, "step-by-step"),
        sampling=SamplingConfig(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
        ),
        max_new_tokens=settings.max_new_tokens,
        seed=args.seed or 0,
        batch_size=settings.batch_size,
    )
    return note_kept(kept, counts, run_folder)


def load_test_problems(source):
    """What no trace may repeat; nothing for a file of one's own."""
    from reasoning_from_scratch.evaluation import load_problems

    test_set = TEST_SETS.get(source)
    return load_problems(test_set, split="test") if test_set else []


def train_on_traces(student, teacher, traces, splits, config, run_folder):
    """Hard or soft distillation; some traces are held back to measure."""
    from reasoning_from_scratch.training.distillation import (
        train_distillation,
    )
    from reasoning_from_scratch.training.sft_data import encode_traces

    examples, num_too_long = encode_traces(traces, student[1], config)
    if num_too_long:
        print(
            f"left out {num_too_long:,} traces of more than "
            f"{config.max_tokens} tokens"
        )
    num_held_back = min(MAX_HELD_BACK, len(examples) // 20)
    train_distillation(
        *student,
        examples[num_held_back:],
        config,
        teacher=teacher,
        validation=splits[1],
        validation_examples=examples[:num_held_back],
        run=run_folder,
    )


def train_on_own_answers(student, teacher, splits, config, run_folder):
    """On-policy distillation on the train split."""
    from reasoning_from_scratch.training.on_policy import train_on_policy

    train_on_policy(
        *student,
        splits[0],
        config,
        teacher=teacher,
        validation=splits[1],
        run=run_folder,
    )
