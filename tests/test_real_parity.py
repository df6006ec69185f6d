"""A published Qwen2.5 against `transformers`; needs RFS_REAL_MODEL, a folder.

    RFS_REAL_MODEL=/path/to/qwen2.5 pytest -m slow tests/test_real_parity.py

The folder is in the official layout; `tools/real_model.py` makes one. It is
opened twice in float32, which takes 2 GB each time at 0.5B parameters.
"""

import os
import random
from pathlib import Path

import pytest
import torch
from test_qwen3_oracle import greedy, random_chat

from reasoning_from_scratch.evaluation import load_problems, render_prompt
from reasoning_from_scratch.llm import generate, load_model, save_model

transformers = pytest.importorskip("transformers")
FOLDER = os.environ.get("RFS_REAL_MODEL", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER, reason="RFS_REAL_MODEL names no folder"),
]


def open_reference(folder):
    model = transformers.AutoModelForCausalLM
    return model.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def reference():
    return open_reference(FOLDER)


@pytest.fixture(scope="module")
def ours():
    return load_model(Path(FOLDER), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def prompts(ours):
    """Sixteen problems, asked for directly and step by step."""
    problems = load_problems("gsm8k", limit=16)
    kinds = ["chat", "chat-no-think"] * 8
    return [
        render_prompt(kind, problem, ours[1])
        for kind, problem in zip(kinds, problems, strict=True)
    ]


def test_logits_and_greedy_tokens_are_the_same(reference, ours, prompts):
    model, tokenizer = ours
    # Without the penalty on repetition that its folder may ask for
    reference.generation_config.repetition_penalty = 1.0
    outputs = generate(*ours, prompts, max_new_tokens=128, stop_ids=())
    for prompt, output in zip(prompts, outputs, strict=True):
        token_ids = torch.tensor([tokenizer.encode(prompt)])
        with torch.inference_mode():
            difference = reference(token_ids).logits - model(token_ids)
        # Logits reach 33; 1e-4 is some 26 units in their last place
        assert difference.abs().max().item() <= 1e-4
        expected = greedy(reference, tokenizer, prompt, 128)
        assert output.token_ids == expected


def test_chats_and_token_ids_equal_those_of_transformers(ours):
    theirs = transformers.AutoTokenizer.from_pretrained(FOLDER)
    for seed in range(20):
        chat = random_chat(seed)
        opened = random.Random(seed).random() < 0.7
        text = ours[1].apply_chat_template(chat, add_generation_prompt=opened)
        assert text == theirs.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=opened
        )
        assert ours[1].encode(text) == theirs.encode(text)
    assert theirs.eos_token_id == ours[1].eos_id


def test_transformers_opens_what_we_save(reference, ours, prompts, tmp_path):
    model, tokenizer = ours
    save_model(model, tokenizer, tmp_path / "saved")
    again = open_reference(tmp_path / "saved")
    token_ids = torch.tensor([tokenizer.encode(prompts[0])])
    with torch.inference_mode():
        expected = reference(token_ids).logits
        assert torch.equal(again(token_ids).logits, expected)
    saved = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert saved.encode(prompts[0]) == tokenizer.encode(prompts[0])
