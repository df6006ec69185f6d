"""From text to token ids and back.

`Qwen3Tokenizer` wraps the `tokenizer.json` of a model folder: byte-level BPE,
so text in any language has tokens. Decoding is our own: a token stands for a
few bytes, the bytes are joined and read as UTF-8; that is what lets a
`StreamDecoder` hold back half a character. Training a tokenizer belongs to
`pocket`; tokenizers of another kind are refused.

Source: Sennrich et al. 2016 (BPE); Radford et al. 2019 (on bytes).
"""

import codecs
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders

from .chat_template import (
    CHAT_TEMPLATE,
    check_messages,
    render_chat,
    render_template,
)

# Qwen's end tokens, for folders that do not name their own
END_TOKENS = ("<|endoftext|>", "<|im_end|>")
THINK_TOKENS = ("<think>", "</think>")


class Qwen3Tokenizer:
    """The tokenizer and chat format of one model folder.

    Args:
        folder: holds `tokenizer.json`; `tokenizer_config.json`,
            `generation_config.json` and `chat_template.jinja` are read where
            they are there.

    Attributes:
        stop_ids: tuple of the ids that end a completion.
        eos_id, pad_id: the end token and the padding token.
        vocab_size: highest token id + 1; an embedding may have more rows.

    Raises:
        FileNotFoundError: no `tokenizer.json`.
        ValueError: a file that cannot be read, or another kind of tokenizer.
    """

    def __init__(self, folder):
        self.files = TokenizerFiles.read(folder)
        self._tokenizer = self.files.build()
        self._added_tokens = self._tokenizer.get_added_tokens_decoder()
        self._token_bytes = {}  # filled as tokens are met
        self.vocab_size = max(self._tokenizer.get_vocab().values()) + 1
        self.eos_id, self.pad_id, self.stop_ids = self.files.special_ids(
            self.token_to_id
        )

    def encode(self, text, *, allow_special=True):
        """Turn text into token ids.

        Args:
            text: any string. It is normalised to NFC as Qwen's tokenizer
                does; NUL is a character like any other; a lone surrogate,
                which is no character, becomes U+FFFD.
            allow_special: read `<|im_end|>` and the other control strings as
                the tokens they name. Pass False for text that somebody else
                wrote: the strings are then spelled out like other text.

        Returns:
            list of ints; empty for empty text.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"encode takes a string, got {type(text).__name__}; "
                "for several texts call it once for each"
            )
        self._tokenizer.encode_special_tokens = not allow_special
        text = _without_surrogates(text)
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, token_ids, *, skip_special=False):
        """Turn token ids back into text.

        Args:
            token_ids: ints. Ids past the vocabulary, the embedding's padding
                rows, have no text.
            skip_special: leave control tokens out.

        Returns:
            str; bytes that form no character come out as U+FFFD.
        """
        token_ids = map(int, token_ids)
        if skip_special:
            token_ids = (i for i in token_ids if not self._is_special(i))
        text = b"".join(map(self.token_bytes, token_ids))
        return text.decode("utf-8", errors="replace")

    def token_bytes(self, token_id):
        """The bytes that a token stands for; b"" where there is no token."""
        if token_id not in self._token_bytes:
            if token_id < 0:
                raise ValueError(f"token ids start at 0, got {token_id}")
            self._token_bytes[token_id] = self._look_up_bytes(token_id)
        return self._token_bytes[token_id]

    def token_to_id(self, token):
        """The id of a token given by name, or None."""
        return self._tokenizer.token_to_id(token)

    def stream_decoder(self):
        """A `StreamDecoder` for one completion."""
        return StreamDecoder(self)

    @property
    def has_think(self):
        """Whether `<think>` and `</think>` are tokens of their own."""
        return None not in map(self.token_to_id, THINK_TOKENS)

    def apply_chat_template(
        self, messages, *, add_generation_prompt=True, enable_thinking=True
    ):
        """Write a conversation as the string that the model continues.

        Args:
            messages: dicts with "role" ("system", "user" or "assistant") and
                "content" (a string). A control string such as `<|im_end|>`
                inside a content gets a space after its first character, so
                that no message can end its turn and open another.
            add_generation_prompt: end by opening the assistant's next turn.
            enable_thinking: False asks for an answer without thinking.

        Raises:
            ValueError: messages of another form, or a broken template.
        """
        check_messages(messages)
        messages = [
            {**message, "content": self._defuse(message["content"])}
            for message in messages
        ]
        switches = {
            "add_generation_prompt": add_generation_prompt,
            "enable_thinking": enable_thinking,
        }
        if self.files.chat_template is None:
            return render_chat(messages, **switches)
        return render_template(self.files.chat_template, messages, **switches)

    def pad_left(self, rows, *, device=None):
        """Make one batch of rows of different lengths.

        Args:
            rows: lists of token ids, none of them empty.

        Returns:
            token_ids: (rows, longest) int64, padded on the left, so that
                every row's newest token stands in the last column.
            key_mask: (rows, longest) bool, true where a token counts.
        """
        if not rows or not all(rows):
            raise ValueError(
                "pad_left needs at least one row and a token in each, got "
                f"lengths {[len(row) for row in rows]}"
            )
        longest = max(map(len, rows))
        padded = [[self.pad_id] * (longest - len(row)) + row for row in rows]
        first = torch.tensor([[longest - len(row)] for row in rows])
        key_mask = torch.arange(longest) >= first  # (rows, longest)
        return torch.tensor(padded, device=device), key_mask.to(device)

    def save(self, folder):
        """Write the tokenizer's files, in the official layout."""
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None,
            "eos_token": self._tokenizer.id_to_token(self.eos_id),
            "pad_token": self._tokenizer.id_to_token(self.pad_id),
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
        }
        generation_config = {
            "eos_token_id": list(self.stop_ids),
            "pad_token_id": self.pad_id,
        }
        replace(
            self.files,
            config=config | self.files.config,
            generation_config=self.files.generation_config | generation_config,
        ).write(folder)

    def _is_special(self, token_id):
        token = self._added_tokens.get(token_id)
        return token is not None and token.special

    def _look_up_bytes(self, token_id):
        if token_id in self._added_tokens:
            return self._added_tokens[token_id].content.encode()
        token = self._tokenizer.id_to_token(token_id) or ""
        return bytes(BYTE_OF_LETTER[letter] for letter in token)

    def _defuse(self, content):
        """Break control strings so that they come out as ordinary text."""
        for token in self._added_tokens.values():
            name = token.content
            if token.special and name not in THINK_TOKENS:
                content = content.replace(name, f"{name[:1]} {name[1:]}")
        return content


