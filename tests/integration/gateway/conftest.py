"""One backend of each paradigm and a ready gateway in front of them."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.fakes import (
    FakeBackend,
    FakeParallel,
    FakeSequential,
    RunningGateway,
    parallel,
    running_gateway,
    sequential,
)


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
        await running.until(serving=True)
        yield running
