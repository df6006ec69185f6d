"""The command line: help that teaches, errors in a line, asking, chatting."""

import argparse
import shlex
import subprocess
import sys

import pytest

from reasoning_from_scratch.cli import ask, flags, main
from reasoning_from_scratch.llm import weights
from tests.tiny import tiny_model


def rfs(*arguments):
    """Run a command in this process; the exit status."""
    return main.main(arguments)


@pytest.fixture
def tiny_chat_model(tokenizer, monkeypatch):
    """Every name opens a tiny model with a chat template."""
    model = tiny_model(vocab_size=tokenizer.vocab_size)
    monkeypatch.setattr(
        weights, "load_model", lambda name, **options: (model, tokenizer)
    )
    return model


def answer_lines(monkeypatch, *lines):
    """Type these lines, then end the input."""
    typed = iter(lines)

    def read(prompt):
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)


# ---- Help and errors -----------------------------------------------------


def test_help_shows_every_command_with_an_example(capsys):
    assert rfs("--help") == 0
    page = capsys.readouterr().out

    for name in main.COMMANDS:
        assert f"\n  {name:<9} {main.COMMANDS[name][0]}\n" in page
        assert f"$ {main.COMMANDS[name][1]}\n" in page


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_example_of_a_command_is_one_that_it_accepts(name):
    example = main.COMMANDS[name][1]
    program, command, *arguments = shlex.split(example)

    assert (program, command) == ("rfs", name)
    args, _ = main.read_arguments(name, arguments)
    assert isinstance(args, argparse.Namespace)


