"""Ask one question, or talk over several turns; the answer shows as it comes.

    rfs ask "What is 1/2 + 1/3?"
    rfs ask "Are there primes from 24 to 28?" --prompt step-by-step
    rfs chat --model qwen3-0.6b --think --system "Answer in one sentence."

A base model is asked twice, directly and step by step, unless a flag says
how: the difference between the two is what this book is about. In a chat
each of its questions stands alone.
"""

import sys
from contextlib import suppress

from .. import llm
from ..evaluation.prompts import render_prompt
from ..settings import get_settings, is_pocket
from . import flags

POCKET = (
    "pocket has 2.1 million weights. It knows school maths in the phrasing of "
    "its own problems, and gets about half of those right. Three to try: "
    '"Solve 5x + 25 = 40.", "What is 30% of 660?", "Find the perimeter of a '
    'rectangle with sides 47 and 54."'
)
WRITING_FLAGS = f"""{flags.ANSWER_FLAGS}{flags.WEIGHTS_FLAG}
--seed K         repeats the same samples
"""
FLAGS = f"""{WRITING_FLAGS}
question         what is asked; {POCKET}
--prompt NAME    direct, step-by-step (a chat model thinks first), a file, …
                 (default: direct, and of a base model step-by-step too)
-n --samples N=1   answers to draw; more than one are sampled
"""
CHAT_FLAGS = f"""{WRITING_FLAGS}
--system TEXT    a system message, for chat models
--think          think before each answer, for chat models
"""
RESET = "/reset forgets the conversation"
KEYS = (
    f"{RESET}, /quit (or exit, or Ctrl-D) ends it; Ctrl-C stops an answer, "
    "/help shows this"
)
QUIT = ("exit", "quit", "/exit", "/quit")
# Room for a conversation, in tokens, where the model has that many positions
MAX_CONTEXT = 8192


def run(args) -> None:
    """Answer one question under each prompt."""
    if not args.question.strip():
        raise ValueError("the question is empty")
    if args.samples > 1 and args.temperature == 0:
        raise ValueError(
            f"at --temperature 0 all {args.samples} samples would be the "
            "same answer; leave one of the two flags out"
        )
    settings = get_settings(args.model)
    options = writing_options(args, settings)
    labels = ["direct"] if settings.is_chat else ["direct", "step-by-step"]
    labels = [args.prompt] if args.prompt else labels
    prompts = [flags.choose_prompt(label, settings) for label in labels]
    model = flags.open_model(args, options["max_new_tokens"])
    for label, prompt in zip(labels, prompts, strict=True):
        if len(labels) > 1:
            print(f"{label}:", end="", flush=True)
        text = render_prompt(prompt, args.question, model[1])
        if args.samples == 1:
            print_stream(*model, text, [], **options)
            continue
        outputs = llm.generate(
            *model, [text], num_samples=args.samples, **options
        )
        print()
        for number, output in enumerate(outputs, start=1):
            answer = flags.printable(output.text).strip()
            print(f"{number:>3} {answer}", end="")
            end_line(output.stop_reason == "length", options)


def writing_options(args, settings) -> dict:
    """How the model writes; greedy decoding sends a chat model into loops."""
    is_several = getattr(args, "samples", 1) > 1
    is_sampled = settings.is_chat or is_several or bool(args.temperature)
    sampling = flags.choose_sampling(settings, args, is_sampled=is_sampled)
    return {
        "sampling": sampling,
        "max_new_tokens": args.max_new_tokens or settings.max_new_tokens,
        "seed": args.seed,
    }


def print_stream(model, tokenizer, text, written, **options) -> None:
    """Print an answer as it comes; `written` receives it piece by piece."""
    from ..llm.kv_cache import PrefixCache

    if "prefix_cache" not in options:
        room = len(tokenizer.encode(text)) + options["max_new_tokens"]
        options["prefix_cache"] = PrefixCache(model, room)
    for piece in llm.generate_stream(model, tokenizer, text, **options):
        written.append(piece)
        print(flags.printable(piece), end="", flush=True)
    last = options["prefix_cache"].token_ids[-1]
    end_line(last not in tokenizer.stop_ids, options)


def end_line(is_cut, options) -> None:
    """End an answer's line; one that was cut short says so."""
    cut = f" … (cut at {options['max_new_tokens']} tokens: --max-new-tokens)"
    print(cut if is_cut else "")


# ---- A chat ----


def run_chat(args) -> None:
    """Read questions until the end of input; the arrow keys edit them."""
    if sys.stdin.isatty():
        with suppress(ImportError):  # Windows has no line editing to offer
            import readline  # noqa: F401, input() uses it once imported
    conversation = Conversation(args)
    if not conversation.settings.is_chat:
        print(
            f"{args.model} is a base model: it completes text and never "
            "learned to chat, so each question stands alone."
        )
    if is_pocket(args.model):
        print(POCKET)
    print(KEYS)
    while (question := read_question()) not in QUIT:
        if question == "/reset":
            conversation.reset()
        elif question.startswith("/"):
            print(KEYS)
        elif question:
            conversation.answer(question)


def read_question() -> str:
    """The next line; Ctrl-D means quit, Ctrl-C drops a line."""
    try:
        return input("> ").strip()
    except EOFError:
        print()
        return QUIT[0]
    except KeyboardInterrupt:
        print("\n(Ctrl-D or /quit ends the chat)")
        return ""


class Conversation:
    """The turns so far, and the cache that has read them.

    What was said stays cached: a new turn costs only its own tokens.
    """

    def __init__(self, args):
        from ..llm.kv_cache import PrefixCache

        self.args, self.settings = args, get_settings(args.model)
        self.options = writing_options(args, self.settings)
        if not self.settings.is_chat and (args.system or args.think):
            flag = "--system" if args.system else "--think"
            raise ValueError(
                f"{flag} is for chat models, and {args.model} is a base "
                "model; leave it out, or name one such as qwen3-0.6b"
            )
        self.model = flags.open_model(args)  # and its tokenizer
        positions = self.model[0].config.max_position_embeddings
        room = min(positions, MAX_CONTEXT)
        wanted = self.options["max_new_tokens"]
        self.options["max_new_tokens"] = min(wanted, room // 2)
        self.options["prefix_cache"] = PrefixCache(self.model[0], room)
        self.reset()

    def reset(self) -> None:
        """Forget all turns but the system message."""
        self.messages = []
        if self.args.system:
            self.messages = [{"role": "system", "content": self.args.system}]

    def answer(self, question: str) -> None:
        """Print the answer as it comes, and remember both where that helps.

        A conversation that is full is left as it was.
        """
        text, written = self.render(question), []
        try:
            print_stream(*self.model, text, written, **self.options)
        except KeyboardInterrupt:
            is_kept = written and self.settings.is_chat
            kept = "; the answer so far is kept" if is_kept else ""
            print(f"\n(stopped{kept})")
        except ValueError as error:
            print(f"{error}\n({RESET})")
        if written and self.settings.is_chat:
            said = (("user", question), ("assistant", "".join(written)))
            self.messages += [{"role": r, "content": c} for r, c in said]

    def render(self, question: str) -> str:
        """Write the text the model is asked to continue."""
        if not self.settings.is_chat:
            prompt = self.settings.prompts["step-by-step"]
            return render_prompt(prompt, question)
        turns = [*self.messages, {"role": "user", "content": question}]
        return self.model[1].apply_chat_template(
            turns, enable_thinking=self.args.think
        )
