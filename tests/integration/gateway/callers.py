"""Callers of a gateway: keys' files, every RPC over both transports with a key or without, and clients of its JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf import json_format

from runtime.rpc.routes import Route
from tests.integration.gateway.running import RunningGateway

SECRET = "tdm_qm9mTJQ4hYb1v3oZ0GdX8kUe5sLwRfNcA7iPyKjV2tE"  # noqa: S105  of this test alone


@dataclass(frozen=True)
class Answer:
    """How a call ended: gRPC's name of its status, the text with it, and the headers or trailers."""

    code: str
    message: str
    headers: Mapping[str, str | bytes]


def keys_file(folder: Path, **budgets: int) -> Path:
    """Write a file with two keys, of which SECRET is the second's; `budgets` are of the second."""
    return write_keys(folder, ("someone-else", "tdm_other", {}), ("alice", SECRET, budgets))


def write_keys(folder: Path, *entries: tuple[str, str, Mapping[str, int]]) -> Path:
    """Write a file of keys; an entry is a name, the key itself, and budgets a minute by unit."""
    text = ""
    for name, secret, limits in entries:
        digest = hashlib.sha256(secret.encode()).hexdigest()
        text += f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\n'
        text += "".join(f"{unit}_per_minute = {limit}\n" for unit, limit in limits.items())
    path = folder / "keys.toml"
    path.write_text(text)
    return path


async def over_grpc(gateway: RunningGateway, route: Route, request: bytes, authorization: str | None) -> Answer:
    metadata = None if authorization is None else (("authorization", authorization),)
    try:
        if route.streaming:
            call = gateway.stream(route.path, request, metadata=metadata)
            async for _ in call:
                pass
        else:
            call = gateway.unary(route.path, request, metadata=metadata)
            await call
    except grpc.aio.AioRpcError as error:
        return Answer(error.code().name, error.details() or "", dict(error.trailing_metadata() or ()))
    return Answer("OK", "", dict(await call.trailing_metadata() or ()))


async def over_http(gateway: RunningGateway, route: Route, request: bytes, authorization: str | None) -> Answer:
    body = json_format.MessageToDict(route.request_class.FromString(request), preserving_proto_field_name=True)
    headers = {} if authorization is None else {"authorization": authorization}
    async with client_of(gateway) as client:
        response = await client.post(route.path, json=body, headers=headers)
    last = json.loads(response.text.splitlines()[-1])
    error = last.get("error", {"status": "OK", "message": ""})
    assert response.status_code == error.get("code", 200)
    return Answer(error["status"], error["message"], dict(response.headers))


TRANSPORTS = {"grpc": over_grpc, "http": over_http}


TWO_TOKENS = {"text": "a", "sampling": {"max_tokens": 2}}


def client_of(gateway: RunningGateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.web_address, timeout=120)


async def lines(http: httpx.AsyncClient, path: str, message: dict[str, Any]) -> list[dict[str, Any]]:
    response = await http.post(path, json=message)
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == response.status_code
    return error
