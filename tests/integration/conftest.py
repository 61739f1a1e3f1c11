"""A server that answers at once, and some whose delays are known."""

import contextlib
import json
from collections.abc import Callable, Iterator

import pytest

from tests.integration.tandem.measure.generator.servers import Server, serving


@pytest.fixture
def known_delays() -> Iterator[Callable[[dict[str, object]], Server]]:
    """Start servers with known delays; see the module of that name."""
    with contextlib.ExitStack() as servers:
        yield lambda delays: servers.enter_context(
            serving("tests.integration.tandem.measure.generator.known_delays", json.dumps(delays))
        )


@pytest.fixture
def backend() -> Iterator[str]:
    """The address of both services, answering at once."""
    with serving("tests.integration.fake_backend") as server:
        yield server.address
