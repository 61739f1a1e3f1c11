"""What all replies have in common, and what a request consumed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tandem.ar.v1 import ar_pb2

Finish = Literal["stop", "length"]

FINISH_REASONS: dict[int, Finish] = {
    ar_pb2.FINISH_REASON_STOP: "stop",
    ar_pb2.FINISH_REASON_LENGTH: "length",
}


class Reply(BaseModel):
    """A JSON object; fields that were not given are left out, those that were given as None are null."""

    model_config = ConfigDict(ser_json_inf_nan="null")

    def encoded(self) -> bytes:
        """Return it as JSON."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


def encoded_with(reply: Reply, choices: Iterable[Reply]) -> bytes:
    """Return a reply that has no choices as JSON with `choices` in it.

    Each choice is made, written out and let go before the next: with log-probabilities, it has tens of thousands of
    objects, and other threads stand still while many are written out at once or the garbage collector looks at them.
    """
    before, after = reply.encoded().split(b'"choices":[]', 1)  # inside a text, the quotes would be escaped
    return b'%b"choices":[%b]%b' % (before, b",".join(each.encoded() for each in choices), after)


class PromptTokensDetails(Reply):
    """Of the tokens of prompts."""

    cached_tokens: int = Field(description="Tokens whose keys and values were found in the cache, >= 0.")


class Usage(Reply):
    """What a request consumed, in tokens."""

    prompt_tokens: int = Field(description="Of all prompts, each counted once.")
    completion_tokens: int = Field(description="Of all choices, end tokens included.")
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


def usage_of(prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> Usage:
    """Return the sum with its parts."""
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=cached_tokens),
    )
