"""The bodies of POST /tokenize and /detokenize, as vLLM has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from gateway.protocols.openai.requests.body import Body
from gateway.protocols.openai.requests.chat import Message, chat_prompt
from gateway.protocols.openai.requests.sampling import TokenIds
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument


class TokenizeBody(Body):
    """A text or a conversation to cut into tokens."""

    model: str | None = Field(None, description="Name of a text model; absent: the first there is.")
    prompt: str | None = Field(None, description="A text; either this or messages.")
    messages: list[Message] | None = Field(None, description="A conversation, laid out up to where the answer begins.")
    add_special_tokens: bool | None = Field(None, description="False: without the token before every text.")
    return_token_strs: bool | None = Field(None, description="True: token_strs as well.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "add_generation_prompt": (True,),
        "chat_template": (),
        "chat_template_kwargs": (),
        "continue_final_message": (),
        "tools": (),
    }

    def message(self, model: str) -> ar_pb2.TokenizeRequest:
        """Return the request of the contract. Raises InvalidArgument."""
        if (self.prompt is None) == (self.messages is None):
            raise InvalidArgument("prompt", self.prompt, "a text, or messages instead")
        request = ar_pb2.TokenizeRequest(model=model, without_bos=self.add_special_tokens is False)
        if self.prompt is not None:
            request.text = self.prompt
        else:
            request.chat.CopyFrom(chat_prompt(self.messages or []))
        return request


class DetokenizeBody(Body):
    """Tokens to turn into a text."""

    model: str | None = Field(None, description="Name of a text model; absent: the first there is.")
    tokens: TokenIds = Field(description="1 to the context's length of ids.")
