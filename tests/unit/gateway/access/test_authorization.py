"""What Envoy is told of a request: let in and as whom, or refused and with which status."""

from __future__ import annotations

import hashlib
from urllib.parse import unquote

import grpc
import pytest

from gateway.access.access import Access, Caller
from gateway.access.api_keys import ApiKey
from gateway.access.authorization import Authorization
from gateway.envoy import authorization_pb2
from tandem.shared.errors import TandemError

KEY = ApiKey(name="alice", sha256=hashlib.sha256(b"secret").hexdigest())


async def told(access: Access) -> dict[str, str]:
    """Return the headers of a denial."""
    request = authorization_pb2.CheckRequest()
    request.attributes.request.http.path = "/tandem.gan.v1.GanService/Sample"
    request.attributes.request.http.headers["authorization"] = "Bearer secret"
    denied = await Authorization(access).check(request, None)
    return {option.header.key: option.header.value for option in denied.denied_response.headers}


class Broken(Access):
    def __init__(self, error: Exception) -> None:
        super().__init__([KEY], lambda *_: None)
        self._error = error

    def identify(self, secret: str | None) -> Caller:
        raise self._error


async def test_a_fault_lets_nobody_in_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    refused = await told(Broken(RuntimeError("a secret")))
    assert refused["grpc-status"] == str(grpc.StatusCode.INTERNAL.value[0])
    assert "secret" not in refused["grpc-message"]
    assert "a secret" in caplog.text


async def test_a_message_travels_as_grpc_encodes_it() -> None:
    text = "100 % über\nbudget"
    refused = await told(Broken(TandemError(text)))
    assert refused["grpc-message"].isascii()
    assert "\n" not in refused["grpc-message"]
    assert unquote(refused["grpc-message"]) == text
