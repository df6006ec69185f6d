"""How fast decoding is here, beside `transformers` and beside the ceiling.

    python tools/benchmarks/generation.py
    python tools/benchmarks/generation.py --case qwen3 --new-tokens 64
    python tools/benchmarks/generation.py --case rounding --model FOLDER

Four cases: `pocket` (64 ragged prompts, 128 new tokens, on the built-in
model; once more where answers may end and finished rows leave), `qwen3`
(Qwen3-0.6B's shape with random bfloat16 weights, one prompt of 128 tokens; on
a CPU also with weights of 8 and 4 bits), `batch` (the same shape, 256
prompts; a GPU's case) and, where it is asked for, `rounding` (how far 8 and 4
bits move a model's next token, on the chapters' prose). The second and third
are also measured with the compiled step. Repeats alternate between
the candidates, so that noise hits both. Prints a card for people and ends
with one line of JSON.
"""

import argparse
import functools
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

import reasoning_from_scratch.llm.qwen3 as qwen3
from reasoning_from_scratch.llm import (
    QWEN3_CONFIGS,
    KVCache,
    Qwen3Model,
    generate,
    load_model,
    save_model,
)
from reasoning_from_scratch.llm.quantization import (
    FORMATS,
    bytes_per_token,
    measure_mv,
    quantize_model,
)

