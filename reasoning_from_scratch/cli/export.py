"""Write a model as a folder that other programs open.

    rfs export runs/reasoner exported/reasoner
    rfs export qwen3-0.6b-base exported/qwen --dtype float32
    rfs export runs/reasoner exported/reasoner --push-to me/my-reasoner

The folder is in the official layout. It is opened again and must give the
same logits before anything is said or uploaded. The model card says what the
run's configuration and the measured rows say, and names what is not known.
"""

from dataclasses import dataclass, field
from pathlib import Path

from reasoning_from_scratch.results import is_measured, load_results
from reasoning_from_scratch.runs import RunFolder, find_run, runs_root
from reasoning_from_scratch.settings import get_settings

PROBLEM = "What is 1/2 + 1/3?"
METHODS = {
    "grpo": "reinforcement learning with verifiable rewards (GRPO)",
    "distill": "distillation: supervised learning on a teacher's traces",
    "pretrain": "pre-training on a generated corpus of maths documents",
}
# Keys of a run's configuration that a card tells, where they are there
TOLD = (
    "problems",
    "traces",
    "variant",
    "reward",
    "prompt",
    "steps",
    "epochs",
    "learning_rate",
    "seed",
)


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument("model", help="a name, runs/NAME, folder or Hub id")
    parser.add_argument("folder", help="where to")
    parser.add_argument(
        "--dtype", help="float32 | bfloat16 | float16 (default: as it is)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the model there"
    )
    parser.add_argument(
        "--push-to",
        metavar="OWNER/NAME",
        help="upload it to the Hub as well, as a private model",
    )


def run(args) -> None:
    """Export, check, describe, upload."""
    from reasoning_from_scratch.files import atomic_write_text
    from reasoning_from_scratch.llm import load_model, save_model

    folder = Path(args.folder)
    model, tokenizer = load_model(args.model, device="cpu", dtype=args.dtype)
    save_model(model, tokenizer, folder, overwrite=args.overwrite)
    check_export(model, tokenizer, folder)
    repo_id = args.push_to or str(folder)
    description = describe_model(args.model, model, tokenizer)
    card = write_card(description, repo_id)
    atomic_write_text(folder / "README.md", card)
    print(f"{folder} gives the same logits as {args.model}. To use it:\n")
    print(how_to_use(description, repo_id))
    if args.push_to:
        from reasoning_from_scratch.llm.hub import upload_model

        print(f"uploaded to {upload_model(folder, args.push_to)}")


def check_export(model, tokenizer, folder) -> None:
    """Open the folder again and compare token ids and logits.

    Raises:
        ValueError: they differ; the folder must not be used.
    """
    import torch

    from reasoning_from_scratch.llm import load_model

    again, tokenizer_again = load_model(folder, device="cpu")
    token_ids = tokenizer.encode(PROBLEM)
    if tokenizer_again.encode(PROBLEM) != token_ids:
        raise ValueError(f"the tokenizer saved in {folder} differs")
    batch = torch.tensor([token_ids])
    with torch.inference_mode():
        difference = (again.to(model.dtype)(batch) - model(batch)).abs().max()
    if not difference <= 1e-4:  # NaN is refused too
        raise ValueError(
            f"the model saved in {folder} differs: its logits are off by "
            f"{difference:.2g}"
        )


@dataclass
class ModelDescription:
    """What a card tells.

    Attributes:
        name: as `load_model` takes it.
        num_parameters: trainable numbers.
        dtype: of the weights, e.g. "bfloat16".
        prompt: the text that puts PROBLEM to it.
        max_new_tokens: room for an answer.
        config: of the run that made the model; empty if none did.
        results: rows with accuracy, low, high, problems, method,
            mean_tokens.
    """

    name: str
    num_parameters: int
    dtype: str
    prompt: str
    max_new_tokens: int
    config: dict = field(default_factory=dict)
    results: list[dict] = field(default_factory=list)

    @property
    def base(self):
        """The model that the run started from."""
        return self.config.get("model")


