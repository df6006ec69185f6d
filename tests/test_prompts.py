"""Prompts: literal insertion, files, and chat turns."""

import pytest

from reasoning_from_scratch.evaluation import prompts
from reasoning_from_scratch.evaluation.problems import Problem


class ChatTokenizer:
    """Writes a conversation in the plainest way."""

    def apply_chat_template(self, messages, *, enable_thinking=True):
        (message,) = messages
        ending = "think:" if enable_thinking else "answer:"
        return f"{message['role']}: {message['content']}\n{ending}"


@pytest.mark.parametrize("name", prompts.PROMPTS)
def test_a_problem_and_its_text_render_alike_and_braces_stay(name):
    text = r"What is \frac{1}{2} of {problem}?"
    rendered = prompts.render_prompt(name, Problem(text, "2"), ChatTokenizer())
    assert text in rendered
    assert rendered == prompts.render_prompt(name, text, ChatTokenizer())


def test_prompts_and_files_render_as_written(tmp_path):
    direct = prompts.render_prompt("direct", "1 + 1")
    assert direct == "Problem: 1 + 1\nAnswer:"
    # printf 'Problem: 1 + 1\nAnswer:' | sha256sum
    assert prompts.prompt_hash(direct) == "4172146f63ee"
    step_by_step = prompts.render_prompt("step-by-step", "1 + 1")
    assert step_by_step == direct + " Let's think step by step."
    template = "Q: {problem}\nA:"
    path = tmp_path / "prompt.txt"
    path.write_text(template, "utf-8")
    assert prompts.render_prompt(template, "1 + 1") == "Q: 1 + 1\nA:"
    assert prompts.render_prompt(str(path), "1 + 1") == "Q: 1 + 1\nA:"


def test_the_chat_prompts_switch_thinking_and_need_the_tokenizer():
    for name, ending in (("chat", "think:"), ("chat-no-think", "answer:")):
        rendered = prompts.render_prompt(name, "1 + 1", ChatTokenizer())
        assert rendered.startswith("user: 1 + 1\n")
        assert rendered.endswith(ending)
    with pytest.raises(ValueError, match="pass tokenizer="):
        prompts.render_prompt("chat", "1 + 1")


@pytest.mark.parametrize("prompt", ["step by step", "", "a\0b", "x" * 5000])
def test_an_unknown_prompt_lists_the_known_ones(prompt):
    with pytest.raises(ValueError, match="step-by-step"):
        prompts.render_prompt(prompt, "1 + 1")
