"""Collect a teacher's worked answers to training problems.

    rfs teach --model pocket-teacher --prompt direct --limit 3000 --run traces
    rfs teach --endpoint http://localhost:8000/v1 --model qwen3-8b \\
        --problems math-train --limit 1000 --run traces-8b

The answers go into runs/NAME/traces.jsonl as they come in. An endpoint's key
is read from the environment: OPENAI_API_KEY, or --endpoint-key-variable.
"""

from .. import training
from ..endpoints import EndpointClient, EndpointSettings
from ..evaluation.problems import load_problems, refuse_test_problems
from ..options import add_options, given_options
from ..settings import get_settings
from . import flags

FLAGS = f"""{flags.ANSWER_FLAGS}{flags.DATA_FLAGS}
--limit N        only the first so many problems
--prompt NAME=step-by-step   how the problems are put
--samples N=1    answers a problem
--seed K=0       repeats the same answers
--endpoint URL   of an OpenAI-compatible server, where the teacher runs
"""
TOLD = "command model endpoint problems split limit samples seed"
CHAT_ROW = "qwen3-0.6b"  # whose settings any model behind an endpoint gets


def add_arguments(parser) -> None:
    """Declare the flags of an endpoint."""
    add_options(parser, EndpointSettings, prefix="endpoint_")


def run(args) -> int:
    """Ask for all answers, and count them; 1 when some are missing."""
    settings = get_settings(CHAT_ROW if args.endpoint else args.model)
    args.problems = flags.choose_problems(args, settings)
    problems = load_problems(args.problems, split=args.split, limit=args.limit)
    refuse_test_problems(problems)
    sampling = flags.choose_sampling(settings, args)
    asked = {
        "prompt": flags.choose_prompt(args.prompt, settings),
        "max_new_tokens": args.max_new_tokens or settings.max_new_tokens,
    }
    teacher = open_teacher(args, sampling, **asked)
    for name in ("temperature", "top_p", "top_k"):
        asked[name] = getattr(sampling, name)
    about = flags.describe_run(args, TOLD, asked, problems)
    with flags.new_run(args, about) as folder:
        traces = training.generate_teacher_traces(
            teacher, problems, num_samples=args.samples, run=folder
        )
    kept, counts = training.filter_traces(traces)
    dropped = ", ".join(f"{count} {name}" for name, count in counts.items())
    num_tokens = sum(trace.num_tokens for trace in traces)
    print(
        f"{len(traces):,} answers of {num_tokens:,} tokens, {len(kept):,} "
        f"to learn from ({dropped})\n"
        f"use them: rfs distill --traces {folder.path} --run NAME"
    )
    errors = [trace.error for trace in traces if trace.error]
    missing = [getattr(teacher, "stopped", "")]
    if errors:
        missing.append(f"{len(errors):,} failed, the first with: {errors[0]}")
    for line in filter(None, missing):
        print(f"{line}; --resume asks for what is missing")
    return int(any(missing))


def open_teacher(args, sampling, *, prompt, max_new_tokens):
    """The model behind the endpoint, or the one on this machine."""
    if args.endpoint:
        chosen = given_options(args, EndpointSettings, prefix="endpoint_")
        settings = EndpointSettings(args.endpoint, args.model, **chosen)
        return training.EndpointTeacher(
            EndpointClient(settings),
            prompt=prompt,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=max_new_tokens,
        )
    return training.LocalTeacher(
        *flags.open_model(args, max_new_tokens),
        name=args.model,
        prompt=prompt,
        sampling=sampling,
        max_new_tokens=max_new_tokens,
        seed=args.seed,
        batch_size=get_settings(args.model).batch_size,
    )
