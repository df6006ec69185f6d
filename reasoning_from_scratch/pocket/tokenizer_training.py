"""Training the tokenizer of the pocket models.

Byte-level BPE with Qwen's pre-tokenization pattern (so digits stand alone)
and Qwen3's special tokens, trained on the corpus of both pocket styles. Any
text can be encoded, since all 256 bytes are entries.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from reasoning_from_scratch.llm.tokenizer import CHAT_TEMPLATE

from .corpus import CorpusMix, draw_document
from .problem_sets import held_out_keys

VOCAB_SIZE = 768
NUM_DOCUMENTS = 20_000
SEED = 7

# Qwen2 and Qwen3 split text so before merging bytes.
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
THINK_TOKENS = ("<think>", "</think>")


def train_tokenizer(vocab_size=VOCAB_SIZE, num_documents=NUM_DOCUMENTS):
    """Train a `tokenizers.Tokenizer`, a pure function of the arguments.

    Think tokens are single ids but, as in Qwen3, no special tokens:
    decoding keeps them.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models
    from tokenizers.normalizers import NFC
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = NFC()
    bytes_of = ByteLevel(add_prefix_space=False, use_regex=False)
    pieces = Split(Regex(QWEN_PATTERN), "isolated")
    tokenizer.pre_tokenizer = Sequence([pieces, bytes_of])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab_size - len(CONTROL_TOKENS) - len(THINK_TOKENS),
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_texts(num_documents), trainer)
    tokenizer.add_special_tokens(list(CONTROL_TOKENS))
    tokenizer.add_tokens(
        [AddedToken(t, normalized=False) for t in THINK_TOKENS]
    )
    return tokenizer


def _training_texts(num_documents):
    """Documents without their special tokens, which are never merged."""
    rng = Random(SEED)
    mixes = [CorpusMix()] * 4 + [CorpusMix(thinking=True)]
    for i in range(num_documents):
        mix = mixes[i % len(mixes)]
        document = draw_document(rng, mix, held_out_keys()).text
        for token in (*CONTROL_TOKENS, *THINK_TOKENS):
            document = document.replace(token, "")
        yield document


def write_tokenizer(folder, *, is_chat=False):
    """Write the four tokenizer files of the official layout.

    A chat model ends its turns with <|im_end|>, as the teacher does; a base
    model ends a document with <|endoftext|>.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    end, pad = ("<|im_end|>" if is_chat else "<|endoftext|>", "<|endoftext|>")
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "bos_token": None,
        "eos_token": end,
        "pad_token": pad,
        "unk_token": None,
        "additional_special_tokens": list(CONTROL_TOKENS[1:]),
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": 2048,
        "split_special_tokens": False,
        "added_tokens_decoder": {
            str(number): dict(sorted(token.__getstate__().items()))
            for number, token in tokenizer.get_added_tokens_decoder().items()
        },
    }
    stop_ids = [tokenizer.token_to_id(token) for token in (end, pad)]
    generation = {
        "eos_token_id": sorted(set(stop_ids)),
        "pad_token_id": stop_ids[1],
        "do_sample": False,
    }
    for name, content in (
        ("tokenizer_config", config),
        ("generation_config", generation),
    ):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{name}.json").write_text(text, "utf-8", newline="\n")
    template = folder / "chat_template.jinja"
    template.write_text(CHAT_TEMPLATE, "utf-8", newline="\n")
