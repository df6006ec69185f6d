"""Talk with a model over several turns.

    rfs chat --model qwen3-0.6b
    rfs chat --model qwen3-0.6b --think --system "Answer in one sentence."

The keys and values of what was said stay cached: a new turn costs only its
own tokens. A base model has no habit of chatting, so each of its questions
stands alone. /reset forgets the conversation, /quit ends it.
"""

from reasoning_from_scratch.cli.ask import (
    add_writing_arguments,
    choose_sampling,
)
from reasoning_from_scratch.cli.flags import print_stream
from reasoning_from_scratch.settings import default_model, get_settings

COMMANDS = "/reset forgets the conversation, /quit ends it"
# Room for a conversation, in tokens, where the model has that many positions
MAX_CONTEXT = 8192


def add_arguments(parser) -> None:
    """Declare the flags."""
    parser.add_argument("--system", help="a system message, for chat models")
    parser.add_argument(
        "--think", action="store_true", help="think before each answer"
    )
    add_writing_arguments(parser)


def run(args) -> None:
    """Read questions until /quit or the end of input."""
    name = args.model or default_model()
    conversation = Conversation(name, args)
    if not conversation.settings.is_chat:
        print(
            f"{name} is a base model: it completes text and never learned to "
            "chat, so each question stands alone."
        )
    print(COMMANDS)
    while True:
        try:
            question = input("> ").strip()
        except EOFError:
            return
        if question == "/quit":
            return
        if question == "/reset":
            conversation.reset()
        elif question.startswith("/"):
            print(COMMANDS)
        elif question:
            _print_answer(conversation, question)


def _print_answer(conversation, question: str) -> None:
    try:
        conversation.ask(question)
    except KeyboardInterrupt:
        print("\n(stopped; the answer so far is kept)")
    except ValueError as error:
        print(f"{error}\n(too long to go on? {COMMANDS})")


class Conversation:
    """The turns so far, and the cache that has read them."""

    def __init__(self, name: str, args):
        from reasoning_from_scratch.llm import load_model
        from reasoning_from_scratch.llm.kv_cache import PrefixCache

        self.args = args
        self.settings = get_settings(name)
        self.model, self.tokenizer = load_model(name, device=args.device)
        room = min(self.model.config.max_position_embeddings, MAX_CONTEXT)
        self.prefix_cache = PrefixCache(self.model, room)
        self.reset()

    def reset(self) -> None:
        """Forget all turns but the system message."""
        self.messages = []
        if self.args.system:
            self.messages = [{"role": "system", "content": self.args.system}]

    def ask(self, question: str) -> None:
        """Print the answer as it comes and remember both.

        Raises:
            ValueError: the conversation no longer fits; it is left as it was.
        """
        from reasoning_from_scratch.llm import generate_stream

        written = []
        pieces = generate_stream(
            self.model,
            self.tokenizer,
            self.render(question),
            max_new_tokens=self._max_new_tokens(),
            sampling=choose_sampling(self.args, self.settings),
            seed=self.args.seed,
            prefix_cache=self.prefix_cache,
        )
        try:
            print_stream(_keep(pieces, written))
        finally:
            answer = "".join(written)
            if answer:
                self._remember(question, answer)

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

    def _remember(self, question: str, answer: str) -> None:
        if self.settings.is_chat:
            self.messages += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]

    def _max_new_tokens(self) -> int:
        """Tokens an answer may have: half of the room at most."""
        wanted = self.args.max_new_tokens or self.settings.max_new_tokens
        return min(wanted, self.prefix_cache.cache.max_tokens // 2)


def _keep(pieces, written: list):
    """Pass pieces on, noting each: a stopped answer is not lost."""
    for piece in pieces:
        written.append(piece)
        yield piece
