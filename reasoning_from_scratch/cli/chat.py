"""Talk with a model over several turns.

    rfs chat --model qwen3-0.6b
    rfs chat --model qwen3-0.6b --think --system "Answer in one sentence."

The keys and values of what was said stay cached: a new turn costs only its
own tokens. A base model has no habit of chatting, so each of its questions
stands alone. The arrow keys edit a question and bring back earlier ones.
"""

import sys
from contextlib import suppress

from reasoning_from_scratch.cli.ask import (
    POCKET,
    WRITING_FLAGS,
    is_sampled,
    print_stream,
)
from reasoning_from_scratch.cli.flags import choose_sampling, open_model
from reasoning_from_scratch.settings import get_settings, is_pocket

FLAGS = f"""{WRITING_FLAGS}
--system TEXT    a system message, for chat models
--think          think before each answer, for chat models
"""
RESET = "/reset forgets the conversation"
COMMANDS = (
    f"{RESET}, /quit (or exit, or Ctrl-D) ends it; Ctrl-C stops an answer, "
    "/help shows this"
)
QUIT = ("exit", "quit", "/exit", "/quit")
# Room for a conversation, in tokens, where the model has that many positions
MAX_CONTEXT = 8192


def run(args) -> None:
    """Read questions until the end of input."""
    if sys.stdin.isatty():
        with suppress(ImportError):  # Windows has no line editing to offer
            import readline  # noqa: F401, input() uses it once imported
    name = args.model
    conversation = Conversation(args)
    if not conversation.settings.is_chat:
        print(
            f"{name} is a base model: it completes text and never learned to "
            "chat, so each question stands alone."
        )
    if is_pocket(name):
        print(POCKET)
    print(COMMANDS)
    while (question := read_question()) not in (None, *QUIT):
        if question == "/reset":
            conversation.reset()
        elif question.startswith("/"):
            print(COMMANDS)
        elif question:
            conversation.answer(question)


def read_question() -> str | None:
    """The next line, or None at the end of input; Ctrl-C drops a line."""
    try:
        return input("> ").strip()
    except EOFError:
        print()
        return None
    except KeyboardInterrupt:
        print("\n(Ctrl-D or /quit ends the chat)")
        return ""


class Conversation:
    """The turns so far, and the cache that has read them."""

    def __init__(self, args):
        from reasoning_from_scratch.llm.kv_cache import PrefixCache

        self.args = args
        self.settings = get_settings(args.model)
        self.sampling = choose_sampling(
            self.settings,
            is_sampled=is_sampled(args, self.settings),
            temperature=args.temperature,
        )
        if not self.settings.is_chat and (args.system or args.think):
            flag = "--system" if args.system else "--think"
            raise ValueError(
                f"{flag} is for chat models, and {args.model} is a base "
                "model; leave it out, or name one such as qwen3-0.6b"
            )
        self.model, self.tokenizer = open_model(args)
        room = min(self.model.config.max_position_embeddings, MAX_CONTEXT)
        self.prefix_cache = PrefixCache(self.model, room)
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
        written = []
        try:
            print_stream(
                self.model,
                self.tokenizer,
                self.render(question),
                prefix_cache=self.prefix_cache,
                written=written,
                max_new_tokens=self._max_new_tokens(),
                sampling=self.sampling,
                seed=self.args.seed,
            )
        except KeyboardInterrupt:
            is_kept = written and self.settings.is_chat
            kept = "; the answer so far is kept" if is_kept else ""
            print(f"\n(stopped{kept})")
        except ValueError as error:
            print(f"{error}\n({RESET})")
        if written and self.settings.is_chat:
            self.messages += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": "".join(written)},
            ]

    def render(self, question: str) -> str:
        """Write the text the model is asked to continue."""
        if not self.settings.is_chat:
            from reasoning_from_scratch.evaluation.prompts import render_prompt

            return render_prompt(
                self.settings.prompts["step-by-step"], question
            )
        turns = [*self.messages, {"role": "user", "content": question}]
        return self.tokenizer.apply_chat_template(
            turns, enable_thinking=self.args.think
        )

    def _max_new_tokens(self) -> int:
        """Tokens an answer may have: half of the room at most."""
        wanted = self.args.max_new_tokens or self.settings.max_new_tokens
        return min(wanted, self.prefix_cache.cache.max_tokens // 2)
