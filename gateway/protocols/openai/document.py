"""The description of this API, made of the models of its bodies and replies: OpenAPI, and plain HTML for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from html import escape
from operator import attrgetter
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.messages import Body
from tandem.version import VERSION

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
    models: set[type[BaseModel]] = {Error}
    for path in described:
        models |= {path.reply, *path.events, *([path.body] if path.body else [])}
    ordered = sorted(models, key=attrgetter("__name__"))
    _, schemas = models_json_schema(
        [(model, "validation") for model in ordered], ref_template="#/components/schemas/{model}"
    )
    paths = {path.path: {"post" if path.body else "get": _operation(path)} for path in described}
    paths["/health"] = {"get": {"summary": _HEALTH, "responses": {"200": {"description": _HEALTH}}}}
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


def page(document: dict[str, Any]) -> str:
    """Return the page."""
    title = escape(document["info"]["title"])
    body = "\n".join((*_paths(document), "<h2>Objects</h2>", *_schemas(document["components"]["schemas"])))
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title><link rel="stylesheet" href="/pages/style.css"></head>
<body><main>
<h1>{title} {escape(document["info"]["version"])}</h1>
<p>The same as <a href="/openapi.json">/openapi.json</a>. Errors are objects of the kind Error.</p>
{body}
</main></body>
</html>
"""


def _paths(document: dict[str, Any]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation['summary'])}.</p>"
            yield from _content("Body", operation.get("requestBody", {}))
            yield from _content("Reply", operation["responses"]["200"])


def _content(title: str, message: dict[str, Any]) -> Iterator[str]:
    for kind, content in message.get("content", {}).items():
        yield f"<p>{title}, <code>{escape(kind)}</code>: {_type(content['schema'])}</p>"


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>'
        required = schema.get("required", ())
        rows = [_row(field, about, field in required) for field, about in schema.get("properties", {}).items()]
        yield f"<table><tr><th>Field<th>Type<th>Meaning</tr>{''.join(rows)}</table>"


def _row(field: str, about: dict[str, Any], is_required: bool) -> str:
    needed = " (required)" if is_required else ""
    return (
        f"<tr><td><code>{escape(field)}</code>{needed}<td>{_type(about)}<td>{escape(about.get('description', ''))}</tr>"
    )


def _type(schema: dict[str, Any]) -> str:
    """Return a type in words, with links to objects."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if choices := schema.get("anyOf"):
        return " or ".join(map(_type, choices))
    if "const" in schema or "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of ({_type(schema.get('items', {}))})"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of ({_type(schema['additionalProperties'])})"
    return escape(str(schema.get("type", "anything")))
