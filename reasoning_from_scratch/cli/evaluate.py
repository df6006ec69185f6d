"""Measure a model on a problem set.

    rfs evaluate --prompt step-by-step --run steps
    rfs evaluate --prompt step-by-step --method self-consistency --run votes

Leaves runs/NAME with result.json and a record a problem. After Ctrl-C or a
kill, the same command with --resume goes on and ends in the same records.
"""

from dataclasses import asdict

from reasoning_from_scratch.cli.flags import (
    describe_accuracy,
    open_evaluated,
)
from reasoning_from_scratch.settings import default_model, get_settings

SAMPLING_FLAGS = ("temperature", "top_p", "top_k")
# What two runs must share for one's samples to be the other's
SHARED = (
    "model",
    "revision",
    "problems",
    "split",
    "template",
    "sampling",
    "max_new_tokens",
    "seed",
)


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument("--model", help="default: RFS_MODEL, else pocket")
    parser.add_argument(
        "--problems",
        help="pocketmath, math500, gsm8k, math-train or a JSONL file "
        "(default: the model's)",
    )
    parser.add_argument(
        "--split", default="test", help="train, validation or test (default)"
    )
    parser.add_argument("--limit", type=int, help="only the first so many")
    parser.add_argument(
        "--prompt",
        default="direct",
        help="direct (default), step-by-step, another name of the prompt "
        "table, a file, or a template with {problem} in it",
    )
    parser.add_argument(
        "--method",
        default="greedy",
        help="greedy (default), sample, self-consistency, best-of-n, "
        "self-refine, …; a wrong name lists all",
    )
    parser.add_argument("--samples", type=int, help="default: the method's")
    parser.add_argument(
        "--samples-of",
        metavar="RUN",
        help="choose among the samples of this run, drawing only what is "
        "missing; same model, prompt, sampling and seed",
    )
    parser.add_argument("--verifier", help="a run (default: runs/verifier)")
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--top-p", type=float)
    parser.add_argument("--top-k", type=int)
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--batch-size", type=int, help="rows at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="cpu, cuda, mps, … (default: best)")
    parser.add_argument("--dtype", help="float32 | bfloat16 | float16")
    parser.add_argument("--revision", help="of a model on the Hub")
    parser.add_argument("--run", help="name of its folder (default: numbered)")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run of that name"
    )


def run(args) -> None:
    """Evaluate, and print the summary."""
    from reasoning_from_scratch.evaluation import evaluate, load_problems
    from reasoning_from_scratch.evaluation.records import read_records
    from reasoning_from_scratch.llm import load_model
    from reasoning_from_scratch.scaling.samples import read_samples

    settings = get_settings(args.model or default_model())
    method = choose_method(args.method)
    if args.verifier:
        method = method.judged_by(args.verifier)
    options = choose_options(args, settings, method)
    problems = load_problems(
        args.problems or settings.problems, split=args.split, limit=args.limit
    )
    folder = start_run(args, settings, problems, options)
    if args.samples_of:
        records = read_records(open_evaluated(args.samples_of))
        method = method.reusing(read_samples(records))
    model, tokenizer = load_model(
        args.model or default_model(),
        device=args.device,
        dtype=args.dtype,
        revision=args.revision,
    )
    try:
        result = evaluate(
            model, tokenizer, problems, method=method, run=folder, **options
        )
    except KeyboardInterrupt:
        print(f"\nto go on, add: --run {folder.path.name} --resume")
        raise
    print(describe_result(result))
    print(f"records     {folder.path / 'records.jsonl'}")


def choose_method(name: str):
    """Return the method of that name."""
    from reasoning_from_scratch.scaling import METHODS

    if name not in METHODS:
        rows = "\n".join(f"  {n:<28} {m.summary}" for n, m in METHODS.items())
        raise ValueError(f"no method {name!r}; expected one of\n{rows}")
    return METHODS[name]


def choose_options(args, settings, method) -> dict:
    """Lay the flags over the method's and the model's own choices."""
    from reasoning_from_scratch.llm import SamplingConfig

    flags = {
        name: getattr(args, name)
        for name in SAMPLING_FLAGS
        if getattr(args, name) is not None
    }
    row = {"temperature": method.temperature}
    is_greedy = flags.get("temperature") == 0  # the row's filters go, too
    if method.temperature > 0 and not is_greedy:
        row = {name: getattr(settings, name) for name in SAMPLING_FLAGS}
    return {
        "prompt": settings.prompts.get(args.prompt, args.prompt),
        "num_samples": args.samples or method.num_samples,
        "sampling": SamplingConfig(**{**row, **flags}),
        "max_new_tokens": args.max_new_tokens or settings.max_new_tokens,
        "batch_size": args.batch_size or settings.batch_size,
        "seed": args.seed,
    }


def start_run(args, settings, problems, options):
    """Open the run folder, with all that the records depend on."""
    from reasoning_from_scratch.evaluation.problems import problems_digest
    from reasoning_from_scratch.evaluation.prompts import find_template
    from reasoning_from_scratch.runs import RunFolder

    config = {
        "command": "evaluate",
        "model": args.model or default_model(),
        "revision": args.revision,
        "problems": args.problems or settings.problems,
        "split": args.split,
        "num_problems": len(problems),
        "problems_hash": problems_digest(problems),
        "method": args.method,
        "template": find_template(options["prompt"]),
        **options,
        "sampling": asdict(options["sampling"]),
        "device": args.device,
        "dtype": args.dtype,
    }
    if args.verifier:
        config["verifier"] = args.verifier
    if args.samples_of:
        config["samples_of"] = args.samples_of
        check_samples_fit(args.samples_of, config)
    if args.run is None:
        if args.resume:
            raise ValueError("--resume needs --run NAME to go on with")
        return RunFolder.numbered("evaluate", config)
    return RunFolder.create(args.run, config, resume=args.resume)


def check_samples_fit(name: str, config: dict) -> None:
    """Raise a ValueError if that run's samples are not what this one draws."""
    source = open_evaluated(name).config
    for key in SHARED:
        if source.get(key) != config[key]:
            raise ValueError(
                f"the samples of {name} were drawn with {key} "
                f"{source.get(key)!r}, this run wants {config[key]!r}; "
                "repeat the flags of that run"
            )


def describe_result(result) -> str:
    """Write an EvalResult in a few lines."""
    lines = [
        f"accuracy    {describe_accuracy(result.summary())} on "
        f"{result.num_problems:,} problems",
        f"tokens      {result.mean_tokens:.1f} a problem, "
        f"{100 * result.truncated:.1f} % cut short, "
        f"{result.tokens_per_second:,.0f} a second",
    ]
    if result.num_errors:
        lines.append(f"errors      {result.num_errors}, counted as wrong")
    for name, groups in (
        ("level", result.by_level),
        ("subject", result.by_subject),
    ):
        for key, group in groups.items():
            lines.append(f"{name:<11} {describe_accuracy(group)}  {key}")
    for name, curve in (
        ("pass@k", result.pass_at_k),
        ("maj@k", result.majority_at_k),
    ):
        if curve:
            points = (f"{k}: {100 * v:.1f} %" for k, v in curve.items())
            lines.append(f"{name:<11} {'   '.join(points)}")
    if result.avg_at_n is not None:
        lines.append(f"one sample  {100 * result.avg_at_n:.1f} %")
    return "\n".join(lines)
