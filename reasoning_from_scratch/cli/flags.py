"""What several commands share: flags, what is checked first, last words."""

import shutil
import sys
import unicodedata
from contextlib import contextmanager
from dataclasses import asdict, replace

from .. import llm, memory
from ..evaluation.problems import TRAINING_SETS, problems_digest
from ..evaluation.prompts import find_template, render_prompt
from ..evaluation.records import read_records
from ..runs import RunFolder, find_run, runs_root

MODEL_FLAGS = """
--model NAME     a name, runs/NAME, folder or Hub id (default: RFS_MODEL, else
                 pocket)
--device NAME    cpu, cuda, mps, … (default: the best there is)
--dtype NAME     float32, bfloat16 or float16 (default: the device's)
"""
MEMORY_FLAG = """
--memory N       GB to fit into, as 6, 8, 12 or 24: chooses micro-batches,
                 rows decoded together, checkpointing (default: the GPU's)
"""
# Of a model that only answers
ANSWER_FLAGS = f"""{MODEL_FLAGS}
--temperature X  0: the likeliest token (default: the method's or model's)
--max-new-tokens N   room for an answer (default: the model's)
"""
WEIGHTS_FLAG = """
--weights {int8,int4}   round the model's matrices: smaller, faster on a CPU
"""
RUN_FLAGS = """
--run NAME!      name of its folder
--resume         go on with the run of that name
"""
DATA_FLAGS = f"""
--problems SET   a set with a train split, or a JSONL file
--split {{train,validation,test}}=train   of the set; test is refused
{RUN_FLAGS}"""
TRAINING_FLAGS = MODEL_FLAGS + DATA_FLAGS
# What a run folder holds before its work has begun
PREPARED = {"config.json", "filters.json"}
# Line ends, tabs, and the joiners that scripts and emoji are written with
KEPT = "\n\t\u200c\u200d"
HIDDEN = ("Cc", "Cf", "Cs")  # controls, bidirectional tricks, surrogates


# ---- Checked before anything is made ----


def choose_prompt(name: str, settings) -> str:
    """What a model calls a prompt; one that there is not is refused."""
    prompt = settings.prompts.get(name, name)
    find_template(prompt)
    return prompt


def choose_sampling(settings, args=None, *, is_sampled=True):
    """A model's way to sample, or the likeliest token, under the flags."""
    names, chosen = ("temperature", "top_p", "top_k"), {}
    given = {name: getattr(args, name, None) for name in names}
    if is_sampled and given["temperature"] != 0:
        chosen = {name: getattr(settings, name) for name in names}
    chosen |= {name: x for name, x in given.items() if x is not None}
    return llm.SamplingConfig(**chosen)


def choose_problems(args, settings) -> str:
    """The problem set to train on; one of a test split is refused."""
    if args.split == "test":
        raise ValueError(
            "training on a test split would make its accuracy worthless; "
            "leave out --split, or name train or validation"
        )
    own = settings.problems
    return args.problems or TRAINING_SETS.get(own, own)


def open_model(args, max_new_tokens: int = 1):
    """The model and tokenizer that the flags name, with room for an answer."""
    names = ("device", "dtype", "revision", "weights")
    options = {name: getattr(args, name, None) for name in names}
    model, tokenizer = llm.load_model(args.model, **options)
    room = model.config.max_position_embeddings
    if max_new_tokens >= room:
        raise ValueError(
            f"answers of {max_new_tokens:,} tokens leave no room for the "
            f"problem in the model's {room:,} positions; lower "
            "--max-new-tokens"
        )
    return model, tokenizer


def fit_training(args, config, model, problems, teacher_bytes=0):
    """The config, changed to fit the memory that --memory or a GPU has."""
    model, tokenizer = model
    room = _gigabytes(args, model)
    if room is None:
        return config
    names = vars(config).keys()
    fixed = [n for n in names if getattr(args, n, None) is not None]
    if args.resume and (runs_root() / args.run / "config.json").is_file():
        begun = RunFolder.open(runs_root() / args.run).config
        kept = names & {"track_kl", "moments"} & begun.keys()
        config = replace(config, **{name: begun[name] for name in kept})
        fixed += kept
    fitted, peak = memory.fit_training(
        model.config,
        config,
        room,
        weight_bytes=model.dtype.itemsize,
        prompt_tokens=_longest_prompt(config.prompt, problems, tokenizer),
        frozen_bytes=teacher_bytes,
        fixed=fixed,
    )
    chosen = sorted(vars(fitted).items() - vars(config).items())
    _tell_memory(args, model, dict(chosen), peak)
    return fitted


