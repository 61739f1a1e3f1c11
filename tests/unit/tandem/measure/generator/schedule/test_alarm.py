"""An alarm never rings early, whatever timer is behind it."""

import time

import pytest

from tandem.measure.generator.schedule.alarm import Alarm


@pytest.fixture(params=[True, False])
async def alarm(request):
    made = Alarm(has_descriptor=request.param)
    yield made
    made.close()


async def test_it_rings_at_the_instant_or_after(alarm):
    for seconds in (0.0, 5e-6, 1e-4, 3e-3, 0.02):
        instant = time.monotonic() + seconds
        await alarm.until(instant)
        assert time.monotonic() >= instant
