from collections.abc import AsyncIterator

import pytest

from runtime.http2.library import default_limits, open_http2
from runtime.http2.server import Http2Server
from tandem.shared.compiled.recipe import LibraryUnavailable


@pytest.fixture
async def http2(request: pytest.FixtureRequest) -> AsyncIterator[Http2Server]:
    """The compiled server, not started; the parameter is what its limits have instead of the usual ones."""
    limits = default_limits()
    for name, value in getattr(request, "param", {}).items():
        setattr(limits, name, value)
    try:
        server = Http2Server(open_http2(), limits)
    except LibraryUnavailable as error:
        pytest.skip(str(error))
    yield server
    await server.stop(0)
