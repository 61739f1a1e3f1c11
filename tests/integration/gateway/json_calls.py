"""Calls of the gateway's RPCs as JSON over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.integration.gateway.running import RunningGateway

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
