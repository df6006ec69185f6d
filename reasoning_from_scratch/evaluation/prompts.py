r"""How a problem is put to a model: templates and chat turns.

A prompt is a name from the table below, a template that holds {problem}, or a
file with one. The problem is put in literally, so braces in LaTeX stay what
they are. Each record keeps a hash of what was rendered.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

PLACEHOLDER = "{problem}"
BOXED = r"Give the final answer inside \boxed{}."
STEPS = r"Reason step by step, and put your final answer within \boxed{}."
AT_ONCE = "Answer at once, without any steps: write only the final answer"
PROMPTS = {
    # what the pocket models were trained on
    "direct": "Problem: {problem}\nAnswer:",
    "step-by-step": "Problem: {problem}\nAnswer: Let's think step by step.",
    # for base models that have read the web
    "boxed": f"{BOXED}\n\nProblem: {{problem}}\n\nAnswer:",
    "boxed-step-by-step": f"{STEPS}\n\nProblem: {{problem}}\n\n"
    "Answer: Let's think step by step.",
    # sent as a user's turn through the tokenizer's chat template
    "chat": f"{{problem}}\n\n{STEPS}",
    "chat-no-think": f"{{problem}}\n\n{BOXED}",
    # for models that write out every solution unless they are told not to
    "chat-at-once": f"{{problem}}\n\n{AT_ONCE} inside \\boxed{{}}.",
}
# Thinking on or off
CHAT_THINKING = {"chat": True, "chat-no-think": False, "chat-at-once": False}


def render_prompt(prompt: str, problem, tokenizer=None) -> str:
    """Write the text that the model is asked to continue.

    Args:
        prompt: a key of PROMPTS, a template with {problem}, or a file.
        problem: a Problem, or its text.
        tokenizer: needed for the chat prompts, whose template it holds.

    >>> render_prompt("direct", "What is 1 + 1?")
    'Problem: What is 1 + 1?\\nAnswer:'
    """
    text = getattr(problem, "problem", problem)
    rendered = find_template(prompt).replace(PLACEHOLDER, text)
    if prompt not in CHAT_THINKING:
        return rendered
    if tokenizer is None:
        raise ValueError(
            f"the prompt {prompt!r} needs the tokenizer's chat template; "
            "pass tokenizer="
        )
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": rendered}],
        enable_thinking=CHAT_THINKING[prompt],
    )


def find_template(prompt: str) -> str:
    """Return the template behind a name, a file, or itself."""
    template = PROMPTS.get(prompt, prompt)
    if PLACEHOLDER not in template:
        # No such file, none in UTF-8, or a NUL in its name
        with suppress(OSError, ValueError):
            template = Path(prompt).read_text(encoding="utf-8")
    if PLACEHOLDER not in template:
        raise ValueError(
            f"prompt {prompt[:60]!r} has no place for the problem; expected "
            f"one of {', '.join(PROMPTS)}, or a template or file that holds "
            f"{PLACEHOLDER}"
        )
    return template


def prompt_hash(rendered: str) -> str:
    """Return the first 12 hex digits of the SHA-256 of a rendered prompt."""
    encoded = rendered.encode("utf-8", errors="surrogatepass")
    return hashlib.sha256(encoded).hexdigest()[:12]
