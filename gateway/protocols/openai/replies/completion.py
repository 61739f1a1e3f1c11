"""The replies of POST /v1/completions: whole, and in chunks of the same shape."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.protocols.openai.replies.reply import Finish, Reply, Usage


class CompletionLogprobs(Reply):
    """Of the tokens of a text, in four lists of equal length."""

    text_offset: list[int] = Field(
        description="Characters of the text before each token; only about behind U+FFFD, which is no text."
    )
    tokens: list[str] = Field(description="Each token; of one that is no whole characters, bytes:\\xNN and so on.")
    token_logprobs: list[float | None] = Field(description="Natural logarithms; null for the first of a prompt.")
    top_logprobs: list[dict[str, float] | None] = Field(description="The alternatives, and the token itself.")


class CompletionChoice(Reply):
    """One continuation of one prompt, or what a chunk adds to it."""

    index: int = Field(description="Prompt's place x n + choice.")
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Finish | None = Field(description="null in chunks before the last of a choice.")
    stop_reason: str | None = Field(description="vLLM's: the stop string that was met, if it was one.")


class Completion(Reply):
    """The reply, or a chunk of it."""

    id: str
    object: Literal["text_completion"]
    created: int = Field(description="Seconds since 1970.")
    model: str
    system_fingerprint: str | None = Field(
        description="Names all that outputs depend on besides the request: with it, the same seed gives the same bytes."
    )
    choices: list[CompletionChoice]
    usage: Usage | None = Field(None, description="In chunks: present if asked for; null before the last.")
