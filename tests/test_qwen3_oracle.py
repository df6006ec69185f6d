"""Our Qwen3 and Qwen2 against those in `transformers`, in both directions.

Tolerance: both compute in float32, whose rounding differs with the order of
sums; 2e-5 is some 40 units in the last place of logits around 4.
"""

import json
import random

import pytest
import torch
from tiny import DATA, QWEN2, tiny_model
from tiny_checkpoints import R1_CONFIG, R1_TOKENS, write_tokenizer

from reasoning_from_scratch.llm import generate, load_model, save_model
from reasoning_from_scratch.llm.tokenizer import Qwen3Tokenizer

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

VOCAB = 320
# One shape a row: tied, heads, key-value heads, head_dim (hidden is 48; None
# for Qwen2: 48 / heads)
SHAPES = {
    "tied, 1:1": (True, 4, 4, 12),
    "tied, 2:1, wide heads": (True, 4, 2, 32),
    "untied, 4:1": (False, 8, 2, 16),
    "untied, 8:1, narrow heads": (False, 8, 1, 4),
    "qwen2, tied, 1:1": (True, 4, 4, None),
    "qwen2, tied, 2:1": (True, 4, 2, None),
    "qwen2, untied, 6:1": (False, 6, 1, None),
}
# Qwen2.5's format without tools: a system turn is always there
QWEN2_CONFIG = {
    "chat_template": (DATA / "qwen2_template.jinja").read_text("utf-8"),
    "eos_token": "<|im_end|>",
}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1+1?"},
    {"role": "assistant", "content": "<think>\nadd\n</think>\n\n2"},
    {"role": "user", "content": "2+2?"},
]


def save_reference(folder, shape, *, sharded=False):
    """A random model of `transformers`, saved by it beside a tokenizer."""
    tied, num_heads, num_kv_heads, head_dim = SHAPES[shape]
    family = "Qwen3" if head_dim else "Qwen2"
    sizes = {"vocab_size": VOCAB, "hidden_size": 48, "intermediate_size": 96}
    sizes |= {"head_dim": head_dim} if head_dim else {}
    rope = {"rope_theta": 50_000.0, "rope_type": "default"}
    config = getattr(transformers, f"{family}Config")(
        num_hidden_layers=3,
        num_attention_heads=num_heads,
        num_key_value_heads=num_kv_heads,
        tie_word_embeddings=tied,
        rope_parameters=rope,
        initializer_range=0.2,  # attention far from uniform
        **sizes,
    )
    torch.manual_seed(1)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)  # zeros otherwise
    limit = "100KB" if sharded else "5GB"
    model.save_pretrained(folder, max_shard_size=limit)
    write_tokenizer(folder)
    return model


def as_transformers_4(folder):
    """Write config.json the way that transformers 4 did."""
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["rope_scaling"] = None
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config), "utf-8")


@pytest.mark.parametrize("layout", ["one file", "shards", "transformers 4"])
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_those_of_transformers(tmp_path, shape, layout):
    reference = save_reference(tmp_path, shape, sharded=layout == "shards")
    if layout == "transformers 4":
        as_transformers_4(tmp_path)
    num_files = len(list(tmp_path.glob("*.safetensors")))
    assert (num_files > 1) == (layout == "shards")
    model, _ = load_model(tmp_path, device="cpu")
    token_ids = torch.randint(
        VOCAB, (3, 40), generator=torch.Generator().manual_seed(2)
    )
    with torch.inference_mode():
        difference = reference(token_ids).logits - model(token_ids)
    assert difference.abs().max().item() <= 2e-5


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("shape", SHAPES)
def test_unequal_prompts_get_the_same_tokens(tmp_path, shape, compiled):
    reference = save_reference(tmp_path, shape)
    model, tokenizer = load_model(tmp_path, device="cpu")
    prompts = ["12 + 7 =", "Let's think step by step.", "a"]
    options = {"max_new_tokens": 24, "stop_ids": (), "compiled": compiled}
    ours = generate(model, tokenizer, prompts, **options)
    for prompt, output in zip(prompts, ours, strict=True):
        assert output.token_ids == greedy(reference, tokenizer, prompt, 24)


def greedy(reference, tokenizer, prompt, num_tokens):
    """The likeliest tokens by `transformers`, one prompt, no early end.

    The embedding's padding rows are no tokens: we never choose them.
    """
    vocab_size = reference.config.vocab_size
    token_ids = torch.tensor([tokenizer.encode(prompt)])
    generated = reference.generate(
        token_ids,
        attention_mask=torch.ones_like(token_ids),
        min_new_tokens=num_tokens,
        max_new_tokens=num_tokens,
        do_sample=False,
        eos_token_id=vocab_size,  # no such token
        suppress_tokens=list(range(tokenizer.vocab_size, vocab_size)) or None,
    )
    return generated[0, token_ids.shape[1] :].tolist()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", [{}, QWEN2], ids=["qwen3", "qwen2"])
def test_transformers_opens_what_we_save_and_does_the_same(
    tokenizer, tmp_path, family, tied
):
    changes = {"vocab_size": tokenizer.vocab_size, **family}
    model = tiny_model(tie_word_embeddings=tied, **changes)
    folder = tmp_path / "saved"
    save_model(model, tokenizer, folder)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    prompts = ["Problem: 12 + 7\nAnswer:", "Let's think", "step"]
    ours = generate(model, tokenizer, prompts, max_new_tokens=64, stop_ids=())
    for prompt, output in zip(prompts, ours, strict=True):
        assert output.token_ids == greedy(theirs, tokenizer, prompt, 64)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for text in ["Let's add 12 + 7\n\n", "e\u0301 中\0", "<think>2<|im_end|>"]:
        assert theirs(text).input_ids == tokenizer.encode(text)
    ids = (theirs.eos_token_id, theirs.pad_token_id)
    assert ids == (tokenizer.eos_id, tokenizer.pad_id)
    config = transformers.GenerationConfig.from_pretrained(folder)
    assert tuple(config.eos_token_id) == tokenizer.stop_ids
    for thinking in (True, False):
        how = {"add_generation_prompt": True, "enable_thinking": thinking}
        text = theirs.apply_chat_template(CHAT, tokenize=False, **how)
        assert text == tokenizer.apply_chat_template(CHAT, **how)


def random_chat(seed):
    """Up to seven turns by turns, perhaps behind a system message."""
    draw = random.Random(seed)
    pieces = ["1+1?", " Hi", "\n", "中", "{{ x }}", "so</think>\n\n2", ""]
    roles = ["user", "assistant"] * 4
    roles = ["system"] * draw.randrange(2) + roles[: draw.randrange(1, 8)]
    return [
        {"role": role, "content": "".join(draw.choices(pieces, k=3))}
        for role in roles
    ]


def check_chats(ours, theirs):
    """Two tokenizers render and encode random chats alike."""
    for seed in range(20):
        chat, opened = random_chat(seed), seed % 3 > 0
        text = ours.apply_chat_template(chat, add_generation_prompt=opened)
        assert text == theirs.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=opened
        )
        assert ours.encode(text) == theirs.encode(
            text, add_special_tokens=False
        )


@pytest.mark.parametrize("config", [QWEN2_CONFIG, R1_CONFIG])
def test_chats_of_other_families_are_rendered_alike(tmp_path, config):
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
    write_tokenizer(tmp_path, config=config, extra=R1_TOKENS)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    check_chats(Qwen3Tokenizer(tmp_path), theirs)
