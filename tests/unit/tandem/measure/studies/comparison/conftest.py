"""The small world's gateway."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.tandem.measure.quality.small_world import SmallGateway, small_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[SmallGateway]:
    async with small_gateway() as running:
        yield running
