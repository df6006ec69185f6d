"""`rfs chat` at a terminal: a real one, with keys pressed as people do."""

import contextlib
import os
import select
import signal
import sys
import time

import pytest

pty = pytest.importorskip("pty", reason="needs a terminal as Unix has it")
pytest.importorskip("readline", reason="this Python cannot edit lines")

# The command with a model that says what it has heard, word by word
PROGRAM = """
import sys, time
from types import SimpleNamespace
from reasoning_from_scratch.cli import flags, main
from reasoning_from_scratch.llm import generation, kv_cache

class Tokenizer:
    stop_ids = (0,)
    def apply_chat_template(self, turns, enable_thinking):
        return " / ".join(turn["content"] for turn in turns)

class Cache:
    def __init__(self, model, room):
        self.cache, self.token_ids = SimpleNamespace(max_tokens=room), [0]

def answer(model, tokenizer, text, **options):
    yield f"heard <{text}>"
    while "long" in text.rpartition(" / ")[2]:
        yield " more"
        time.sleep(0.02)

config = SimpleNamespace(max_position_embeddings=99)
model = SimpleNamespace(config=config)
flags.open_model = lambda args: (model, Tokenizer())
kv_cache.PrefixCache = Cache
generation.generate_stream = answer
sys.exit(main.main(["chat", "--model", "qwen3-0.6b"]))
"""
UP, HOME, CTRL_C, CTRL_D = "\x1b[A", "\x01", "\x03", "\x04"


class Terminal:
    def __init__(self):
        self.unread = ""
        self.process, self.screen = pty.fork()
        if self.process == 0:
            os.environ["TERM"] = "xterm"
            # Where the tests run in the background, it would be ignored
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM])

    def press(self, keys, after="> "):
        """Press keys when a text has come: the prompt, or another."""
        self.wait_for(after)
        os.write(self.screen, keys.encode())

    def wait_for(self, text):
        """Read on until the text has come; what came, that included."""
        end = time.monotonic() + 60
        while text not in self.unread:
            shown = f"{text!r} did not come: {self.unread!r}"
            assert time.monotonic() < end, shown
            if select.select([self.screen], [], [], 0.1)[0]:
                piece = os.read(self.screen, 4096)
                self.unread += piece.decode(errors="replace")
        shown, found, self.unread = self.unread.partition(text)
        return shown + found

    def ask(self, keys):
        """Press keys and Enter at the prompt; the answer that comes."""
        self.press(f"{keys}\r")
        return self.wait_for(">\r\n").partition("heard ")[2].strip()

    def end(self, keys):
        self.press(keys)
        with contextlib.suppress(OSError):  # the other end is closed
            while os.read(self.screen, 4096):
                pass
        _, status = os.waitpid(self.process, 0)
        os.close(self.screen)
        assert os.waitstatus_to_exitcode(status) == 0


@pytest.fixture
def terminal():
    return Terminal()


def test_the_arrow_keys_bring_a_question_back_to_be_edited(terminal):
    assert terminal.ask("second") == "<second>"
    assert terminal.ask(f"{UP}{HOME}my ").endswith("/ my second>")
    terminal.end("exit\r")


def test_a_stopped_answer_is_kept_as_it_was_said(terminal):
    terminal.press("a long story\r")
    terminal.press(CTRL_C, after="more more")
    terminal.wait_for("(stopped; the answer so far is kept)")
    answer = terminal.ask("and then?")
    assert answer.startswith("<a long story / heard <a long story> more more")
    assert answer.endswith("/ and then?>")
    terminal.end(CTRL_D)


def test_ctrl_c_drops_a_line_and_says_how_to_leave(terminal):
    terminal.press("half a lin")
    terminal.wait_for("half a lin")  # shown: the terminal reads again
    time.sleep(0.1)
    os.write(terminal.screen, CTRL_C.encode())
    terminal.wait_for("Ctrl-D or /quit ends the chat")
    assert terminal.ask("whole") == "<whole>"
    terminal.press("/help\r")
    terminal.wait_for("/reset forgets the conversation")
    terminal.end("/quit\r")
