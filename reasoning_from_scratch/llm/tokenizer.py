"""From text to token ids and back, and from a conversation to text.

The library encodes; decoding is our own: a token stands for a few bytes, and
what is joined is read as UTF-8, so that half a character can be held back.
Chats are written by the folder's Jinja template, else by the one beside this
file. Tools and images are refused.

Source: Sennrich et al. 2016 (BPE); Radford et al. 2019 (on bytes).
"""

import codecs
import json
from functools import lru_cache
from pathlib import Path

import torch
from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Tokenizer, decoders

from reasoning_from_scratch.files import read_json

CHAT_TEMPLATE = (
    Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
)
ROLES = ("system", "user", "assistant")
TEXTS = ("content", "reasoning_content")  # of a message
THINK_TOKENS = ("<think>", "</think>")
# Qwen's end tokens, for folders that do not name their own
END_TOKENS = ("<|endoftext|>", "<|im_end|>")
CONTROL_STARTS = ("<|", "<｜")  # Qwen's control strings, and DeepSeek's
NAMED_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


class Qwen3Tokenizer:
    """The tokenizer and chat format of one model folder, or of one file.

    Attributes:
        stop_ids: tuple of the ids that end a completion: all that either
            configuration names.
        eos_id, pad_id: the end token and the padding token.
        vocab_size: highest token id + 1; an embedding may have more rows.

    Raises:
        FileNotFoundError: no `tokenizer.json`.
        ValueError: a file that cannot be read, or another kind of tokenizer.
    """

    def __init__(self, folder):
        folder = path = Path(folder)
        if path.suffix == ".json":
            folder = path.parent
        else:
            path = folder / "tokenizer.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"no tokenizer.json in {folder}; copy it from the folder "
                "that the model comes from"
            )
        self._json = path.read_text(encoding="utf-8")
        self._tokenizer = _byte_level_bpe(self._json, path)
        self._config, self._generation = (
            read_json(folder / name) if (folder / name).is_file() else {}
            for name in ("tokenizer_config.json", "generation_config.json")
        )
        if path.stem == "tokenizer-reasoning":  # the book's: no file says it
            self._config = {"eos_token": END_TOKENS[1]} | self._config
        embedded = self._config.get("chat_template")
        self.chat_template = embedded or CHAT_TEMPLATE
        template = folder / "chat_template.jinja"
        if template.is_file():
            self.chat_template = template.read_text(encoding="utf-8")
        self._added_tokens = self._tokenizer.get_added_tokens_decoder()
        self._token_bytes = {}  # filled as tokens are met
        self.vocab_size = max(self._tokenizer.get_vocab().values()) + 1
        self._find_special_ids(folder)

    def _find_special_ids(self, folder):
        """Set eos_id, pad_id and stop_ids from the two configurations."""
        names = [self._configured_name(r) for r in ("eos_token", "pad_token")]
        end, pad, first, second = (
            None if name is None else self.token_to_id(name)
            for name in (*names, *END_TOKENS)
        )
        known = [i for i in (end, first, second) if i is not None]
        stops = self._generation.get("eos_token_id")
        stops = known if stops is None else stops
        stops = stops if isinstance(stops, list) else [stops]
        if end is not None:  # where the two files differ, both are meant
            stops = [*stops, end]
        if not stops or not all(isinstance(i, int) for i in stops):
            raise ValueError(
                f"the tokenizer in {folder} has no end token: name one as "
                "eos_token in tokenizer_config.json, or its id as "
                f"eos_token_id in generation_config.json (got {stops})"
            )
        self.stop_ids = tuple(dict.fromkeys(stops))
        self.eos_id = (known or stops)[0]
        pads = (pad, first, self.eos_id)
        self.pad_id = next(i for i in pads if i is not None)

    def _configured_name(self, role):
        """The token that tokenizer_config.json names for a role, or None."""
        name = self._config.get(role)
        # older files wrap the name
        return name.get("content") if isinstance(name, dict) else name

    def encode(self, text, *, allow_special=True):
        """Turn any text, normalised to NFC, into a list of token ids.

        `allow_special` reads `<|im_end|>` and the other control strings as
        the tokens they name; False, for text that somebody else wrote, spells
        them out.
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

    def decode(self, token_ids):
        """Turn token ids back into text, control tokens included.

        Ids past the vocabulary, the embedding's padding rows, have no text;
        bytes that form no character come out as U+FFFD.
        """
        text = b"".join(self.token_bytes(int(i)) for i in token_ids)
        return text.decode("utf-8", errors="replace")

    def token_bytes(self, token_id):
        """The bytes that a token stands for; b"" where there is no token."""
        if token_id < 0:
            raise ValueError(f"token ids start at 0, got {token_id}")
        if token_id not in self._token_bytes:
            if token_id in self._added_tokens:
                content = self._added_tokens[token_id].content.encode()
            else:
                letters = self._tokenizer.id_to_token(token_id) or ""
                content = bytes(BYTE_OF_LETTER[each] for each in letters)
            self._token_bytes[token_id] = content
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
            messages: dicts with "role" ("system", "user" or "assistant"),
                "content" and perhaps "reasoning_content" (its thoughts). A
                control string in them gets a space after its first character,
                so that no message can end its turn and open another.
            add_generation_prompt: end by opening the assistant's next turn.
            enable_thinking: False asks for an answer without thinking, where
                the template can ask: Qwen2.5 and R1 have one way each.

        Raises:
            ValueError: messages of another form, or a broken template.
        """
        check_messages(messages)
        messages = [
            {k: self._defuse(v) if k in TEXTS else v for k, v in each.items()}
            for each in messages
        ]
        names = {role: self._configured_name(role) for role in NAMED_TOKENS}
        return render_chat(
            self.chat_template,
            messages,
            **{role: name for role, name in names.items() if name},
            add_generation_prompt=add_generation_prompt,
            enable_thinking=enable_thinking,
        )

    def _defuse(self, text):
        """Break control strings so that they come out as ordinary text."""
        for token in self._added_tokens.values():
            name = token.content
            if text and token.special and name not in THINK_TOKENS:
                text = text.replace(name, f"{name[:1]} {name[1:]}")
        return text

    def pad_left(self, rows, *, device=None):
        """Make one batch of lists of token ids, padded on the left.

        Returns token_ids, int64, and key_mask, true where a token counts,
        (rows, longest) both. ValueError: no row, or an empty one.
        """
        lengths = list(map(len, rows))
        if not rows or 0 in lengths:
            raise ValueError(
                "pad_left needs at least one row and a token in each, got "
                f"lengths {lengths}"
            )
        longest = max(lengths)
        padded = [[self.pad_id] * (longest - len(row)) + row for row in rows]
        first = torch.tensor([[longest - length] for length in lengths])
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
        files = {
            "tokenizer.json": self._json,
            "tokenizer_config.json": config,
            "generation_config.json": generation_config,
            "chat_template.jinja": self.chat_template,
        }
        for name, text in files.items():
            if isinstance(text, dict):
                text = json.dumps(text, indent=2, ensure_ascii=False) + "\n"
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8", newline="")