def test_help_answers_in_three_tenths_of_a_second():
    # CPU time, so that a busy machine does not fail the test.
    program = (
        "import sys, time\n"
        "from reasoning_from_scratch.cli.main import main\n"
        "main(['--help'])\n"
        "print(time.process_time(), file=sys.stderr)\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert float(outcome.stderr) < 0.3


def test_debug_shows_the_traceback():
    with pytest.raises(FileNotFoundError):
        rfs("ask", "1 + 1", "--model", "./no/such/folder", "--debug")


def test_ctrl_c_ends_with_status_130(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("reasoning_from_scratch.cli.doctor.run", interrupt)
    assert rfs("doctor") == 130


# ---- What a model writes is untrusted ------------------------------------


def test_control_characters_are_shown_and_not_obeyed():
    assert flags.printable("a\x1b[2Jb\rc\x00") == r"a\x1b[2Jb\rc\x00"
    assert flags.printable("\u202eevil") == r"\u202eevil"
    assert flags.printable("two\nlines\t½ 🤔") == "two\nlines\t½ 🤔"
    assert flags.printable("\ud800") == r"\ud800"


# ---- Commands ------------------------------------------------------------


def test_ask_answers_directly_and_step_by_step(tiny_chat_model, capsys):
    assert rfs("ask", "1 + 1", "--max-new-tokens", "3") == 0
    lines = capsys.readouterr().out

    assert lines.startswith("direct:") and "\nstep-by-step:" in lines
    assert lines.count(" … (cut at 3 tokens: --max-new-tokens)\n") == 2


def test_ask_for_several_samples_repeats_them_by_seed(tiny_chat_model, capsys):
    command = "ask 1+1 --prompt direct -n 3 --seed 5 --max-new-tokens 4"
    outputs = []
    for _ in range(2):
        assert rfs(*command.split()) == 0
        outputs.append(capsys.readouterr().out)

    assert outputs[0] == outputs[1]
    numbers = [line[:3].strip() for line in outputs[0].splitlines()]
    assert {"1", "2", "3"} <= set(numbers)


def test_each_sample_that_was_cut_is_marked(tiny_chat_model, capsys):
    command = "ask 1+1 --think -n 2 --seed 1 --max-new-tokens 1"
    assert rfs(*command.split()) == 0
    assert capsys.readouterr().out.count("(cut at 1 tokens") == 2


def test_a_list_tells_what_every_method_does(capsys):
    assert rfs("evaluate", "--method", "list") == 0
    assert "self-consistency             majority vote\n" in (
        capsys.readouterr().out
    )


def test_a_chat_reads_only_what_the_last_turn_added(
    tiny_chat_model, monkeypatch, capsys
):
    read = []
    forward = type(tiny_chat_model).forward

    def counted(self, token_ids, *args, **options):
        read.append(token_ids.shape[1])
        return forward(self, token_ids, *args, **options)

    monkeypatch.setattr(type(tiny_chat_model), "forward", counted)
    answer_lines(monkeypatch, "x" * 200, "y")
    command = "chat --model qwen3-0.6b --max-new-tokens 2 --temperature 0"
    assert rfs(*command.split()) == 0

    first, *_, last = [length for length in read if length > 1]
    assert first > 200 > last


def test_reset_forgets_the_conversation(tiny_chat_model, monkeypatch):
    flags = '--system "Be short." --max-new-tokens 2 --temperature 0 --seed 0'
    args, _ = main.read_arguments(
        "chat", shlex.split(f"--model qwen3-0.6b {flags}")
    )
    conversation = ask.Conversation(args)
    conversation.answer("1 + 1")
    assert "1 + 1" in conversation.render("next")
    conversation.reset()

    assert "1 + 1" not in conversation.render("next")
    assert "Be short." in conversation.render("next")


def test_a_base_model_says_that_it_cannot_chat(
    tiny_chat_model, monkeypatch, capsys
):
    answer_lines(monkeypatch, "1 + 1", "/what", "/quit", "never read")
    assert rfs("chat", "--max-new-tokens", "2") == 0

    assert "never learned to chat" in capsys.readouterr().out


def test_a_conversation_that_is_full_says_how_to_go_on(
    tiny_chat_model, monkeypatch, capsys
):
    answer_lines(monkeypatch, "x" * 2000)
    assert rfs("chat", "--model", "qwen3-0.6b") == 0

    assert "/reset forgets the conversation" in capsys.readouterr().out[-80:]


def test_doctor_says_what_to_do_where_runs_cannot_be_written(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("in the way", "utf-8")
    monkeypatch.setenv("RFS_RUNS", str(tmp_path / "file" / "runs"))
    monkeypatch.setattr(
        "tempfile.TemporaryFile",
        lambda **_: (_ for _ in ()).throw(PermissionError(13, "denied")),
    )
    assert rfs("doctor") == 1

    assert "cannot be written (denied); set RFS_RUNS" in (
        capsys.readouterr().out
    )


def test_doctor_prints_a_line_for_everything(capsys):
    rfs("doctor")
    page = capsys.readouterr().out

    for name in ("python", "packages", "device", "hub", "pocket model"):
        assert f"{name} " in page
    assert "not asked: HF_HUB_OFFLINE is set" in page


@pytest.mark.parametrize("name", main.OUTSIDE)
def test_outside_a_checkout_its_commands_say_where_they_are(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(main, "CHECKOUT", tmp_path)
    assert rfs(name, "--help") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rfs {name}: this command belongs to the repo")


def test_bench_names_the_benchmarks_there_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bench.FOLDER", tmp_path)
    script = '"""How fast is nothing?\n\nMore."""\nprint("{}")\n'
    (tmp_path / "nothing.py").write_text(script, "utf-8")

    assert rfs("bench") == 0
    assert capsys.readouterr().out == "nothing         How fast is nothing?\n"
    assert rfs("bench", "nothing", "--flag") == 0
    assert rfs("bench", "something") == 1
    assert "there are nothing" in capsys.readouterr().err


def test_the_tour_ends_in_a_table_and_a_picture(
    runs_folder, monkeypatch, capsys
):
    monkeypatch.setenv("RFS_FAST", "1")
    assert rfs("tour") == 0
    page = capsys.readouterr().out

    assert "Problem" in page and "step by step" in page
    assert (runs_folder / "tour-1" / "rows.jsonl").exists()
    assert "\x1b" not in page  # plain where nobody watches