REPEATS = 5
ROOT = Path(__file__).parents[2]
ROW_OF_PROSE = 500  # tokens that are read together


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--case",
        choices=("pocket", "qwen3", "batch", "rounding", "all"),
        default="all",
    )
    parser.add_argument("--model", default="pocket", help="of rounding")
    parser.add_argument("--tokens", type=int, default=20_000, help="as well")
    parser.add_argument("--new-tokens", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    cases = {"pocket": pocket_case, "qwen3": qwen3_case, "batch": batch_case}
    rounding = functools.partial(rounding_case, args.model, args.tokens)
    if args.case == "rounding":
        cases = {"rounding": rounding}
    elif args.case != "all":
        cases = {args.case: cases[args.case]}
    elif device == "cpu":
        del cases["batch"]
    card = {"device": device, "torch": torch.__version__}
    for name, case in cases.items():
        card[name] = case(device, args.new_tokens, args.repeats)
        print(f"\n{name}")
        for key, value in card[name].items():
            print(f"  {key:32} {value:12,.3g}")
    print(json.dumps(card))


def pocket_case(device, new_tokens, repeats):
    """64 ragged prompts on the built-in model."""
    from reasoning_from_scratch.evaluation import load_problems, render_prompt

    model, tokenizer = load_model("pocket", device=device)
    problems = load_problems("pocketmath", split="validation", limit=64)
    prompts = [render_prompt("step-by-step", p) for p in problems]
    new_tokens = new_tokens or 128
    reference = as_transformers(model, tokenizer)

    def ours(stop_ids=()):
        return generate(
            model,
            tokenizer,
            prompts,
            max_new_tokens=new_tokens,
            stop_ids=stop_ids,
        )

    def theirs(stop_ids=()):
        rows = [tokenizer.encode(prompt) for prompt in prompts]
        token_ids, key_mask = tokenizer.pad_left(rows, device=model.device)
        reference_generate(
            reference, token_ids, key_mask, new_tokens, stop_ids
        )

    candidates = {"ours": ours, "transformers": theirs}
    full = compare(candidates, len(prompts) * new_tokens, repeats)
    stop_ids = tokenizer.stop_ids
    num_tokens = sum(len(output.token_ids) for output in ours(stop_ids))
    candidates = {
        name: functools.partial(decode, stop_ids)
        for name, decode in candidates.items()
    }
    stopping = compare(candidates, num_tokens, repeats)
    return full | {f"{k}, answers end": v for k, v in stopping.items()}


def qwen3_case(device, new_tokens, repeats):
    """One prompt of 128 tokens at the 0.6B shape, and its ceiling."""
    model, tokenizer = random_qwen3(device)
    new_tokens = new_tokens or (128 if device == "cpu" else 512)
    prompt = tokenizer.decode([7] * 128)
    token_ids = torch.tensor([tokenizer.encode(prompt)], device=device)
    reference = as_transformers(model)
    candidates = decoders(model, tokenizer, [prompt], new_tokens)
    models = dict.fromkeys(candidates, model)
    if device == "cpu":
        qwen3.mv_is_faster = measure_mv(torch.get_num_threads())
        for name in FORMATS:
            smaller = quantize_model(sharing(model), name)
            more = decoders(smaller, tokenizer, [prompt], new_tokens)
            for kind, decode in more.items():
                candidates[f"{kind}, {name}"] = decode
                models[f"{kind}, {name}"] = smaller

    def theirs():
        key_mask = torch.ones_like(token_ids, dtype=torch.bool)
        reference_generate(reference, token_ids, key_mask, new_tokens)

    result = compare(
        candidates | {"transformers": theirs}, new_tokens, repeats
    )
    bandwidth = memory_bandwidth(device)
    result["memory bandwidth, GB/s"] = bandwidth / 1e9
    for name, each in models.items():
        read = bytes_per_token(each) * result[f"{name}, tokens/s"]
        result[f"{name}, share of the bandwidth"] = read / bandwidth
        # A GPU's step is no series of separate calls, nor is a compiled one
        if device == "cpu" and "compiled" not in name:
            (step,) = median_seconds([decoding_step(each, token_ids)], 20)
            result[f"{name}, decoding step, ms"] = 1e3 * step
    return result


def batch_case(device, new_tokens, repeats):
    """256 prompts of 128 tokens at the 0.6B shape."""
    model, tokenizer = random_qwen3(device)
    new_tokens = new_tokens or 128
    prompts = [tokenizer.decode([7] * 128)] * 256
    candidates = decoders(model, tokenizer, prompts, new_tokens)
    return compare(candidates, len(prompts) * new_tokens, repeats)


@torch.inference_mode()
def rounding_case(name, num_tokens, device, new_tokens, repeats):
    """What fewer bits change in the next token of a model, on prose."""
    model, tokenizer = load_model(name, device=device)
    prose = [
        "".join(cell["source"])
        for path in sorted(ROOT.glob("ch0?/ch0?_*.ipynb"))
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "markdown"
    ]
    token_ids = tokenizer.encode("\n\n".join(prose))[:num_tokens]
    rows = torch.tensor(token_ids, device=device).split(ROW_OF_PROSE)
    result = {"tokens": len(token_ids)}
    for weights in FORMATS:
        rounded, _ = load_model(name, device=device, weights=weights)
        kl, same = 0.0, 0
        for row in rows:
            full = model(row[None]).float().log_softmax(dim=-1)
            other = rounded(row[None]).float().log_softmax(dim=-1)
            kl += float((full.exp() * (full - other)).sum())
            same += int((full.argmax(-1) == other.argmax(-1)).sum())
        result[f"{weights}, KL in nats"] = kl / len(token_ids)
        result[f"{weights}, same likeliest token"] = same / len(token_ids)
    return result


def decoders(model, tokenizer, prompts, new_tokens):
    """Our ways to decode: plain, and with the compiled step."""
    plain = functools.partial(
        generate,
        model,
        tokenizer,
        prompts,
        max_new_tokens=new_tokens,
        stop_ids=(),
        batch_size=len(prompts),
    )
    compiled = functools.partial(plain, compiled=True)
    return {"ours": plain, "ours, compiled": compiled}


class NumberTokenizer:
    """Token i is the character of code point i + 1: no file is needed."""

    vocab_size = 1000
    stop_ids = ()
    pad_id = 0

    def encode(self, text):
        return [ord(character) - 1 for character in text]

    def decode(self, token_ids):
        return "".join(chr(token_id + 1) for token_id in token_ids)


def random_qwen3(device):
    """Qwen3-0.6B's shape with random bfloat16 weights."""
    with torch.device("meta"):
        model = Qwen3Model(QWEN3_CONFIGS["0.6b"]).to(torch.bfloat16)
    model = model.to_empty(device=device).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.02)
            else:
                parameter.fill_(1.0)
    return model, NumberTokenizer()


