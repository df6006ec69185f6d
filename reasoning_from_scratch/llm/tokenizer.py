"""From text to token ids and back, and from a conversation to text.

`Qwen3Tokenizer` wraps the `tokenizer.json` of a model folder: byte-level BPE,
so text in any language has tokens. Decoding is our own: a token stands for a
few bytes, the bytes are joined and read as UTF-8; that is what lets a
`StreamDecoder` hold back half a character. Chats are written by the folder's
own Jinja template, else by `chat_template.jinja` beside this file. Training a
tokenizer belongs to `pocket`; other kinds, tools and images are refused.

Source: Sennrich et al. 2016 (BPE); Radford et al. 2019 (on bytes).
"""

import codecs
import json
from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders

from .config import read_json

CHAT_TEMPLATE = (
    Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
)
ROLES = ("system", "user", "assistant")
TEXTS = ("content", "reasoning_content")  # of a message
THINK_TOKENS = ("<think>", "</think>")
# Qwen's end tokens, for folders that do not name their own
END_TOKENS = ("<|endoftext|>", "<|im_end|>")


class Qwen3Tokenizer:
    """The tokenizer and chat format of one model folder.

    Args:
        folder: holds `tokenizer.json`; `tokenizer_config.json`,
            `generation_config.json` and `chat_template.jinja` are read where
            they are there.

    Attributes:
        stop_ids: tuple of the ids that end a completion: all that either
            configuration names.
        eos_id, pad_id: the end token and the padding token.
        vocab_size: highest token id + 1; an embedding may have more rows.
        chat_template: the Jinja text.

    Raises:
        FileNotFoundError: no `tokenizer.json`.
        ValueError: a file that cannot be read, or another kind of tokenizer.
    """

    def __init__(self, folder):
        folder = Path(folder)
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"no tokenizer.json in {folder}; copy it from the folder "
                "that the model comes from"
            )
        self._json = path.read_text(encoding="utf-8")
        self._tokenizer = _byte_level_bpe(self._json, path)
        self._config = _read_optional(folder / "tokenizer_config.json")
        self._generation = _read_optional(folder / "generation_config.json")
        template = folder / "chat_template.jinja"
        if template.is_file():
            self.chat_template = template.read_text(encoding="utf-8")
        else:
            embedded = self._config.get("chat_template")
            self.chat_template = embedded or CHAT_TEMPLATE
        self._added_tokens = self._tokenizer.get_added_tokens_decoder()
        self._token_bytes = {}  # filled as tokens are met
        self.vocab_size = max(self._tokenizer.get_vocab().values()) + 1
        self._find_special_ids(folder)

    def _find_special_ids(self, folder):
        """Set eos_id, pad_id and stop_ids from the two configurations."""
        end, pad = map(self._configured_id, ("eos_token", "pad_token"))
        known = [end, *map(self.token_to_id, END_TOKENS)]
        known = [i for i in known if i is not None]
        stops = self._generation.get("eos_token_id")
        stops = known if stops is None else stops
        stops = stops if isinstance(stops, list) else [stops]
        # Where the two files name different tokens, both end a completion
        stops = stops if end is None else [*stops, end]
        if not stops or not all(isinstance(i, int) for i in stops):
            raise ValueError(
                f"the tokenizer in {folder} has no end token: name one as "
                "eos_token in tokenizer_config.json, or its id as "
                f"eos_token_id in generation_config.json (got {stops})"
            )
        self.stop_ids = tuple(dict.fromkeys(stops))
        self.eos_id = (known or stops)[0]
        pads = [pad, self.token_to_id(END_TOKENS[0]), self.eos_id]
        self.pad_id = next(i for i in pads if i is not None)

    def _configured_id(self, role):
        """Id of the token that tokenizer_config.json names for a role."""
        name = self._config.get(role)
        if isinstance(name, dict):  # older files wrap the name
            name = name.get("content")
        return None if name is None else self.token_to_id(name)

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
        # Surrogate pairs become characters; a lone one becomes U+FFFD
        pairs = text.encode("utf-16-le", errors="surrogatepass")
        text = pairs.decode("utf-16-le", errors="replace")
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

    def _look_up_bytes(self, token_id):
        if token_id in self._added_tokens:
            return self._added_tokens[token_id].content.encode()
        token = self._tokenizer.id_to_token(token_id) or ""
        return bytes(BYTE_OF_LETTER[letter] for letter in token)

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
                "content" (a string); an assistant's may bring its thoughts
                apart, as "reasoning_content". A control string such as
                `<|im_end|>` inside them gets a space after its first
                character, so that no message can end its turn and open
                another.
            add_generation_prompt: end by opening the assistant's next turn.
            enable_thinking: False asks for an answer without thinking.

        Raises:
            ValueError: messages of another form, or a broken template.
        """
        check_messages(messages)
        messages = [
            {
                key: self._defuse(value) if key in TEXTS else value
                for key, value in message.items()
            }
            for message in messages
        ]
        return render_chat(
            self.chat_template,
            messages,
            add_generation_prompt=add_generation_prompt,
            enable_thinking=enable_thinking,
        )

    def _is_special(self, token_id):
        token = self._added_tokens.get(token_id)
        return token is not None and token.special

    def _defuse(self, text):
        """Break control strings so that they come out as ordinary text."""
        for token in self._added_tokens.values():
            name = token.content
            if text and token.special and name not in THINK_TOKENS:
                text = text.replace(name, f"{name[:1]} {name[1:]}")
        return text

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
        """Write the four files as they were read, in the official layout."""
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None,
            "eos_token": self._tokenizer.id_to_token(self.eos_id),
            "pad_token": self._tokenizer.id_to_token(self.pad_id),
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
            **self._config,
        }
        config.pop("chat_template", None)  # has a file of its own
        generation_config = {
            **self._generation,
            "eos_token_id": list(self.stop_ids),
            "pad_token_id": self.pad_id,
        }
        texts = {
            "tokenizer.json": self._json,
            "tokenizer_config.json": _to_json(config),
            "generation_config.json": _to_json(generation_config),
            "chat_template.jinja": self.chat_template,
        }
        for name, text in texts.items():
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8", newline="")


class StreamDecoder:
    """Decodes one completion token by token, in whole characters.

    The pieces joined equal `tokenizer.decode` of all the tokens.
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


