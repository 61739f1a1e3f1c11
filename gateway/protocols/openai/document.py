"""The description of this API, made of the models of its bodies and replies: OpenAPI, and plain HTML for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway.protocols.openai.exchange import Answer, Calls
from gateway.protocols.openai.messages import Body
from tandem.version import VERSION

Operation = Callable[[Any, Calls], Awaitable[Answer]]
"""Takes a body, or the parameters of a path, and the calls that it may need. Raises TandemError."""


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


class ErrorInside(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(BaseModel):
    """Every reply with a status of 400 or more, and the data of an event named error in a stream."""

    error: ErrorInside


_HEALTH = "200 while all that is configured serves, else 503"


def document(described: Sequence[Path]) -> dict[str, Any]:
    """Return it as plain data."""
    models: set[tuple[type[BaseModel], JsonSchemaMode]] = {(Error, "serialization")}
    for path in described:
        models |= {(model, "serialization") for model in (path.reply, *path.events)}
        models |= {(path.body, "validation")} if path.body else set()
    ordered = sorted(models, key=lambda each: each[0].__name__)
    _, schemas = models_json_schema(ordered, ref_template="#/components/schemas/{model}")
    paths = {path.path: {"post" if path.body else "get": _operation(path)} for path in described}
    paths["/health"] = {"get": {"summary": _HEALTH, "responses": {"200": {"description": _HEALTH}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tandem: OpenAI's API", "version": VERSION},
        "paths": paths,
        "components": {"schemas": schemas["$defs"], "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(path: Path) -> dict[str, Any]:
    content = _json(path.reply)
    if path.events:
        content["text/event-stream"] = {"schema": {"anyOf": [_reference(model) for model in path.events]}}
    operation: dict[str, Any] = {
        "summary": path.summary,
        "responses": {
            "200": {"description": (path.reply.__doc__ or "").strip(), "content": content},
            "default": {"description": "What was wrong", "content": _json(Error)},
        },
        "security": [{"key": []}, {}],
    }
    if path.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(path.body)}
    if "{id}" in path.path:
        operation["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    if path.path == "/tokenizer_info":
        operation["parameters"] = [{"name": "model", "in": "query", "schema": {"type": "string"}}]
    return operation


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(model)}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def page(description: dict[str, Any]) -> str:
    """Return the document as a page for people: plain HTML, no scripts, nothing from elsewhere."""
    environment = Environment(autoescape=True, loader=PackageLoader(__package__, "."), keep_trailing_newline=True)
    return environment.get_template("page.html").render(description)
