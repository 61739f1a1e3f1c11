"""What Envoy is told of a request: let in and as whom, or refused and with which status."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import unquote

import grpc
import pytest

from gateway.access.access import Access, Caller
from gateway.access.api_keys import ApiKey
from gateway.access.authorization import Authorization
from gateway.envoy import authorization_pb2
from tandem.shared.errors import TandemError

SAMPLE = "/tandem.gan.v1.GanService/Sample"


def nobody_is_told(paradigm: str, budget: str) -> None:
    pass


def key(**budgets: int) -> ApiKey:
    return ApiKey(name="alice", sha256=hashlib.sha256(b"secret").hexdigest(), **budgets)


async def answer(access: Access, path: str = SAMPLE, **headers: str) -> authorization_pb2.CheckResponse:
    request = authorization_pb2.CheckRequest()
    request.attributes.request.http.path = path
    request.attributes.request.http.headers.update(headers)
    return await Authorization(access).check(request, None)


def told(denied: Any) -> dict[str, str]:
    return {option.header.key: option.header.value for option in denied.denied_response.headers}


async def test_a_method_that_is_not_there_costs_nothing() -> None:
    access = Access([key(requests_per_minute=1)], nobody_is_told, lambda: 0.0)
    for _ in range(3):
        response = await answer(access, "/tandem.gan.v1.GanService/Nothing", authorization="Bearer secret")
        assert response.HasField("ok_response")


class Broken(Access):
    def __init__(self, error: Exception) -> None:
        super().__init__([key()], nobody_is_told)
        self._error = error

    def admit(self, route: object, secret: str | None) -> Caller:
        raise self._error


async def test_a_fault_lets_nobody_in_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    refused = told(await answer(Broken(RuntimeError("a secret")), authorization="Bearer secret"))
    assert refused["grpc-status"] == str(grpc.StatusCode.INTERNAL.value[0])
    assert "secret" not in refused["grpc-message"]
    assert "a secret" in caplog.text


async def test_a_message_travels_as_grpc_encodes_it() -> None:
    text = "100 % über\nbudget"
    refused = told(await answer(Broken(TandemError(text))))
    assert refused["grpc-message"].isascii()
    assert "\n" not in refused["grpc-message"]
    assert unquote(refused["grpc-message"]) == text
