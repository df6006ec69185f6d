"""The command line: help that teaches, asking, chatting, the tour."""

import shlex
import subprocess
import sys
from unittest.mock import Mock

import pytest
from commands import rfs

from reasoning_from_scratch.cli import ask, flags, main
from reasoning_from_scratch.llm import weights
from tests.tiny import tiny_model


@pytest.fixture
def chat_model(tokenizer, monkeypatch):
    """Every name opens a tiny model with a chat template."""
    model = tiny_model(vocab_size=tokenizer.vocab_size)
    monkeypatch.setattr(
        weights, "load_model", lambda name, **options: (model, tokenizer)
    )
    return model


def type_lines(monkeypatch, *lines):
    monkeypatch.setattr("builtins.input", Mock(side_effect=[*lines, EOFError]))


def test_help_shows_every_command_and_a_list_every_method(capsys):
    assert rfs("--help") == 0
    page = capsys.readouterr().out
    assert {"tour", "chat", "regrade", "ablate"} <= main.COMMANDS.keys()
    for name, (purpose, example) in main.COMMANDS.items():
        assert f"\n  {name:<9} {purpose}\n            $ {example}\n" in page
        program, command, *arguments = shlex.split(example)
        assert (program, command) == ("rfs", name)
        args, _ = main.read_arguments(name, arguments)
        assert args.command == name
    assert rfs("evaluate --method list") == 0
    page = capsys.readouterr().out
    assert "self-consistency             majority vote\n" in page


def test_help_answers_in_three_tenths_of_a_second():
    # CPU time, so that a busy machine does not fail the test.
    program = (
        "import sys, time\n"
        "from reasoning_from_scratch.cli.main import main\n"
        "main(['--help'])\n"
        "sys.exit(time.process_time() > 0.3)\n"
    )
    command = [sys.executable, "-c", program]
    tries = (
        subprocess.run(command, stdout=subprocess.DEVNULL) for _ in range(3)
    )
    assert any(done.returncode == 0 for done in tries)


def test_debug_shows_the_traceback_and_ctrl_c_ends_with_130(monkeypatch):
    with pytest.raises(FileNotFoundError):
        rfs("ask 1+1 --model ./no/such/folder --debug")

    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("reasoning_from_scratch.cli.doctor.run", interrupt)
    assert rfs("doctor") == 130


def test_control_characters_are_shown_and_not_obeyed():
    assert flags.printable("a\x1b[2Jb\rc\x00") == r"a\x1b[2Jb\rc\x00"
    assert flags.printable("\u202eevil") == r"\u202eevil"
    assert flags.printable("two\nlines\t½ 🤔") == "two\nlines\t½ 🤔"
    assert flags.printable("\ud800") == r"\ud800"


def test_answers_repeat_and_tell_which_were_cut(chat_model, capsys):
    assert rfs("ask 1+1 --max-new-tokens 3") == 0
    lines = capsys.readouterr().out
    assert lines.startswith("direct:") and "\nstep-by-step:" in lines
    assert lines.count(" … (cut at 3 tokens: --max-new-tokens)\n") == 2
    outputs = []
    for _ in range(2):
        assert rfs("ask 1+1 --max-new-tokens 1 -n 3 --seed 5") == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    numbers = [line[:3].strip() for line in outputs[0].splitlines()]
    assert {"1", "2", "3"} <= set(numbers)
    assert outputs[0].count("(cut at 1 tokens") == 6


def test_a_chat_reads_only_what_the_last_turn_added(chat_model, monkeypatch):
    spy = Mock(wraps=chat_model.hidden_states)
    monkeypatch.setattr(chat_model, "hidden_states", spy)
    type_lines(monkeypatch, "x" * 200, "y")
    greedy = "--max-new-tokens 2 --temperature 0"
    assert rfs(f"chat --model qwen3-0.6b {greedy}") == 0
    read = [call.args[0].shape[1] for call in spy.call_args_list]
    first, *_, last = [length for length in read if length > 1]
    assert first > 200 > last


def test_reset_forgets_the_conversation(chat_model):
    flags = '--system "Be short." --max-new-tokens 2 --temperature 0'
    arguments = shlex.split(f"--model qwen3-0.6b {flags}")
    args, _ = main.read_arguments("chat", arguments)
    conversation = ask.Conversation(args)
    conversation.answer("1 + 1")
    assert "1 + 1" in conversation.render("next")
    conversation.reset()
    assert "1 + 1" not in conversation.render("next")
    assert "Be short." in conversation.render("next")


def test_what_a_base_model_and_a_full_chat_say(
    chat_model, monkeypatch, capsys
):
    type_lines(monkeypatch, "1 + 1", "/what", "/quit", "never read")
    assert rfs("chat --max-new-tokens 2") == 0
    assert "never learned to chat" in capsys.readouterr().out
    type_lines(monkeypatch, "x" * 2000)
    assert rfs("chat --model qwen3-0.6b") == 0
    assert "/reset forgets the conversation" in capsys.readouterr().out[-80:]


@pytest.mark.parametrize("name", main.OUTSIDE)
def test_a_checkouts_commands_say_where_they_are(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(main, "CHECKOUT", tmp_path)
    assert rfs(f"{name} --help") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rfs {name}: {name} belongs to the repository")


def test_bench_names_the_benchmarks_there_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bench.FOLDER", tmp_path)
    script = '"""How fast is nothing?\n\nMore."""\nprint("{}")\n'
    (tmp_path / "nothing.py").write_text(script, "utf-8")
    assert rfs("bench") == 0
    assert capsys.readouterr().out == "nothing         How fast is nothing?\n"
    assert rfs("bench nothing --flag") == 0
    assert rfs("bench something") == 1
    assert "there are nothing" in capsys.readouterr().err


def test_the_tour_ends_in_table_and_picture(runs_folder, monkeypatch, capsys):
    monkeypatch.setenv("RFS_FAST", "1")
    assert rfs("tour") == 0
    page = capsys.readouterr().out
    assert "Problem" in page and "step by step" in page
    assert (runs_folder / "tour-1" / "rows.jsonl").exists()
    assert "\x1b" not in page  # plain where nobody watches
