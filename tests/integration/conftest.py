"""A server that answers at once, and some whose times are known."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tandem.measure.truth.law import Laws
from tandem.measure.truth.server import TruthServer
from tests.compiled import skip_without_compiler
from tests.integration.tandem.measure.generator.servers import serving


@pytest.fixture
def known_times() -> Iterator[Callable[..., TruthServer]]:
    """Start servers of known laws, whose settings are those of Laws."""
    with contextlib.ExitStack() as servers, skip_without_compiler():
        yield lambda **laws: servers.enter_context(TruthServer(Laws(**laws)))


@pytest.fixture
def backend() -> Iterator[str]:
    """The address of both services, answering at once."""
    with serving("tests.integration.fake_backend") as server:
        yield server.address
