"""A fake gateway for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.tandem.fakes import FakeGateway, fake_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with fake_gateway() as running:
        yield running
