"""The text files of a model folder that belong to its tokenizer.

`tokenizer.json` holds vocabulary and merges, `tokenizer_config.json` the names
of the special tokens, `generation_config.json` the ids that end a completion,
`chat_template.jinja` the chat format. Only the first must be there.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import Tokenizer, decoders

from .chat_template import CHAT_TEMPLATE

# Qwen's end tokens, for folders that do not name their own
END_TOKENS = ("<|endoftext|>", "<|im_end|>")


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
