"""One backend of each paradigm, a ready gateway in front of them, and a client of its JSON."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.gateway.callers import client_of
from tests.integration.gateway.fakes import FakeBackend, FakeParallel, FakeSequential, parallel, sequential
from tests.integration.gateway.running import RunningGateway, running_gateway


@pytest.fixture
async def ar() -> AsyncIterator[FakeBackend]:
    async with sequential() as backend:
        yield backend


@pytest.fixture
async def gan() -> AsyncIterator[FakeBackend]:
    async with parallel() as backend:
        yield backend


@pytest.fixture
def text(ar: FakeBackend) -> FakeSequential:
    return ar.servicer


@pytest.fixture
def images(gan: FakeBackend) -> FakeParallel:
    return gan.servicer


@pytest.fixture
async def gateway(ar: FakeBackend, gan: FakeBackend) -> AsyncIterator[RunningGateway]:
    async with running_gateway([ar], [gan]) as running:
        yield running


@pytest.fixture
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(gateway) as client:
        yield client
