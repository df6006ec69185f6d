"""Measure a model on a problem set.

    rfs evaluate --prompt step-by-step --run steps
    rfs evaluate --prompt step-by-step --method self-consistency --run votes

Leaves runs/NAME with result.json and a record a problem. After Ctrl-C or a
kill, the same command with --resume goes on and ends in the same records.
"""

from dataclasses import asdict

from .. import scaling
from ..evaluation.evaluate import check_samples, evaluate
from ..evaluation.problems import load_problems
from ..evaluation.prompts import find_template
from ..scaling import choosing
from ..scaling.samples import read_samples
from ..settings import get_settings
from . import flags

FLAGS = f"""{flags.ANSWER_FLAGS}{flags.WEIGHTS_FLAG}{flags.MEMORY_FLAG}
--revision NAME  of a model on the Hub
--problems SET   pocketmath, math500, gsm8k, math-train or a JSONL file
                 (default: the model's)
--split {{train,validation,test}}=test   of the problem set
--limit N        only the first so many
--prompt NAME=direct   direct, step-by-step, another name of the prompt table,
                 a file, or a template with {{problem}} in it
--method NAME=greedy   greedy, sample, self-consistency, best-of-n,
                 self-refine, …; "list" tells of each
--samples N      answers to a problem (default: the method's)
--samples-of RUN   choose among the samples of this run, drawing only what is
                 missing; same model, prompt, sampling and seed
--verifier RUN   of a method that asks one (default: runs/verifier)
--top-p X        of sampling: the likeliest tokens of this probability
--top-k K        of sampling: the so many likeliest tokens; 0 keeps all
--batch-size N   rows at once (default: the model's)
--seed K=0       repeats the same samples
--run NAME       name of its folder (default: numbered)
--resume         go on with the run of that name
"""
TOLD = "command model revision problems split method device dtype"
# What two runs must share for one's samples to be the other's
SHARED = """model revision weights problems split template sampling
            max_new_tokens seed"""


def run(args) -> None:
    """Evaluate, and print the summary."""
    if args.method == "list":
        rows = scaling.METHODS.items()
        return print(*(f"{n:<28} {m.summary}" for n, m in rows), sep="\n")
    if args.resume and args.run is None:
        raise ValueError("--resume needs --run NAME to go on with")
    if args.method not in scaling.METHODS:
        known = ", ".join(scaling.METHODS)
        raise ValueError(f"no method {args.method!r}; there are {known}")
    settings, method = get_settings(args.model), scaling.METHODS[args.method]
    if args.verifier:
        method = method.judged_by(args.verifier)
    options = choose_options(args, settings, method)
    args.problems = args.problems or settings.problems
    problems = load_problems(args.problems, split=args.split, limit=args.limit)
    config = describe_evaluation(args, problems, options)
    if args.samples_of:
        method = method.reusing(fitting_samples(args.samples_of, config))
    model = flags.open_model(args, options["max_new_tokens"])
    rows = flags.fit_decoding(args, model, problems, options)
    config["batch_size"] = options["batch_size"] = rows
    if method.draw is choosing.draw_and_verify:  # is there a head for it?
        verifier = args.verifier or choosing.VERIFIER
        choosing.load_head(verifier, model[0].config.hidden_size)
    with flags.new_run(args, config, changeable=["batch_size"]) as folder:
        options |= {"method": method, "run": folder}
        try:
            result = evaluate(*model, problems, **options)
        except (KeyboardInterrupt, MemoryError):
            print(f"\nto go on, add: --run {folder.path.name} --resume")
            raise
    print(*describe_result(result), sep="\n")
    print(f"records     {folder.path / 'records.jsonl'}")


def choose_options(args, settings, method) -> dict:
    """Lay the flags over the method's and the model's own choices."""
    is_sampled = method.temperature > 0
    sampling = flags.choose_sampling(settings, args, is_sampled=is_sampled)
    num_samples = args.samples or method.num_samples
    if not method.is_sequential:
        check_samples(num_samples, sampling)
    return {
        "prompt": flags.choose_prompt(args.prompt, settings),
        "num_samples": num_samples,
        "sampling": sampling,
        "max_new_tokens": args.max_new_tokens or settings.max_new_tokens,
        "batch_size": args.batch_size or settings.batch_size,
        "seed": args.seed,
    }


def describe_evaluation(args, problems, options) -> dict:
    """All that the records depend on."""
    about = options | {
        "num_problems": len(problems),
        "template": find_template(options["prompt"]),
        "sampling": asdict(options["sampling"]),
    }
    for name in ("verifier", "samples_of", "weights"):
        if getattr(args, name):
            about[name] = getattr(args, name)
    return flags.describe_run(args, TOLD, about, problems)


def fitting_samples(name: str, config: dict):
    """The samples of a run, if they are what this one would draw."""
    source, records = flags.open_evaluated(name)
    for key in SHARED.split():
        theirs, ours = source.config.get(key), config.get(key)
        if theirs != ours:
            raise ValueError(
                f"the samples of {name} were drawn with {key} {theirs!r}, "
                f"this run wants {ours!r}; repeat the flags of that run"
            )
    return read_samples(records)


def describe_result(result):
    """Yield the lines that tell an EvalResult."""
    accuracy = flags.describe_accuracy(result.summary())
    yield f"accuracy    {accuracy} on {result.num_problems:,} problems"
    yield (
        f"tokens      {result.mean_tokens:.1f} a problem, "
        f"{100 * result.truncated:.1f} % cut short, "
        f"{result.tokens_per_second:,.0f} a second"
    )
    if result.num_errors:
        yield f"errors      {result.num_errors}, counted as wrong"
    for name in ("level", "subject"):
        for key, group in getattr(result, f"by_{name}").items():
            yield f"{name:<11} {flags.describe_accuracy(group)}  {key}"
    curves = {"pass@k": result.pass_at_k, "maj@k": result.majority_at_k}
    for name, curve in curves.items():
        if curve:
            points = (f"{k}: {100 * v:.1f} %" for k, v in curve.items())
            yield f"{name:<11} {'   '.join(points)}"
    if result.avg_at_n is not None:
        yield f"one sample  {100 * result.avg_at_n:.1f} %"
