"""Which path does what: the table that both the routes and the OpenAPI document are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.images.generations import generate
from gateway.protocols.openai.images.messages import CompletedImage, ImageBody, Images, PartialImage
from gateway.protocols.openai.messages import Body
from gateway.protocols.openai.models import Model, Models, list_models, show_model
from gateway.protocols.openai.responses.messages import Event, Response, ResponseBody
from gateway.protocols.openai.responses.responses import respond
from gateway.protocols.openai.text.chat import chat
from gateway.protocols.openai.text.chat_messages import ChatBody, ChatChunk, ChatCompletion
from gateway.protocols.openai.text.completion import complete
from gateway.protocols.openai.text.completion_messages import Completion, CompletionBody
from gateway.protocols.openai.tokens import (
    DetokenizeBody,
    Detokenized,
    TokenizeBody,
    Tokenized,
    TokenizerInfo,
    describe_tokenizer,
    detokenize,
    tokenize,
)

Operation = Callable[[Any, Calls, OpenAiExchange], Awaitable[None]]
"""Takes a body, or the parameters of a path, and what it needs to answer."""


class Path(NamedTuple):
    """GET of a path, or POST of a `body`; a request that is refused before any call counts as one of the RPC `rpc`.

    `events` are what a stream's events hold, where there is a stream.
    """

    path: str
    summary: str
    operation: Operation
    rpc: str
    body: type[Body] | None
    reply: type[BaseModel]
    events: Sequence[type[BaseModel]] = ()


_CHAT, _TOKENIZER = "Answer in a conversation", "How a model's tokenizer works"
_EVENTS_OF_IMAGES = (PartialImage, CompletedImage)

PATHS = (
    Path("/v1/models", "The models, text models first", list_models, "", None, Models),
    Path("/v1/models/{id}", "One model", show_model, "", None, Model),
    Path("/v1/completions", "Continue prompts", complete, "Generate", CompletionBody, Completion, [Completion]),
    Path("/v1/chat/completions", _CHAT, chat, "Generate", ChatBody, ChatCompletion, [ChatChunk]),
    Path("/v1/responses", "Answer, keeping nothing", respond, "Generate", ResponseBody, Response, [Event]),
    Path("/v1/images/generations", "Draw images", generate, "Sample", ImageBody, Images, _EVENTS_OF_IMAGES),
    Path("/tokenize", "Cut a text or a conversation into tokens", tokenize, "Tokenize", TokenizeBody, Tokenized),
    Path("/detokenize", "Turn tokens into a text", detokenize, "Detokenize", DetokenizeBody, Detokenized),
    Path("/tokenizer_info", _TOKENIZER, describe_tokenizer, "DescribeTokenizer", None, TokenizerInfo),
)
