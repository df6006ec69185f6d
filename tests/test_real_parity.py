"""A published Qwen2.5 against `transformers`; needs RFS_REAL_MODEL, a folder.

    RFS_REAL_MODEL=/path/to/qwen2.5 pytest -m slow tests/test_real_parity.py

The folder is in the official layout; `tools/real_model.py` makes one. It is
opened twice in float32, which takes 2 GB each time at 0.5B parameters.
"""

import os
from pathlib import Path

import pytest
import torch
from test_qwen3_oracle import check_chats, greedy

from reasoning_from_scratch.evaluation import load_problems, render_prompt
from reasoning_from_scratch.llm import generate, load_model, save_model

transformers = pytest.importorskip("transformers")
FOLDER = Path(os.environ.get("RFS_REAL_MODEL", "nowhere"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no RFS_REAL_MODEL"),
]


def open_reference(folder):
    """Their model and tokenizer of a folder."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32
    )
    return model.eval(), transformers.AutoTokenizer.from_pretrained(folder)


def test_logits_tokens_and_chats_are_the_same_also_when_saved(tmp_path):
    reference, theirs = open_reference(FOLDER)
    model, tokenizer = load_model(FOLDER, device="cpu", dtype="float32")
    # Sixteen problems, asked for directly and step by step
    prompts = [
        render_prompt(("chat", "chat-no-think")[n % 2], problem, tokenizer)
        for n, problem in enumerate(load_problems("gsm8k", limit=16))
    ]
    # Without the penalty on repetition that its folder may ask for
    reference.generation_config.repetition_penalty = 1.0
    options = {"max_new_tokens": 128, "stop_ids": ()}
    outputs = generate(model, tokenizer, prompts, **options)
    for prompt, output in zip(prompts, outputs, strict=True):
        token_ids = torch.tensor([tokenizer.encode(prompt)])
        with torch.inference_mode():
            difference = reference(token_ids).logits - model(token_ids)
        # Logits reach 33; 1e-4 is some 26 units in their last place
        assert difference.abs().max().item() <= 1e-4
        expected = greedy(reference, tokenizer, prompt, 128)
        assert output.token_ids == expected

    check_chats(tokenizer, theirs)
    assert theirs.eos_token_id == tokenizer.eos_id

    save_model(model, tokenizer, tmp_path / "saved")
    again, saved = open_reference(tmp_path / "saved")
    with torch.inference_mode():
        expected = reference(token_ids).logits
        assert torch.equal(again(token_ids).logits, expected)
    assert saved.encode(prompt) == tokenizer.encode(prompt)
