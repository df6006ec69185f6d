"""Turning a conversation into the one string that a chat model continues.

Qwen3 marks each turn as `<|im_start|>role\\n…<|im_end|>\\n`. An assistant's
thinking stands in `<think>…</think>` before its answer, and is shown again
only after the last user message: a long chat does not fill up with old
thoughts. `render_chat` writes this format in plain Python; CHAT_TEMPLATE says
the same in Jinja, for the programs that read `chat_template.jinja`, and a
test holds the two equal. A model folder that brings a template of its own is
rendered by `render_template`. Tools and images are out of scope.

Source: the chat format of the Qwen3 release, April 2025.
"""

from functools import lru_cache

ROLES = ("system", "user", "assistant")

CHAT_TEMPLATE = r"""
{#- Qwen3's chat format: thoughts stay only after the last user turn -#}
{%- set last = namespace(user=messages | length - 1) -%}
{%- for message in messages -%}
    {%- if message.role == 'user' -%}
        {%- set last.user = loop.index0 -%}
    {%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
    {%- set text = message.content -%}
    {%- if message.role == 'assistant' -%}
        {%- set thoughts = '' -%}
        {%- if '</think>' in text -%}
            {%- set thoughts = text.split('</think>')[0] -%}
            {%- set thoughts = thoughts.split('<think>')[-1].strip('\n') -%}
            {%- set text = text.split('</think>')[-1].lstrip('\n') -%}
        {%- endif -%}
        {%- if loop.index0 > last.user and (thoughts or loop.last) -%}
            {%- set text = '<think>\n' + thoughts + '\n</think>\n\n'
                           + text.lstrip('\n') -%}
        {%- endif -%}
    {%- endif -%}
    {{- '<|im_start|>' + message.role + '\n' + text + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\n' -}}
    {%- if enable_thinking is defined and not enable_thinking -%}
        {{- '<think>\n\n</think>\n\n' -}}
    {%- endif -%}
{%- endif -%}
""".lstrip()


def render_chat(messages, *, add_generation_prompt=True, enable_thinking=True):
    """Write a conversation in Qwen3's chat format.

    Args:
        messages: dicts with "role" (one of ROLES) and "content" (a string).
        add_generation_prompt: end by opening the assistant's next turn.
        enable_thinking: False opens that turn with an empty thought, so
            that the answer follows at once.

    Returns:
        the text that the model continues.
    """
    last_index = len(messages) - 1
    user_turns = [i for i, m in enumerate(messages) if m["role"] == "user"]
    last_user = user_turns[-1] if user_turns else last_index
    text = ""
    for index, message in enumerate(messages):
        content = message["content"]
        if message["role"] == "assistant":
            thoughts, content = split_thoughts(content)
            if index > last_user and (thoughts or index == last_index):
                content = join_thoughts(thoughts, content)
        text += f"<|im_start|>{message['role']}\n{content}<|im_end|>\n"
    if add_generation_prompt:
        text += "<|im_start|>assistant\n"
        text += "" if enable_thinking else join_thoughts("", "")
    return text


def split_thoughts(text):
    """Part an assistant's text into (thoughts, answer)."""
    if "</think>" not in text:
        return "", text
    before, answer = text.split("</think>")[0], text.split("</think>")[-1]
    return before.split("<think>")[-1].strip("\n"), answer.lstrip("\n")


def join_thoughts(thoughts, answer):
    """Write thoughts and answer as one assistant's text."""
    return f"<think>\n{thoughts}\n</think>\n\n" + answer.lstrip("\n")


def check_messages(messages):
    """Raise ValueError for anything that is not a list of text messages."""
    if not messages or isinstance(messages, (str, dict)):
        raise ValueError(
            "messages must be a list of at least one "
            '{"role": …, "content": …}, got ' + repr(messages)[:80]
        )
    for number, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise ValueError(
                f"message {number} has role {role!r}; "
                f"expected one of {', '.join(ROLES)}"
            )
        if not isinstance(content, str):
            raise ValueError(
                f"message {number} has content of type "
                f"{type(content).__name__}; expected a string"
            )


def render_template(template, messages, **variables):
    """Render a model's own Jinja template in a sandbox.

    Args:
        template: the text of its `chat_template.jinja`.
        messages: as for `render_chat`.
        variables: what else the template may read, e.g. enable_thinking.

    Raises:
        ValueError: the template is broken, or refuses the conversation.
    """
    from jinja2 import TemplateError

    try:
        return _compile(template).render(messages=messages, **variables)
    except (TemplateError, TypeError, ArithmeticError) as error:
        raise ValueError(
            f"the model's chat template cannot render this chat: {error}; "
            "check chat_template.jinja in the model folder"
        ) from error


@lru_cache(maxsize=8)
def _compile(template):
    """Compile a template with the settings that transformers uses."""
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message):
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(template)