# ---- Chats ----


def check_messages(messages):
    """Raise ValueError for anything that is not a list of text messages."""
    if not messages or isinstance(messages, (str, dict)):
        raise ValueError(
            "messages must be a list of at least one "
            '{"role": …, "content": …}, got ' + repr(messages)[:80]
        )
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            raise ValueError(
                f"message {number} is {message!r:.80}; expected a dict with "
                '"role" and "content"'
            )
        if (role := message.get("role")) not in ROLES:
            raise ValueError(
                f"message {number} has role {role!r}; "
                f"expected one of {', '.join(ROLES)}"
            )
        for key in TEXTS:
            text = message.get(key)
            is_left_out = text is None and key != "content"
            if not (isinstance(text, str) or is_left_out):
                raise ValueError(
                    f"message {number} has {key} of type "
                    f"{type(text).__name__}; expected a string"
                )


def render_chat(template, messages, **switches):
    """Render a Jinja chat template in a sandbox; ValueError if it cannot."""
    from jinja2 import TemplateError

    try:
        return _compile(template).render(messages=messages, **switches)
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


# ---- Files and bytes ----


def _byte_level_bpe(text, path):
    """The `tokenizers.Tokenizer` that the text of a file describes."""
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing more precise
        raise ValueError(
            f"{path} cannot be read: {error}; copy it again"
        ) from error
    if not isinstance(tokenizer.decoder, decoders.ByteLevel):
        raise ValueError(
            f"{path} is not a byte-level tokenizer, the only kind that Qwen3 "
            "models use"
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _read_optional(path):
    return read_json(path) if path.is_file() else {}


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
