from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from runtime.http2.library import default_limits, open_http2
from runtime.http2.server import Http2Server
from tests.compiled import skip_without_compiler


@pytest.fixture
async def http2(request: pytest.FixtureRequest) -> AsyncIterator[Http2Server]:
    """The compiled server, not started; the parameter is what its limits have instead of the usual ones."""
    limits = default_limits()
    for name, value in getattr(request, "param", {}).items():
        setattr(limits, name, value)
    with skip_without_compiler():
        server = Http2Server(open_http2(), limits)
    yield server
    await server.stop(0)


@dataclass(frozen=True)
class Serving:
    """A server, its handler, and its port on loopback."""

    server: Http2Server
    handler: Any
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
async def serving(http2: Http2Server, request: pytest.FixtureRequest) -> Serving:
    """A server with the `Handler` of the test's module."""
    handler = request.module.Handler()
    return Serving(http2, handler, await http2.start("127.0.0.1", 0, [*getattr(handler, "more", list)(), handler]))
