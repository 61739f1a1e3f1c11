"""What the RPCs as JSON over HTTP refuse, and how: fields, bodies, deadlines, queues that are full, other sites."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.http.exchange import MAX_BODY_BYTES
from tandem.shared.errors import InvalidArgument
from tests.integration.gateway.fakes import (
    GENERATE,
    SAMPLE,
    FakeSequential,
)
from tests.integration.gateway.json_calls import TWO_TOKENS, error_of
from tests.integration.gateway.running import RunningGateway


async def test_a_refusal_names_the_field(text: FakeSequential, http: httpx.AsyncClient) -> None:
    async def refuse() -> None:
        raise InvalidArgument("top_p", 2, "above 0 to 1")

    text.before_message = lambda index: refuse()
    error = error_of(await http.post(GENERATE, json=TWO_TOKENS))
    assert error["message"] == "top_p: 2 is not accepted; accepted: above 0 to 1"
    assert error["details"][0]["fieldViolations"][0]["field"] == "top_p"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "a JSON object, the tandem.ar.v1.GenerateRequest"),
        (b'{"sampling": {"max_tokens": "many"}}', "sampling.max_tokens: 'many' is not accepted"),
        (b'{"prompt": "a"}', "one of the fields model, text, chat"),
    ],
)
async def test_bad_json_is_explained_and_counted(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient, body: bytes, words: str
) -> None:
    response = await http.post(GENERATE, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert words in error_of(response)["message"]
    assert text.num_calls == 0
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="INVALID_ARGUMENT", model="unknown", transport="http") == 1


async def test_json_that_takes_long_to_read_keeps_nobody_waiting(
    gateway: RunningGateway, text: FakeSequential, http: httpx.AsyncClient
) -> None:
    body = b'{"chat":{"messages":[' + b'{"content":"a"},' * 50_000 + b'{"content":1}]}}'
    hostile = [
        asyncio.create_task(http.post(GENERATE, content=body, headers={"content-type": "application/json"}))
        for _ in range(4)
    ]
    while not any(each.done() for each in hostile):
        assert (await http.post(SAMPLE, json={})).status_code == 200
    # One after the other: when the first is read, the others have yet to be.
    assert (await http.post(SAMPLE, json={})).status_code == 200
    assert not all(each.done() for each in hostile)
    for response in await asyncio.gather(*hostile):
        assert error_of(response)["message"].startswith("chat.messages[50000].content: 1 is not accepted")
    assert text.num_calls == 0


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_taken(text: FakeSequential, http: httpx.AsyncClient, content_type: str) -> None:
    response = await http.post(GENERATE, content=b'{"text":"a"}', headers={"content-type": content_type})
    assert response.status_code == 400
    assert error_of(response)["message"].startswith("content-type: ")
    assert text.num_calls == 0


@pytest.mark.parametrize("announced", [True, False])
async def test_a_large_body_is_refused(gateway: RunningGateway, http: httpx.AsyncClient, announced: bool) -> None:
    body = b'{"text":"' + bytes(MAX_BODY_BYTES) + b'"}'

    async def in_parts() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    headers = {"content-type": "application/json"}
    response = await http.post(GENERATE, content=body if announced else in_parts(), headers=headers)
    assert response.status_code == 413
    assert str(MAX_BODY_BYTES) in error_of(response)["message"]
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="RESOURCE_EXHAUSTED", transport="http") == 1


async def test_a_bad_deadline_is_refused(http: httpx.AsyncClient, text: FakeSequential) -> None:
    for value in ("", "1", "S", "-1S", "1.5S", "123456789S", "1 S", "1s"):
        error = error_of(await http.post(GENERATE, json=TWO_TOKENS, headers={"grpc-timeout": value}))
        refusal = f"grpc-timeout: {value!r} is not accepted; accepted: 1 to 8 digits and a unit"
        assert error["message"].startswith(refusal)
    assert text.num_calls == 0


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"host": "evil.example"}]
)
async def test_another_site_cannot_drive_the_gateway(
    text: FakeSequential, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await http.post(GENERATE, json=TWO_TOKENS, headers=headers)
    assert response.status_code == 403
    assert error_of(response)["status"] == "PERMISSION_DENIED"
    assert "access-control-allow-origin" not in response.headers
    assert text.num_calls == 0


async def test_no_preflight_is_answered(http: httpx.AsyncClient) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    response = await http.request("OPTIONS", GENERATE, headers=headers)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers
