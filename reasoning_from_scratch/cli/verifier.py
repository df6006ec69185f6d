"""Train a verifier: a small head that tells right from wrong samples.

    rfs teach --limit 1500 --samples 8 --run samples
    rfs teach --split validation --samples 8 --run unseen
    rfs verifier --traces runs/samples --validation runs/unseen --run verifier
    rfs evaluate --method best-of-n-verifier --prompt step-by-step

The model is frozen; the head learns from its samples of the train split and
is measured on those of the validation split.
"""

from .. import training
from ..options import given_options
from ..training.config import VerifierConfig
from . import flags

FLAGS = f"""{flags.MODEL_FLAGS}
--traces RUN!      samples to learn from: of rfs teach
--validation RUN!  samples to measure with
{flags.RUN_FLAGS}"""
CONFIGS = (VerifierConfig,)


def run(args) -> None:
    """Train, measure, save."""
    from ..training import learned_verifier

    config = VerifierConfig(**given_options(args, VerifierConfig))
    traces, unseen = map(training.read_traces, (args.traces, args.validation))
    learned_verifier.refuse_single_samples(traces, args.traces)
    learned_verifier.refuse_single_samples(unseen, args.validation)
    read = learned_verifier.trace_features
    model = flags.open_model(args)
    about = flags.describe_run(args, "command model traces validation", config)
    with flags.new_run(args, about) as folder:
        head, losses = training.train_head(*read(*model, traces), config)
        features = read(*model, unseen)
        result = learned_verifier.measure_head(head, unseen, *features)
        rows = [{"epoch": n, "loss": x} for n, x in enumerate(losses, start=1)]
        folder.rewrite("metrics.jsonl", rows)
        learned_verifier.save_head(head, folder.path)
        folder.write_json("result.json", result)
    print(describe(result))
    print(f"use it: rfs evaluate --verifier runs/{folder.path.name} …")


def describe(result) -> str:
    """The AUCs with their intervals, a line a scorer."""
    lines = [f"{result['num_samples']:,} samples of unseen problems; AUC:"]
    for scorer in ("verifier", "mean_logprob"):
        report = result[scorer]
        cells = [
            f"{name} unknown, as all are right or all wrong"
            if report[key] is None
            else f"{name} {report[key]:.3f} "
            f"({report[f'{key}_low']:.3f} to {report[f'{key}_high']:.3f})"
            for name, key in (("all pairs", "auc"), ("one problem", "within"))
        ]
        lines.append(f"  {scorer:<13} {'   '.join(cells)}")
    return "\n".join(lines)
