"""The OpenAPI document of this API, made of the models of its bodies and replies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.protocols.openai.replies.chat import ChatChunk, ChatCompletion
from gateway.protocols.openai.replies.completion import Completion
from gateway.protocols.openai.replies.image import CompletedImage, Images, PartialImage
from gateway.protocols.openai.replies.model import Detokenized, Model, Models, Tokenized, TokenizerInfo
from gateway.protocols.openai.requests.chat import ChatBody
from gateway.protocols.openai.requests.completion import CompletionBody
from gateway.protocols.openai.requests.image import ImageBody
from gateway.protocols.openai.requests.tokens import DetokenizeBody, TokenizeBody
from gateway.protocols.openai.responses.body import ResponseBody
from gateway.protocols.openai.responses.reply import Event, Response
from tandem.version import VERSION


class Path(NamedTuple):
    """The document's description of one path."""

    method: str
    path: str
    summary: str
    body: type[BaseModel] | None
    reply: type[BaseModel] | None
    events: Sequence[type[BaseModel]] = ()
    """What a stream's events hold, where there is a stream."""


PATHS = (
    Path("get", "/v1/models", "The models, text models first", None, Models),
    Path("get", "/v1/models/{id}", "One model", None, Model),
    Path("post", "/v1/completions", "Continue prompts", CompletionBody, Completion, [Completion]),
    Path("post", "/v1/chat/completions", "Answer in a conversation", ChatBody, ChatCompletion, [ChatChunk]),
    Path("post", "/v1/responses", "Answer, keeping nothing", ResponseBody, Response, [Event]),
    Path("post", "/v1/images/generations", "Draw images", ImageBody, Images, [PartialImage, CompletedImage]),
    Path("post", "/tokenize", "Cut a text or a conversation into tokens", TokenizeBody, Tokenized),
    Path("post", "/detokenize", "Turn tokens into a text", DetokenizeBody, Detokenized),
    Path("get", "/tokenizer_info", "How a model's tokenizer works", None, TokenizerInfo),
    Path("get", "/health", "200 while all that is configured serves, else 503", None, None),
)


class ErrorInside(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(BaseModel):
    """Every reply with a status of 400 or more, and the data of an event named error in a stream."""

    error: ErrorInside


@cache
def document() -> dict[str, Any]:
    """Return it as plain data, the same each time."""
    named = (each for path in PATHS for each in (path.body, path.reply, *path.events))
    used: set[type[BaseModel]] = {Error, *(each for each in named if each is not None)}
    ordered = sorted(used, key=attrgetter("__name__"))
    _, schemas = models_json_schema(
        [(each, "validation") for each in ordered], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for path in PATHS:
        paths.setdefault(path.path, {})[path.method] = _operation(path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tandem: OpenAI's API", "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(path: Path) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": path.summary, "responses": {"200": _answer(path)}}
    if path.path != "/health":
        operation["security"] = [{"key": []}, {}]
        operation["responses"]["default"] = {"description": "What was wrong", "content": _json(Error)}
    if path.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(path.body)}
    if "{id}" in path.path:
        operation["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    if path.path == "/tokenizer_info":
        operation["parameters"] = [{"name": "model", "in": "query", "schema": {"type": "string"}}]
    return operation


def _answer(path: Path) -> dict[str, Any]:
    if path.reply is None:
        return {"description": path.summary}
    content = _json(path.reply)
    if path.events:
        content["text/event-stream"] = {"schema": {"anyOf": [_reference(each) for each in path.events]}}
    return {"description": (path.reply.__doc__ or "").strip(), "content": content}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(model)}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
