"""The interface between tokens and content, whatever its kind."""

from typing import Protocol


class Decoder(Protocol):
    """Decodes one output, token by token."""

    def feed(self, token_id: int) -> str:
        """Return the text that is known since the last call; empty where tokens are no text."""


class Codec(Protocol):
    """Of one model; its vocabulary has an id for each token."""

    eos_token_ids: frozenset[int]

    @property
    def max_context_tokens(self) -> int:
        """Tokens that prompt and output may have together."""

    def decoder(self, prompt_token_ids: list[int]) -> Decoder:
        """Return a decoder of the output that follows the prompt."""

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none where it is no text."""
