"""An alarm never rings early unless it is told to, whatever timer is behind it."""

import asyncio
import time

import pytest

from tandem.measure.generator.schedule.alarm import Alarm, new_alarm


@pytest.fixture(params=[new_alarm, Alarm])
async def alarm(request):
    made = request.param()
    yield made
    made.close()


async def test_it_rings_at_the_instant_or_after(alarm):
    for seconds in (0.0, 5e-6, 1e-4, 3e-3, 0.02):
        instant = time.monotonic() + seconds
        await alarm.until(instant)
        assert time.monotonic() >= instant


async def test_it_can_be_rung_by_hand_and_set_again(alarm):
    asyncio.get_running_loop().call_soon(alarm.ring)
    await alarm.until(time.monotonic() + 3600)
    instant = time.monotonic() + 0.003
    await alarm.until(instant)
    assert time.monotonic() >= instant
