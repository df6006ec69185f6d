"""A key for a paid service: in the environment, and nowhere else.

It is read when it is needed and never kept, so no representation, log or
file of ours can hold it; and what a server sends back is searched for it.
"""

import os

SHORTEST_SECRET = 7  # "EMPTY" and "ollama" are stand-ins, and may be words


class ApiKey:
    """The key in an environment variable, which may be unset."""

    def __init__(self, variable: str):
        self.variable = variable

    def headers(self) -> dict[str, str]:
        """Return the authorization header, where there is a key.

        Raises:
            ValueError: the variable holds what cannot be a key.
        """
        key = self._read()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(
                f"{self.variable} holds characters that no key has; set it "
                "to the bare key"
            )
        return {"Authorization": f"Bearer {key}"} if key else {}

    def scrub(self, text: str) -> str:
        """Take the key, and characters that are none, out of a text."""
        key = self._read()
        text = text.encode("utf-8", "replace").decode()
        is_secret = len(key) >= SHORTEST_SECRET
        return text.replace(key, "[key]") if is_secret else text

    def _read(self) -> str:
        return os.environ.get(self.variable, "").strip()