class StreamDecoder:
    """Decodes one completion token by token, in whole characters."""

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
    if not isinstance(messages, list | tuple) or not messages:
        raise ValueError(
            "messages must be a list of at least one "
            f'{{"role": …, "content": …}}, got {messages!r:.80}'
        )
    for number, message in enumerate(messages):
        role, content, thoughts = (
            message.get(key) if isinstance(message, dict) else None
            for key in ("role", *TEXTS)
        )
        are_texts = isinstance(content, str) and (
            thoughts is None or isinstance(thoughts, str)
        )
        if role not in ROLES or not are_texts:
            raise ValueError(
                f"message {number} is {message!r:.80}; expected a dict with "
                f'"role", one of {", ".join(ROLES)}, and the text "content"; '
                'where there is a "reasoning_content", it is a text as well'
            )


def render_chat(template, messages, **switches):
    """Render a Jinja chat template in a sandbox; ValueError if it cannot."""
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
            f"{path} is not a byte-level tokenizer, the only kind that Qwen "
            "models use"
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # Some files mark only a few of their control strings as special
    tokenizer.add_special_tokens(
        [
            AddedToken(token.content, normalized=False, special=True)
            for token in tokenizer.get_added_tokens_decoder().values()
            if token.content.startswith(CONTROL_STARTS) and not token.special
        ]
    )
    return tokenizer


# The byte of each letter: printable ones as they are, the other 68 past 255
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
OTHERS = sorted(set(range(256)) - set(PRINTABLE))
BYTE_OF_LETTER = {chr(byte): byte for byte in PRINTABLE}
BYTE_OF_LETTER |= {chr(256 + i): byte for i, byte in enumerate(OTHERS)}