class StreamDecoder:
    """Decodes one completion token by token, in whole characters.

    The pieces joined equal `tokenizer.decode` of all the tokens.

    Args:
        tokenizer: a `Qwen3Tokenizer`.
    """

    def __init__(self, tokenizer):
        self._token_bytes = tokenizer.token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id):
        """The text that this token completes; often "" inside a character."""
        return self._utf8.decode(self._token_bytes(token_id))

    def flush(self):
        """What is left at the end: U+FFFD for a character cut short."""
        return self._utf8.decode(b"", final=True)


@dataclass
class TokenizerFiles:
    """What the files said, kept to be written out unchanged.

    Attributes:
        tokenizer: the text of `tokenizer.json`.
        config: the content of `tokenizer_config.json`.
        generation_config: the content of `generation_config.json`.
        chat_template: the Jinja text, or None for Qwen3's own format.
    """

    tokenizer: str
    config: dict = field(default_factory=dict)
    generation_config: dict = field(default_factory=dict)
    chat_template: str | None = None

    @classmethod
    def read(cls, folder):
        """Read the files of a folder.

        Raises:
            FileNotFoundError: no `tokenizer.json`.
            ValueError: a file that is not valid JSON.
        """
        folder = Path(folder)
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"no tokenizer.json in {folder}; copy it from the folder "
                "that the model comes from"
            )
        config = _read_json(folder / "tokenizer_config.json")
        template = folder / "chat_template.jinja"
        return cls(
            tokenizer=path.read_text(encoding="utf-8"),
            config=config,
            generation_config=_read_json(folder / "generation_config.json"),
            chat_template=template.read_text(encoding="utf-8")
            if template.is_file()
            else config.get("chat_template"),
        )

    def write(self, folder):
        """Write all four files into a folder."""
        config = {k: v for k, v in self.config.items() if k != "chat_template"}
        texts = {
            "tokenizer.json": self.tokenizer,
            "tokenizer_config.json": _to_json(config),
            "generation_config.json": _to_json(self.generation_config),
            "chat_template.jinja": self.chat_template or CHAT_TEMPLATE,
        }
        for name, text in texts.items():
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8", newline="")

    def build(self):
        """The `tokenizers.Tokenizer` that `tokenizer.json` describes.

        Raises:
            ValueError: it cannot be read, or is not a byte-level tokenizer.
        """
        try:
            tokenizer = Tokenizer.from_str(self.tokenizer)
        except Exception as error:  # the library raises nothing more precise
            raise ValueError(
                f"tokenizer.json cannot be read: {error}; copy it again"
            ) from error
        if not isinstance(tokenizer.decoder, decoders.ByteLevel):
            raise ValueError(
                "tokenizer.json is not a byte-level tokenizer, the only kind "
                "that Qwen3 models use"
            )
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def special_ids(self, token_to_id):
        """Find the tokens that end and pad, as ids.

        Args:
            token_to_id: gives the id of a token's name, or None.

        Returns:
            eos_id, pad_id, and the tuple of ids that end a completion.

        Raises:
            ValueError: no end token is named, and none of Qwen's is known.
        """
        endoftext = token_to_id(END_TOKENS[0])
        eos_id = self._configured("eos_token", token_to_id)
        ends = [eos_id, *map(token_to_id, END_TOKENS)]
        ends = [i for i in dict.fromkeys(ends) if i is not None]
        stops = self.generation_config.get("eos_token_id")
        stops = [stops] if isinstance(stops, int) else stops or ends
        if not stops:
            raise ValueError(
                "the tokenizer has no end token; name one as eos_token in "
                "tokenizer_config.json"
            )
        eos_id = ends[0] if ends else stops[0]
        pads = [self._configured("pad_token", token_to_id), endoftext, eos_id]
        pad_id = next(i for i in pads if i is not None)
        return eos_id, pad_id, tuple(stops)

    def _configured(self, role, token_to_id):
        """Id of the token that tokenizer_config.json names for a role."""
        name = self.config.get(role)
        if isinstance(name, dict):  # older files wrap the name
            name = name["content"]
        return None if name is None else token_to_id(name)


def _read_json(path):
    """The dict in a JSON file; {} where there is no such file."""
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def _to_json(content):
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _byte_alphabet():
    """The letter that stands for each byte in a byte-level vocabulary.

    Printable bytes stand for themselves; the other 68 are shifted past 255,
    so that a vocabulary file holds no spaces or control characters.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + i): byte for i, byte in enumerate(others)}


BYTE_OF_LETTER = _byte_alphabet()


def _without_surrogates(text):
    """Join surrogate pairs to characters; a lone one becomes U+FFFD."""
    pairs = text.encode("utf-16-le", errors="surrogatepass")
    return pairs.decode("utf-16-le", errors="replace")