def sharing(model):
    """Another model with the same weights, not copied."""
    with torch.device("meta"):
        other = Qwen3Model(model.config)
    other.load_state_dict(model.state_dict(), assign=True)
    return other.eval()


def as_transformers(model, tokenizer=None):
    """The same weights in the oracle's implementation."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    if tokenizer is not None:
        with tempfile.TemporaryDirectory() as folder:
            save_model(model, tokenizer, f"{folder}/model")
            reference = Qwen3ForCausalLM.from_pretrained(f"{folder}/model")
        return reference.to(model.device).eval()
    config = Qwen3Config(**model.config.to_hf(), dtype=model.dtype)
    with torch.device("meta"):
        reference = Qwen3ForCausalLM(config)
    state = {f"model.{k}": v for k, v in model.state_dict().items()}
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    reference.load_state_dict(state, assign=True)
    reference.model.rotary_emb = type(reference.model.rotary_emb)(config)
    return reference.to(model.device).eval()


@torch.inference_mode()
def reference_generate(
    reference, token_ids, key_mask, new_tokens, stop_ids=()
):
    """Decode to the full length, or until every row has stopped."""
    reference.generate(
        token_ids,
        attention_mask=key_mask.long(),
        max_new_tokens=new_tokens,
        min_new_tokens=0 if stop_ids else new_tokens,
        eos_token_id=list(stop_ids) or None,
        do_sample=False,
        pad_token_id=0,
    )


def compare(candidates, num_tokens, repeats):
    """Tokens a second of each, measured in turns, and ours over theirs."""
    seconds = median_seconds(list(candidates.values()), repeats)
    rates = {
        name: num_tokens / each
        for name, each in zip(candidates, seconds, strict=True)
    }
    theirs = rates.get("transformers")
    ratios = {
        f"{name} / transformers": rate / theirs
        for name, rate in rates.items()
        if theirs and name != "transformers"
    }
    return {f"{k}, tokens/s": rate for k, rate in rates.items()} | ratios


def median_seconds(functions, repeats):
    """Median time of each, one run of each in turn, after a warm-up."""
    times = [[] for _ in functions]
    for repeat in range(repeats + 1):
        for function, collected in zip(functions, times, strict=True):
            started = time.perf_counter()
            function()
            synchronize()
            if repeat:
                collected.append(time.perf_counter() - started)
    for collected in times:
        spread = max(collected) - min(collected)
        median = statistics.median(collected)
        print(f"  median {median:.3f} s, spread {spread:.3f} s")
    return [statistics.median(collected) for collected in times]


def decoding_step(model, token_ids, room=64):
    """A function that reads one more token behind a prompt, up to `room`."""
    cache = KVCache(
        model.config,
        1,
        token_ids.shape[1] + room,
        device=model.device,
        dtype=model.dtype,
    )

    @torch.inference_mode()
    def step():
        model(token_ids[:, :1], cache, last_only=True)

    with torch.inference_mode():
        model(token_ids, cache, last_only=True)
    return step


def memory_bandwidth(device, num_bytes=2**29):
    """Bytes a second that a large tensor is read with; copied, on a GPU."""
    source = torch.ones(num_bytes // 8, dtype=torch.int64, device=device)
    if device == "cpu":
        (seconds,) = median_seconds([source.sum], 5)
        return num_bytes / seconds
    target = torch.empty_like(source)
    (seconds,) = median_seconds([lambda: target.copy_(source)], 5)
    return 2 * num_bytes / seconds


def synchronize():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