def fit_decoding(args, model, problems, options) -> int:
    """Rows decoded together: the model's, halved to fit --memory or a GPU."""
    model, tokenizer = model
    room, rows = _gigabytes(args, model), options["batch_size"]
    if room is None or args.batch_size:
        return rows
    longest = _longest_prompt(options["prompt"], problems, tokenizer)
    fitting, peak = memory.fit_decoding(
        model.config,
        room,
        rows=rows,
        tokens=longest + options["max_new_tokens"],
        weight_bytes=model.dtype.itemsize,
    )
    _tell_memory(args, model, {"batch_size": fitting}, peak)
    return fitting


def _longest_prompt(prompt, problems, tokenizer) -> int:
    """Tokens of the prompt of the problem with the most characters."""
    longest = max(problems, key=lambda problem: len(problem.problem))
    return len(tokenizer.encode(render_prompt(prompt, longest, tokenizer)))


def _gigabytes(args, model) -> float | None:
    """The memory to plan with; None: nobody says how much there is."""
    from ..device import total_memory

    if args.memory or model.device.type == "cpu":
        return args.memory
    return total_memory(model.device) / 2**30


def _tell_memory(args, model, chosen, peak) -> None:
    said = ", ".join(f"{n.replace('_', ' ')} {x}" for n, x in chosen.items())
    print(
        f"memory      {_gigabytes(args, model):.0f} GB "
        f"({'--memory' if args.memory else model.device}): "
        f"{said or 'all fits'}; predicted peak {peak / 2**30:.2f} GB"
    )


def describe_run(args, told: str, config, problems=()) -> dict:
    """What a run's result depends on: flags by name, problems, the config."""
    about = {name: getattr(args, name) for name in told.split()}
    if problems:
        about["problems_hash"] = problems_digest(problems)
    return about | (config if isinstance(config, dict) else asdict(config))


@contextmanager
def new_run(args, config, *, create=None, changeable=memory.MEMORY_SETTINGS):
    """Open the run's folder, a numbered one where the run has no name.

    --resume may bring other `changeable` settings. A job that fails before
    it has written a thing must not use up the name.
    """
    if args.run is None:
        folder = RunFolder.numbered(args.command, config)
    else:
        options = {"resume": args.resume, "changeable": changeable}
        folder = (create or RunFolder.create)(args.run, config, **options)
    try:
        yield folder
    except Exception:
        written = {path.name for path in folder.path.glob("[!.]*")}
        if not args.resume and written <= PREPARED:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise


def open_evaluated(name: str) -> tuple[RunFolder, list[dict]]:
    """The run of an evaluation, by path or by name, and its records."""
    folder = RunFolder.open(find_run(name))
    if not (folder.path / "records.jsonl").is_file():
        raise FileNotFoundError(
            f"{folder.path} holds no records.jsonl; expected a run of "
            "rfs evaluate"
        )
    return folder, read_records(folder)


# ---- What is printed ----


def printable(text: str) -> str:
    """Make control characters visible, and what the screen cannot encode.

    A model's text is untrusted: they could clear or retitle a terminal.

    >>> printable("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    text = "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in HIDDEN and c not in KEPT
        else c
        for c in text
    )
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def describe_accuracy(row: dict) -> str:
    """Write an accuracy in percent with its interval."""
    low, high = 100 * row["low"], 100 * row["high"]
    interval = f"(95 % interval {low:.1f} to {high:.1f})"
    return f"{100 * row['accuracy']:5.1f} % {interval}"


def describe_training(run_folder) -> str:
    """Two lines: how accuracy moved, and how to use the result."""
    rows = [r for r in run_folder.read("metrics.jsonl") if "accuracy" in r]
    use = f"use it: rfs evaluate --model runs/{run_folder.path.name}"
    if not rows:
        return use
    best = max(rows, key=lambda row: row["accuracy"])
    first, best, last = (
        f"{row['accuracy']:.1%} at step {row['step']}"
        for row in (rows[0], best, rows[-1])
    )
    return f"validation {first}, best {best}, last {last}\n{use}"
