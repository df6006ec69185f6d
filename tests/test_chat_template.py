"""The chat format: the published renderings, and laws of our own."""

import itertools
import random

import pytest
from tiny import read_lines, table

from reasoning_from_scratch.llm import tokenizer

CASES = read_lines("chat_template_cases")
PIECES = ["<think>", "</think>", "\n", " ", "2", "Hi"]


def turn(role, content):
    return {"role": role, "content": content}


def render(messages, **switches):
    return tokenizer.render_chat(tokenizer.CHAT_TEMPLATE, messages, **switches)


def by_hand(messages, *, add_generation_prompt, enable_thinking):
    """The oracle: Qwen3's format written out in Python."""
    last = len(messages) - 1
    users = [i for i, m in enumerate(messages) if m["role"] == "user"]
    last_user = users[-1] if users else last
    text = ""
    for index, message in enumerate(messages):
        content = message["content"]
        if message["role"] == "assistant":
            thoughts = message.get("reasoning_content")
            if thoughts is None:
                thoughts, content = split_thoughts(content)
            if index > last_user and (thoughts or index == last):
                content = join_thoughts(thoughts.strip("\n"), content)
        text += f"<|im_start|>{message['role']}\n{content}<|im_end|>\n"
    if add_generation_prompt:
        text += "<|im_start|>assistant\n"
        text += "" if enable_thinking else join_thoughts("", "")
    return text


def split_thoughts(text):
    if "</think>" not in text:
        return "", text
    before, answer = text.split("</think>")[0], text.split("</think>")[-1]
    return before.split("<think>")[-1].strip("\n"), answer.lstrip("\n")


def join_thoughts(thoughts, answer):
    return f"<think>\n{thoughts}\n</think>\n\n" + answer.lstrip("\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_published_cases_are_rendered(case):
    names = ("add_generation_prompt", "enable_thinking")
    switches = {name: case[name] for name in names}
    assert by_hand(case["messages"], **switches) == case["text"]
    assert render(case["messages"], **switches) == case["text"]


def random_chat(seed):
    """Up to five turns of thoughts closed, unclosed, empty and misplaced."""
    draw = random.Random(seed)
    chat = []
    for _ in range(draw.randrange(1, 6)):
        text = [
            "".join(draw.choices(PIECES, k=draw.randrange(7))) for _ in "ab"
        ]
        chat.append(turn(draw.choice(tokenizer.ROLES), text[0]))
        if draw.random() < 0.3:
            chat[-1]["reasoning_content"] = text[1]
    return chat


def test_any_conversation_is_rendered_as_by_hand():
    for seed in range(300):
        chat = random_chat(seed)
        for opened, thinking in itertools.product((True, False), repeat=2):
            switches = {"add_generation_prompt": opened}
            switches["enable_thinking"] = thinking
            assert render(chat, **switches) == by_hand(chat, **switches)


@pytest.mark.parametrize(("chat", "complaint"), table("refused_chats"))
def test_messages_of_another_form_are_refused_by_name(chat, complaint):
    with pytest.raises(ValueError, match=complaint):
        tokenizer.check_messages(chat)


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        # Python is out of reach
        ("{{ messages.__class__.__mro__ }}", "chat template cannot render"),
        ("{{ raise_exception('no system turns') }}", "no system turns"),
        ("{% if %}", "check chat_template.jinja"),
    ],
)
def test_what_a_template_cannot_render_is_quoted(template, complaint):
    with pytest.raises(ValueError, match=complaint):
        tokenizer.render_chat(template, [turn("system", "Hi")])
