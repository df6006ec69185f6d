"""Ask one question and watch the answer being written.

    rfs ask "What is 3/4 + 1/6?"
    rfs ask "How many primes are below 30?" --model qwen3-0.6b --think

A base model is asked twice, directly and step by step, unless a flag says
how: the difference between the two is what this book is about.
"""

from reasoning_from_scratch.cli.flags import print_stream, printable
from reasoning_from_scratch.settings import default_model, get_settings


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument("question")
    parser.add_argument(
        "--prompt",
        help="a name of the prompt table, a file, or a template with "
        "{problem} in it (default: direct, then step by step)",
    )
    parser.add_argument(
        "--think",
        action="store_true",
        help="only step by step; a chat model thinks before it answers",
    )
    parser.add_argument(
        "-n",
        "--samples",
        type=int,
        default=1,
        help="answers to draw; more than 1 are sampled (default 1)",
    )
    add_writing_arguments(parser)


def add_writing_arguments(parser) -> None:
    """Declare the flags that say which model writes, and how."""
    parser.add_argument(
        "--model", help="a name, Hub id or folder (default: RFS_MODEL, pocket)"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        help="0 always takes the likeliest token (default: the model's way)",
    )
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--seed", type=int, help="repeats the same samples")
    parser.add_argument("--device", help="cpu, cuda, mps, … (default: best)")


def run(args) -> None:
    """Answer under each prompt."""
    from reasoning_from_scratch.evaluation.prompts import render_prompt
    from reasoning_from_scratch.llm import load_model

    name = args.model or default_model()
    settings = get_settings(name)
    prompts = choose_prompts(args, settings)
    model, tokenizer = load_model(name, device=args.device)
    for label, prompt in prompts.items():
        if len(prompts) > 1:
            print(f"{label}:", end="", flush=True)
        text = render_prompt(prompt, args.question, tokenizer)
        print_answers(model, tokenizer, text, args, settings)


def choose_prompts(args, settings) -> dict[str, str]:
    """Map a label to each prompt that the question is put with."""
    if args.prompt:
        prompt = settings.prompts.get(args.prompt, args.prompt)
        return {args.prompt: prompt}
    labels = ["direct", "step-by-step"]
    if args.think:
        labels = ["step-by-step"]
    elif settings.is_chat:
        labels = ["direct"]
    return {label: settings.prompts[label] for label in labels}


def choose_sampling(args, settings, *, num_samples=1):
    """The flags' temperature, else greedy where one answer is wanted.

    A chat model samples even then: greedy decoding sends it into loops.
    """
    from reasoning_from_scratch.llm import SamplingConfig

    temperature = args.temperature
    if temperature is None:
        is_sampled = num_samples > 1 or settings.is_chat
        temperature = settings.temperature if is_sampled else 0.0
    if temperature == 0:
        return SamplingConfig()
    return SamplingConfig(
        temperature=temperature, top_p=settings.top_p, top_k=settings.top_k
    )


def print_answers(model, tokenizer, text, args, settings) -> None:
    """Stream one answer, or list several."""
    from reasoning_from_scratch.llm import generate, generate_stream

    options = {
        "max_new_tokens": args.max_new_tokens or settings.max_new_tokens,
        "sampling": choose_sampling(args, settings, num_samples=args.samples),
        "seed": args.seed,
    }
    if args.samples == 1:
        print_stream(generate_stream(model, tokenizer, text, **options))
        return
    outputs = generate(
        model, tokenizer, [text], num_samples=args.samples, **options
    )
    print()
    for number, output in enumerate(outputs, start=1):
        print(f"{number:>3} {printable(output.text).strip()}")
