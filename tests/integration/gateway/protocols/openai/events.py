"""Server-sent events as a plain client reads them, and our own RPCs to compare with."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx


def parsed(text: str) -> list[dict[str, Any]]:
    """Return the data of a finished stream's events; it must be finished, and without an error."""
    *events, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(each.removeprefix("data: ")) for each in events]


async def events_of(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a stream brings."""
    response = await http.post(path, json=body)
    assert response.headers["content-type"] == "text/event-stream"
    return parsed(response.text)


class Stubs(NamedTuple):
    """Our own RPCs, of both services."""

    ar: Any
    gan: Any
