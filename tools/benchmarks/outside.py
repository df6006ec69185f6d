"""Our texts and verdicts beside transformers' and lm-evaluation-harness'.

    rfs bench outside texts --model runs/qwen2.5-coder-0.5b-instruct
    rfs bench outside scores --run runs/real-gsm8k-step-by-step

`texts` answers the first problems of GSM8K greedily in float32, with our
`generate` and with transformers', and follows each difference to its first
token: there the two likeliest tokens must be a tie. What is done is kept in
--keep and not done again. `scores` judges the responses of an evaluation's
run by the harness' own filters of its GSM8K task, beside our verdicts, and
prints every disagreement to be read. Both end in a line of JSON.

Needs transformers, or lm_eval: tools of this comparison, not of the package.
"""

import argparse
import json
from pathlib import Path

import torch

from reasoning_from_scratch import load_model, load_problems
from reasoning_from_scratch.evaluation.prompts import render_prompt
from reasoning_from_scratch.evaluation.records import grade_record
from reasoning_from_scratch.llm import generate
from reasoning_from_scratch.llm.weights import find_model_folder
from reasoning_from_scratch.runs import RunFolder, find_run
from reasoning_from_scratch.settings import get_settings

TIE = 1e-3  # logits of the two tokens are nearer; both engines: 3e-5 apart


# ---- The same texts? ----


def compare_texts(args) -> dict:
    """Answer the problems twice and explain what differs."""
    problems = load_problems("gsm8k", limit=args.problems)
    prompt = get_settings(args.model).prompts["step-by-step"]
    kept = Path(args.keep)
    done = [json.loads(x) for x in _lines(kept)]
    model, tokenizer = load_model(args.model, dtype="float32")
    theirs = _transformers_model(args.model)
    for start in range(len(done), len(problems), args.batch_size):
        block = problems[start : start + args.batch_size]
        prompts = [render_prompt(prompt, p, tokenizer) for p in block]
        ours = generate(
            model, tokenizer, prompts, max_new_tokens=args.max_new_tokens
        )
        other = _their_tokens(theirs, tokenizer, prompts, args.max_new_tokens)
        rows = [
            {"id": p.id, "prompt": text, "ours": a.token_ids, "theirs": b}
            for p, text, a, b in zip(block, prompts, ours, other, strict=True)
        ]
        with kept.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        done += rows
        print(f"{len(done)} of {len(problems)} answered twice", flush=True)
    different = [row for row in done if row["ours"] != row["theirs"]]
    gaps = [_first_gap(model, tokenizer, row) for row in different]
    return {
        "benchmark": "outside texts",
        "problems": len(done),
        "same": len(done) - len(different),
        "tokens": sum(len(row["ours"]) for row in done),
        "gaps": gaps,
        "unexplained": sum(gap > TIE for gap in gaps),
    }


def _transformers_model(name):
    from transformers import AutoModelForCausalLM

    folder = find_model_folder(name)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _their_tokens(model, tokenizer, prompts, max_new_tokens) -> list:
    """transformers' greedy completions, each with its stop token."""
    token_ids, mask = tokenizer.pad_left(list(map(tokenizer.encode, prompts)))
    with torch.inference_mode():
        whole = model.generate(
            token_ids,
            attention_mask=mask.long(),
            do_sample=False,
            max_new_tokens=max_new_tokens,
            eos_token_id=list(tokenizer.stop_ids),
            pad_token_id=tokenizer.pad_id,
        )
    completions = []
    for row in whole[:, token_ids.shape[1] :].tolist():
        stops = [i for i, x in enumerate(row) if x in tokenizer.stop_ids]
        completions.append(row[: stops[0] + 1] if stops else row)
    return completions


@torch.inference_mode()
def _first_gap(model, tokenizer, row) -> float:
    """How far apart the two tokens were where the texts part, in logits."""
    pairs = zip(row["ours"], row["theirs"], strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    if place is None:  # one is the other's beginning
        return float("inf")
    read = tokenizer.encode(row["prompt"]) + row["ours"][:place]
    logits = model(torch.tensor([read]), last_only=True)[0, -1]
    gap = float(logits[row["ours"][place]] - logits[row["theirs"][place]])
    print(f"{row['id']}: token {place}, logits {gap:.6f} apart")
    return abs(gap)


# ---- The same verdicts? ----


def compare_scores(args) -> dict:
    """Judge a run's responses by both scorers and print disagreements."""
    run = RunFolder.open(find_run(args.run))
    records = list(map(grade_record, run.read("records.jsonl")))
    card = {"benchmark": "outside scores", "problems": len(records)}
    task = _harness_task()
    for name, answers in _harness_answers(task, records).items():
        verdicts = [_is_exact(task, *pair) for pair in answers]
        pairs = list(zip(records, answers, verdicts, strict=True))
        wrong = [x for x in pairs if x[0]["correct"] != x[2]]
        card[name] = {
            "right": sum(verdicts),
            "ours only": sum(record["correct"] for record, *_ in wrong),
            "theirs only": sum(not record["correct"] for record, *_ in wrong),
        }
        if name == args.read:
            for record, (answer, _), _ in wrong:
                print(f"{record['id']}: reference {record['reference']!r}")
                print(f"  ours {record['answer']!r}, theirs {answer!r}")
                print(f"  …{record['response'][-args.tail :]!r}")
    return card | {"ours": sum(r["correct"] for r in records)}


def _harness_task() -> dict:
    """The GSM8K task as the harness ships it."""
    import lm_eval
    import yaml

    folder = Path(lm_eval.__file__).parent / "tasks" / "gsm8k"
    return yaml.safe_load((folder / "gsm8k.yaml").read_text("utf-8"))


def _harness_answers(task, records) -> dict:
    """Filter's name -> (their answer, reference) of every record."""
    from lm_eval.api.instance import Instance
    from lm_eval.filters import build_filter_ensemble

    found = {}
    for each in task["filter_list"]:
        steps = [
            (step["function"], {k: step[k] for k in step if k != "function"})
            for step in each["filter"]
        ]
        instances = []
        for number, record in enumerate(records):
            instance = Instance("generate_until", {}, ("", {}), number)
            instance.resps = [record["response"]]
            instances.append(instance)
        build_filter_ensemble(each["name"], steps).apply(instances)
        found[each["name"]] = [
            (instance.filtered_resps[each["name"]], record["reference"])
            for instance, record in zip(instances, records, strict=True)
        ]
    return found


def _is_exact(task, answer, reference) -> bool:
    """The harness' metric with the options of its task."""
    from lm_eval.api.metrics import exact_match_fn

    (metric,) = task["metric_list"]
    names = ("ignore_case", "ignore_punctuation", "regexes_to_ignore")
    options = {name: metric[name] for name in names}
    score = exact_match_fn(
        predictions=[answer], references=[reference], **options
    )
    return bool(score["exact_match"])


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def main():
    """Compare, print what differs, end with a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("texts", "scores"))
    parser.add_argument("--model", default="qwen2.5-coder-0.5b-instruct")
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--max-new-tokens", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=25)
    parser.add_argument("--keep", default="runs/outside-texts.jsonl")
    parser.add_argument("--run", default="runs/real-gsm8k-step-by-step")
    parser.add_argument("--read", default="flexible-extract")
    parser.add_argument("--tail", type=int, default=160)
    args = parser.parse_args()
    compare = {"texts": compare_texts, "scores": compare_scores}[args.what]
    print(json.dumps(compare(args)))


if __name__ == "__main__":
    main()
