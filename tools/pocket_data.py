"""What pre-training starts from: problem sets and the pocket tokenizer.

    python tools/pocket_data.py made/

The same files every time: what they were made into ships in
reasoning_from_scratch/pocket/assets. The tokenizer is byte-level BPE with
Qwen's pre-tokenization pattern (so digits stand alone) and Qwen3's special
tokens, trained on the corpus of both pocket styles.
"""

import gzip
import json
import sys
from pathlib import Path
from random import Random

from pocket.corpus import (
    SPLIT_SIZES,
    CorpusMix,
    draw_document,
    draw_split,
    held_out_keys,
    solution_text,
)
from pocket_teacher import draw_thoughtful

from reasoning_from_scratch.llm.tokenizer import CHAT_TEMPLATE

# Qwen2 and Qwen3 split text so before merging bytes.
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONTROL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
THINK_TOKENS = ["<think>", "</think>"]


def problem_row(split, index, exercise):
    """One line of a problem set, with the fields of `Problem`."""
    return {
        "problem": exercise.question,
        "answer": exercise.answer,
        "subject": exercise.family,
        "level": exercise.level,
        "id": f"pocketmath-{split}-{index:05d}",
        "solution": solution_text(exercise.steps, exercise.answer),
    }


def split_bytes(split):
    """The gzip JSONL file of a split; the same bytes on every machine."""
    lines = [
        json.dumps(problem_row(split, i, exercise), ensure_ascii=False)
        for i, exercise in enumerate(draw_split(split))
    ]
    text = "\n".join(lines) + "\n"
    return gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0)


def train_tokenizer(texts, vocab_size=768):
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
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(CONTROL_TOKENS)
    tokenizer.add_tokens(
        [AddedToken(t, normalized=False) for t in THINK_TOKENS]
    )
    return tokenizer


def training_texts():
    """Documents without their special tokens, which are never merged."""
    rng = Random(7)
    for i in range(20_000):
        draw = draw_thoughtful if i % 5 == 4 else draw_document
        document = "".join(draw(rng, CorpusMix(), held_out_keys()))
        for token in (*CONTROL_TOKENS, *THINK_TOKENS):
            document = document.replace(token, "")
        yield document


def tokenizer_files(tokenizer, *, is_chat=False):
    """Name -> content of the four tokenizer files of the official layout.

    A chat model ends its turns with <|im_end|>, as the teacher does; a base
    model ends a document with <|endoftext|>.
    """
    end, pad = ("<|im_end|>" if is_chat else "<|endoftext|>", "<|endoftext|>")
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "bos_token": None,
        "eos_token": end,
        "pad_token": pad,
        "unk_token": None,
        "additional_special_tokens": CONTROL_TOKENS[1:],
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
    return {
        "tokenizer.json": tokenizer.to_str(pretty=True),
        "tokenizer_config.json": _to_json(config),
        "generation_config.json": _to_json(generation),
        "chat_template.jinja": CHAT_TEMPLATE,
    }


def _to_json(content):
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def main(folder: Path) -> None:
    """Write the problem sets, and the tokenizer once for each kind."""
    tokenizer = train_tokenizer(training_texts())
    files = {f"pocketmath/{s}.jsonl.gz": split_bytes(s) for s in SPLIT_SIZES}
    for name, is_chat in (("pocket", False), ("pocket-teacher", True)):
        written = tokenizer_files(tokenizer, is_chat=is_chat)
        files |= {f"{name}/{file}": t.encode() for file, t in written.items()}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    print(f"problem sets and tokenizers written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
