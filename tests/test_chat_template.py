"""The chat format: the published renderings, and laws of our own."""

import json
import random
from pathlib import Path

import pytest

from reasoning_from_scratch.llm.chat_template import (
    CHAT_TEMPLATE,
    ROLES,
    check_messages,
    render_chat,
    render_template,
)

CASES_FILE = Path(__file__).parent / "data" / "chat_template_cases.jsonl"
CASES = [
    json.loads(line)
    for line in CASES_FILE.read_text(encoding="utf-8").splitlines()
]
PIECES = ["<think>", "</think>", "\n", " ", "2", "Hi"]


def turn(role, content):
    return {"role": role, "content": content}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_python_and_jinja_render_the_published_cases(case):
    switches = {
        name: case[name]
        for name in ("add_generation_prompt", "enable_thinking")
    }
    assert render_chat(case["messages"], **switches) == case["text"]
    rendered = render_template(CHAT_TEMPLATE, case["messages"], **switches)
    assert rendered == case["text"]


def random_chat(seed):
    """Up to five turns of thoughts closed, unclosed, empty and misplaced."""
    draw = random.Random(seed)
    return [
        turn(
            draw.choice(ROLES),
            "".join(draw.choices(PIECES, k=draw.randrange(7))),
        )
        for _ in range(draw.randrange(1, 6))
    ]


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("thinking", [True, False])
def test_python_and_jinja_agree_on_any_conversation(opened, thinking):
    switches = {"add_generation_prompt": opened, "enable_thinking": thinking}
    for seed in range(200):
        chat = random_chat(seed)
        rendered = render_template(CHAT_TEMPLATE, chat, **switches)
        assert rendered == render_chat(chat, **switches)


def test_a_system_message_later_in_the_chat_is_a_turn_like_any_other():
    chat = [turn("user", "Hi"), turn("system", "Be brief.")]
    text = render_chat(chat, add_generation_prompt=False)
    assert text == (
        "<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>system\nBe brief.<|im_end|>\n"
    )


def test_two_thinking_turns_after_the_last_user_turn_both_keep_thoughts():
    chat = [
        turn("user", "1+1?"),
        turn("assistant", "<think>\nadd\n</think>\n\n2"),
        turn("assistant", "<think>check</think>yes"),
    ]
    text = render_chat(chat, add_generation_prompt=False)
    assert text == (
        "<|im_start|>user\n1+1?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\nadd\n</think>\n\n2<|im_end|>\n"
        "<|im_start|>assistant\n<think>\ncheck\n</think>\n\nyes<|im_end|>\n"
    )


def test_a_repeated_user_message_counts_at_its_last_place():
    chat = [turn("user", "a"), turn("assistant", "<think>t</think>b")] * 2
    text = render_chat(chat, add_generation_prompt=False)
    first, second = text.split("<|im_start|>user")[1:]
    assert "<think>" not in first
    assert "<think>\nt\n</think>" in second


def test_an_empty_message_is_an_empty_turn():
    text = render_chat([turn("user", "")], add_generation_prompt=False)
    assert text == "<|im_start|>user\n<|im_end|>\n"


@pytest.mark.parametrize(
    ("chat", "complaint"),
    [
        ([], "at least one"),
        ("What is 2+2?", "must be a list"),
        ([turn("robot", "Hi")], "message 0 has role 'robot'"),
        ([turn("user", "Hi"), turn("user", None)], "message 1 has content"),
        ([{"content": "Hi"}], "message 0 has role None"),
    ],
)
def test_messages_of_another_form_are_refused_by_name(chat, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_messages(chat)


def test_a_template_cannot_reach_python_through_the_sandbox():
    template = "{{ messages.__class__.__mro__ }}"
    with pytest.raises(ValueError, match="chat template cannot render"):
        render_template(template, [turn("user", "Hi")])


def test_a_template_that_refuses_a_chat_is_quoted():
    template = "{{ raise_exception('no system turns, please') }}"
    with pytest.raises(ValueError, match="no system turns, please"):
        render_template(template, [turn("system", "Hi")])


def test_a_broken_template_names_the_file_to_check():
    with pytest.raises(ValueError, match="check chat_template.jinja"):
        render_template("{% if %}", [turn("user", "Hi")])