def describe_model(name, model, tokenizer) -> ModelDescription:
    """Gather what is known of a model.

    Args:
        name: what was exported, as `load_model` took it.
        model, tokenizer: as `load_model` gave them.
    """
    from reasoning_from_scratch.evaluation.prompts import render_prompt

    name = name.rstrip("/")
    settings = get_settings(name)
    prompt = settings.prompts["step-by-step"]
    return ModelDescription(
        name=name,
        num_parameters=model.config.num_parameters,
        dtype=str(model.dtype).removeprefix("torch."),
        prompt=render_prompt(prompt, PROBLEM, tokenizer),
        max_new_tokens=settings.max_new_tokens,
        config=_run_config(name),
        results=[*_rows(name), *_evaluation_runs(name)],
    )


def write_card(description, repo_id) -> str:
    """The text of README.md.

    Args:
        description: a `ModelDescription`.
        repo_id: the Hub id or folder that the reader will load.
    """
    title = repo_id.rstrip("/").rsplit("/", 1)[-1]
    return "\n".join(
        [
            _front_matter(description),
            f"# {title}\n",
            _summary(description),
            "## How it was made\n",
            _making(description),
            "## Results\n",
            _results(description.results),
            "## How to use it\n",
            how_to_use(description, repo_id),
        ]
    )


def how_to_use(description, repo_id) -> str:
    """Snippets for transformers and vLLM."""
    return f"""\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{repo_id}")
model = AutoModelForCausalLM.from_pretrained("{repo_id}")
prompt = {description.prompt!r}
inputs = tokenizer(prompt, return_tensors="pt")
output = model.generate(**inputs, max_new_tokens={description.max_new_tokens})
print(tokenizer.decode(output[0], skip_special_tokens=True))
```

```bash
vllm serve {repo_id}
rfs ask "{PROBLEM}" --model {repo_id}
```
"""


def _front_matter(description):
    """The YAML block that the Hub reads."""
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags: [qwen3, reasoning, reasoning-from-scratch]",
    ]
    hub_id = _hub_id(description.base or description.name)
    if hub_id:
        lines.append(f"base_model: {hub_id}")
    return "\n".join([*lines, "---\n"])


def _hub_id(name):
    from reasoning_from_scratch.llm.weights import HUB_IDS

    return HUB_IDS.get(name, name if name.startswith("Qwen/") else None)


def _summary(description):
    return (
        f"A Qwen3-architecture language model of "
        f"{description.num_parameters:,} parameters in {description.dtype}, "
        f"exported from `{description.name}` with `reasoning_from_scratch`.\n"
    )


def _making(description):
    """Base, method and data, as the run's configuration has them."""
    config = description.config
    if not config:
        return f"The weights are those of `{description.name}`, unchanged.\n"
    command = config.get("command", "unknown")
    lines = [
        f"- base: `{description.base or 'none: trained from random weights'}`",
        f"- method: {METHODS.get(command, command)}",
    ]
    lines += [f"- {key}: `{config[key]}`" for key in TOLD if key in config]
    return "\n".join(lines) + "\n"


def _results(rows):
    """A table of accuracies, each with its interval."""
    if not rows:
        return (
            "Not measured. `rfs evaluate --model …` measures it, and the "
            "next `rfs export` writes the figures here.\n"
        )
    lines = [
        "| problems | prompt and method | accuracy | 95 % interval | tokens |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = 100 * row["low"], 100 * row["high"]
        lines.append(
            f"| {row['problems']} | {row['method']} "
            f"| {100 * row['accuracy']:.1f} % | {low:.1f}–{high:.1f} % "
            f"| {row['mean_tokens']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _run_config(name):
    """The configuration of the run that a name means; {} if it is none."""
    try:
        run = RunFolder.open(find_run(name))
    except FileNotFoundError:
        return {}
    return run.config if run.checkpoint_steps() else {}


def _rows(name):
    """The measured rows of results/ that are about a model."""
    return [
        row
        for row in load_results().values()
        if row["model"] == name and is_measured(row) and "accuracy" in row
    ]


def _evaluation_runs(name):
    """The finished `rfs evaluate` runs of a model, as rows."""
    rows = []
    for path in sorted(runs_root().glob("*/result.json")):
        run = RunFolder.open(path.parent)
        if run.config.get("model") == name:
            rows.append(_row_of_run(run.config, run.read_json("result.json")))
    return rows


def _row_of_run(config, result):
    problems = f"{config['problems']} {config['split']}"
    prompt = config["prompt"] if config["prompt"].isprintable() else "own"
    return result | {
        "problems": f"{problems} ({result['num_problems']:,})",
        "method": f"{prompt}, {config['method']}",
    }
