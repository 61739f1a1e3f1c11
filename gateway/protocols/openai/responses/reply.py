"""The reply of POST /v1/responses: an object whose optional fields are all there, as its clients like it."""

from __future__ import annotations

from typing import Any, Literal

from gateway.protocols.openai.replies.reply import Reply

Status = Literal["in_progress", "completed", "incomplete"]


class OutputText(Reply):
    """What was said."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[Any]


class OutputMessage(Reply):
    """The assistant's turn."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Status
    content: list[OutputText]


class IncompleteDetails(Reply):
    """Why an answer ends in the middle."""

    reason: Literal["max_output_tokens"]


class InputTokensDetails(Reply):
    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(Reply):
    reasoning_tokens: int


class ResponseUsage(Reply):
    """In tokens."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class TextFormat(Reply):
    type: Literal["text"]


class TextSettings(Reply):
    format: TextFormat


class Response(Reply):
    """The whole reply, and what some events of a stream carry."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Status
    error: None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: list[OutputMessage]
    parallel_tool_calls: Literal[False]
    previous_response_id: None
    reasoning: None
    store: Literal[False]
    temperature: float
    text: TextSettings
    tool_choice: Literal["none"]
    tools: list[Any]
    top_p: float
    truncation: Literal["disabled"]
    usage: ResponseUsage | None
    user: None
    system_fingerprint: str | None


class Event(Reply):
    """An event of a stream; its type determines which other fields it has, as OpenAI documents them."""

    type: str
    sequence_number: int
    response: Response | None = None
    output_index: int | None = None
    content_index: int | None = None
    item_id: str | None = None
    item: OutputMessage | None = None
    part: OutputText | None = None
    delta: str | None = None
    text: str | None = None
    logprobs: list[Any] | None = None
