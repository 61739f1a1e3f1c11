"""External authorisation, where keys are on: what the gateway is asked, and how its answers arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.envoy import authorization_pb2
from tests.integration.gateway.callers import keys_file
from tests.integration.gateway.fakes import SCORE
from tests.integration.gateway.proxy.backend import Backend
from tests.integration.gateway.proxy.running import Proxy, proxy


@pytest.fixture
async def guarded(ar: Backend, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxy([ar], api_keys_file=keys_file(tmp_path)) as running:
        yield running


def headers(**values: str) -> list[Any]:
    return [
        authorization_pb2.HeaderValueOption(
            header=authorization_pb2.HeaderValue(key=key.replace("_", "-"), value=value),
            append_action=authorization_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        for key, value in values.items()
    ]


def denied(**values: str) -> Any:
    response = authorization_pb2.DeniedHttpResponse(
        status=authorization_pb2.HttpStatus(code=403), headers=headers(**values)
    )
    return authorization_pb2.CheckResponse(status=authorization_pb2.Status(code=7), denied_response=response)


async def test_the_check_sees_the_key_and_the_path_and_says_whose_it_is(guarded: Proxy, ar: Backend) -> None:
    guarded.observer.check = lambda request: authorization_pb2.CheckResponse(
        ok_response=authorization_pb2.OkHttpResponse(headers=headers(tandem_caller="alice"))
    )
    metadata = (("authorization", "Bearer abc"), ("tandem-caller", "root"), ("other", "words"))
    assert (await guarded.call(SCORE, b"a", metadata=metadata)).code is grpc.StatusCode.OK
    [check] = guarded.observer.checks
    asked = check.attributes.request.http
    assert (asked.path, dict(asked.headers)["authorization"]) == (SCORE, "Bearer abc")
    assert "other" not in asked.headers
    assert ar.calls[0].headers["tandem-caller"] == "alice"
    assert ar.calls[0].headers["tandem-peer"].startswith("127.0.0.1:")
    assert "authorization" not in ar.calls[0].headers, "a backend has no use for the key itself"
    assert dict((await guarded.observer.entry()).request.request_headers)["tandem-caller"] == "alice"


async def test_nobody_gets_in_while_nobody_can_say_who_it_is(guarded: Proxy, ar: Backend) -> None:
    def broken(request: Any) -> Any:
        raise RuntimeError("broken")

    guarded.observer.check = broken
    ended = await guarded.call(SCORE)
    assert ended.code is grpc.StatusCode.UNAVAILABLE
    assert ended.details == "the gateway could not check the API key in time"
    assert not ar.calls
