"""Replicas and an Envoy in front of them."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.proxy.backend import Backend, sequential
from tests.integration.gateway.proxy.running import Proxy, proxy


@pytest.fixture
async def ar() -> AsyncIterator[Backend]:
    async with sequential() as backend:
        yield backend


@pytest.fixture
async def other() -> AsyncIterator[Backend]:
    async with sequential() as backend:
        yield backend


@pytest.fixture
async def single(ar: Backend) -> AsyncIterator[Proxy]:
    """One sequential replica."""
    async with proxy([ar]) as running:
        yield running


@pytest.fixture
async def pair(ar: Backend, other: Backend) -> AsyncIterator[Proxy]:
    """Two sequential replicas."""
    async with proxy([ar, other]) as running:
        yield running
