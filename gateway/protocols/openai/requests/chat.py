"""The body of POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from gateway.protocols.openai.requests.body import Body, Int32
from gateway.protocols.openai.requests.sampling import SamplingBody
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

_ROLES = {"developer": "system"}
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
    turns = [ar_pb2.ChatMessage(role=_ROLES.get(each.role, each.role), content=each.text) for each in messages]
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
