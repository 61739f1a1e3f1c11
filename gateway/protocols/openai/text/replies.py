"""What the replies of completions and of chat have in common: their heads, choices and usage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gateway.protocols.openai.messages import Reply
from tandem.ar.v1 import ar_pb2

Finish = Literal["stop", "length"]

FINISH_REASONS: dict[int, Finish] = {
    ar_pb2.FINISH_REASON_STOP: "stop",
    ar_pb2.FINISH_REASON_LENGTH: "length",
}


class PromptTokensDetails(Reply):
    """Of the tokens of prompts."""

    cached_tokens: int = Field(description="Tokens whose keys and values were found in the cache, >= 0.")


class Usage(Reply):
    """What a request consumed, in tokens."""

    prompt_tokens: int = Field(description="Of all prompts, each counted once.")
    completion_tokens: int = Field(description="Of all choices, end tokens included.")
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class TextReply(Reply):
    """A reply, or a chunk of one."""

    id: str
    object: str
    created: int = Field(description="Seconds since 1970.")
    model: str
    system_fingerprint: str | None = Field(
        description="Names all that outputs depend on besides the request: with it, the same seed gives the same bytes."
    )


class Consumed:
    """What the calls of one request have consumed so far, added up, and the fingerprints that the backends sent."""

    def __init__(self, prompt_tokens: int = 0) -> None:
        self._prompt_tokens = prompt_tokens
        self._output_tokens = 0
        self._cached_tokens = 0
        self._fingerprints: set[str] = set()

    def add(self, usage: Any) -> None:
        """Take the Usage of a call that has ended."""
        self.add_tokens(usage.prompt_tokens, usage.output_tokens)
        self._cached_tokens += usage.cached_tokens
        self._fingerprints.add(usage.fingerprint)

    def add_tokens(self, prompt_tokens: int, output_tokens: int) -> None:
        """Take what a call has consumed so far, or a prompt without output."""
        self._prompt_tokens += prompt_tokens
        self._output_tokens += output_tokens

    @property
    def fingerprint(self) -> str | None:
        """That of all calls, None if they differ."""
        return next(iter(self._fingerprints)) if len(self._fingerprints) == 1 else None

    def usage(self) -> Usage:
        """Return the sum with its parts."""
        return Usage(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._output_tokens,
            total_tokens=self._prompt_tokens + self._output_tokens,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=self._cached_tokens),
        )
