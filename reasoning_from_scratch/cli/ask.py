"""Ask one question and watch the answer being written.

    rfs ask "What is 1/2 + 1/3?"
    rfs ask "How many primes are below 30?" --model qwen3-0.6b --think

A base model is asked twice, directly and step by step, unless a flag says
how: the difference between the two is what this book is about.
"""

from reasoning_from_scratch import llm
from reasoning_from_scratch.cli.flags import (
    MODEL_FLAGS,
    choose_prompt,
    choose_sampling,
    open_model,
    printable,
)
from reasoning_from_scratch.settings import get_settings

POCKET = (
    "pocket has 2.1 million weights. It knows school maths in the phrasing of "
    "its own problems, and gets about half of those right. Three to try: "
    '"Solve 5x + 25 = 40.", "What is 30% of 660?", "Find the perimeter of a '
    'rectangle with sides 47 and 54."'
)


# Which model writes, and how
WRITING_FLAGS = f"""{MODEL_FLAGS}
--temperature X      0 takes the likeliest token (default: the model's way)
--max-new-tokens N   room for an answer (default: the model's)
--seed K             repeats the same samples
"""
FLAGS = f"""{WRITING_FLAGS}
question         what is asked
--prompt NAME    a name of the prompt table, a file, or a template with
                 {{problem}} in it (default: direct, then step by step)
--think          only step by step; a chat model thinks before it answers
-n --samples N=1   answers to draw; more than one are sampled
"""


def add_arguments(parser) -> None:
    """Say what may be asked."""
    parser.description += f". {POCKET}"


def run(args) -> None:
    """Answer under each prompt."""
    from reasoning_from_scratch.evaluation.prompts import render_prompt

    if not args.question.strip():
        raise ValueError("the question is empty")
    if args.samples > 1 and args.temperature == 0:
        raise ValueError(
            f"at --temperature 0 all {args.samples} samples would be the "
            "same answer; leave one of the two flags out"
        )
    settings = get_settings(args.model)
    max_new_tokens = args.max_new_tokens or settings.max_new_tokens
    sampling = choose_sampling(
        settings,
        is_sampled=is_sampled(args, settings) or args.samples > 1,
        temperature=args.temperature,
    )
    prompts = choose_prompts(args, settings)
    model, tokenizer = open_model(args, max_new_tokens)
    for label, prompt in prompts.items():
        if len(prompts) > 1:
            print(f"{label}:", end="", flush=True)
        text = render_prompt(prompt, args.question, tokenizer)
        print_answers(
            model,
            tokenizer,
            text,
            num_samples=args.samples,
            max_new_tokens=max_new_tokens,
            sampling=sampling,
            seed=args.seed,
        )


def choose_prompts(args, settings) -> dict[str, str]:
    """Map a label to each prompt that the question is put with."""
    labels = ["direct", "step-by-step"]
    if args.prompt:
        labels = [args.prompt]
    elif args.think:
        labels = ["step-by-step"]
    elif settings.is_chat:
        labels = ["direct"]
    return {label: choose_prompt(label, settings) for label in labels}


def is_sampled(args, settings) -> bool:
    """Whether one answer is; greedy decoding sends a chat model into loops."""
    return settings.is_chat or bool(args.temperature)


def print_answers(model, tokenizer, text, *, num_samples, **options) -> None:
    """Stream one answer, or list several."""
    if num_samples == 1:
        print_stream(model, tokenizer, text, **options)
        return
    outputs = llm.generate(
        model, tokenizer, [text], num_samples=num_samples, **options
    )
    print()
    for number, output in enumerate(outputs, start=1):
        is_cut = output.stop_reason == "length"
        cut = cut_short(options["max_new_tokens"]) if is_cut else ""
        print(f"{number:>3} {printable(output.text).strip()}{cut}")


def print_stream(
    model, tokenizer, text, *, prefix_cache=None, written=None, **options
) -> None:
    """Print an answer as it comes; `written` receives it piece by piece."""
    from reasoning_from_scratch.llm.kv_cache import PrefixCache

    written = [] if written is None else written
    max_new_tokens = options["max_new_tokens"]
    if prefix_cache is None:
        room = len(tokenizer.encode(text)) + max_new_tokens
        prefix_cache = PrefixCache(model, room)
    for piece in llm.generate_stream(
        model, tokenizer, text, prefix_cache=prefix_cache, **options
    ):
        written.append(piece)
        print(printable(piece), end="", flush=True)
    is_cut = prefix_cache.token_ids[-1] not in tokenizer.stop_ids
    print(cut_short(max_new_tokens) if is_cut else "")


def cut_short(max_new_tokens: int) -> str:
    """What stands behind an answer that did not come to its end."""
    return f" … (cut at {max_new_tokens} tokens: --max-new-tokens)"
