"""The body of POST /v1/chat/completions, and its replies: whole, and in chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from gateway.protocols.openai.messages import Body, Int32, Reply
from gateway.protocols.openai.text.replies import Finish, TextReply, Usage
from gateway.protocols.openai.text.sampling import SamplingBody
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

ROLES = {"developer": "system"}
"""Roles that are other words for those of the contract."""


class TextPart(Body):
    """A part of a content; texts are the only ones that there are here."""

    type: Literal["text"]
    text: str


class Message(Body):
    """One turn of a conversation."""

    role: str = Field(description="system (or developer), user or assistant.")
    content: str | list[TextPart] = Field(description="A text, or parts of it, which are joined.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {"audio": (), "function_call": (), "tool_calls": ()}

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


def chat_prompt(messages: list[Message]) -> ar_pb2.ChatPrompt:
    """Return the conversation of the contract. Raises InvalidArgument for what a turn may not have."""
    for index, message in enumerate(messages):
        for name, value in (message.model_extra or {}).items():
            if name in Message.unsupported and value:
                raise InvalidArgument(f"messages[{index}].{name}", value, "nothing: this server does not support it")
    turns = [ar_pb2.ChatMessage(role=ROLES.get(turn.role, turn.role), content=turn.text) for turn in messages]
    return ar_pb2.ChatPrompt(messages=turns)


class ChatBody(SamplingBody):
    """A conversation to be continued by the assistant."""

    messages: list[Message] = Field(description="At least one turn, the oldest first.")
    max_completion_tokens: Int32 | None = Field(
        None, description="1 to the context's rest; default the smaller of 256 and that."
    )
    max_tokens: Int32 | None = Field(None, description="The older name of max_completion_tokens.")
    logprobs: bool | None = Field(None, description="True: the log-probability of each token.")
    top_logprobs: Int32 | None = Field(None, description="Alternatives of each token, 0 to 20; needs logprobs.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **SamplingBody.unsupported,
        "add_generation_prompt": (True,),
        "audio": (),
        "chat_template": (),
        "chat_template_kwargs": (),
        "continue_final_message": (),
        "documents": (),
        "echo": (),
        "function_call": ("none", "auto"),
        "functions": (),
        "modalities": (["text"],),
        "prediction": (),
        "reasoning_effort": ("none",),
        "store": (),
        "tool_choice": ("none", "auto"),
        "tools": (),
        "verbosity": ("medium",),
        "web_search_options": (),
    }

    @property
    def has_logprobs(self) -> bool:
        return bool(self.logprobs)

    @property
    def num_tokens(self) -> int | None:
        """The most tokens to generate, None for the backend's default. Raises InvalidArgument for two values."""
        if self.max_completion_tokens is None:
            return self.max_tokens
        if self.max_tokens not in (None, self.max_completion_tokens):
            raise InvalidArgument("max_tokens", self.max_tokens, "max_completion_tokens alone, or the same as there")
        return self.max_completion_tokens

    @property
    def name_of_max_tokens(self) -> str:
        """How this body calls it."""
        return "max_tokens" if self.max_completion_tokens is None else "max_completion_tokens"


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


class ChatCompletion(TextReply):
    """The whole reply."""

    object: Literal["chat.completion"]
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


class ChatChunk(TextReply):
    """A part of a streamed reply."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChunkChoice] = Field(description="Empty in the chunk that has the usage, and in no other.")
    usage: Usage | None = None
