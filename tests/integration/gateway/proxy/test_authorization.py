"""External authorisation, where keys are on: what the gateway is asked, and how its answers arrive."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.access.api_keys import ApiKey
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import SCORE
from tests.integration.gateway.proxy.backend import Backend
from tests.integration.gateway.proxy.running import Proxy, proxy


@pytest.fixture
async def guarded(ar: Backend, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxy([ar], api_keys_file=keys_file(tmp_path)) as running:
        yield running


async def test_the_check_sees_the_key_and_the_path_and_says_whose_it_is(guarded: Proxy, ar: Backend) -> None:
    metadata = (("authorization", f"Bearer {SECRET}"), ("tandem-caller", "root"), ("other", "words"))
    assert (await guarded.call(SCORE, b"a", metadata=metadata)).code is grpc.StatusCode.OK
    [check] = guarded.observer.checks
    asked = check.attributes.request.http
    assert (asked.path, dict(asked.headers)["authorization"]) == (SCORE, f"Bearer {SECRET}")
    assert "other" not in asked.headers
    caller = ApiKey(name="alice", sha256=hashlib.sha256(SECRET.encode()).hexdigest()).caller_id()
    assert ar.calls[0].headers["tandem-caller"] == caller
    assert ar.calls[0].headers["tandem-peer"].startswith("127.0.0.1:")
    assert "authorization" not in ar.calls[0].headers, "a backend has no use for the key itself"
    assert dict((await guarded.observer.entry()).request.request_headers)["tandem-caller"] == caller


async def test_nobody_gets_in_while_nobody_can_say_who_it_is(guarded: Proxy, ar: Backend) -> None:
    async def broken(request: Any, context: object) -> Any:
        raise RuntimeError("broken")

    guarded.observer.check = broken
    ended = await guarded.call(SCORE)
    assert ended.code is grpc.StatusCode.UNAVAILABLE
    assert ended.details == "the gateway could not check the API key in time"
    assert not ar.calls
