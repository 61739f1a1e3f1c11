"""The OpenAPI document as a page for people: plain HTML, no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any


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
