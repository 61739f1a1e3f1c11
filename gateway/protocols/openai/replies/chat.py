"""The replies of POST /v1/chat/completions: whole, and in chunks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.protocols.openai.replies.reply import Finish, Reply, Usage


class TopLogprob(Reply):
    """A token that could have stood at a place."""

    token: str
    logprob: float
    bytes: list[int] = Field(description="The token's own; they may be a part of a character.")


class TokenLogprob(TopLogprob):
    """A token of the answer."""

    top_logprobs: list[TopLogprob] = Field(description="The most probable ones, the best first; as many as asked for.")


class ChatLogprobs(Reply):
    """Of the tokens of an answer."""

    content: list[TokenLogprob]
    refusal: None


class ResponseMessage(Reply):
    """The assistant's turn."""

    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(Reply):
    """One answer."""

    index: int
    message: ResponseMessage
    logprobs: ChatLogprobs | None
    finish_reason: Finish
    stop_reason: str | None = Field(description="vLLM's: the stop string that was met, if it was one.")


class ChatCompletion(Reply):
    """The whole reply."""

    id: str
    object: Literal["chat.completion"]
    created: int = Field(description="Seconds since 1970.")
    model: str
    system_fingerprint: str | None
    choices: list[ChatChoice]
    usage: Usage


class Delta(Reply):
    """What a chunk adds to an answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(Reply):
    """What a chunk adds to one choice."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: Finish | None
    stop_reason: str | None = None


class ChatChunk(Reply):
    """A part of a streamed reply."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str | None
    choices: list[ChunkChoice] = Field(description="Empty in the chunk that has the usage, and in no other.")
    usage: Usage | None = None
