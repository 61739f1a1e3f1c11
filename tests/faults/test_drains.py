"""SIGTERM with open streams: nothing that was begun is lost, and the process ends by itself."""

import asyncio
import signal
import time

import pytest

from tests.faults.clients import Client
from tests.faults.history import History
from tests.faults.loads import PARADIGMS, PARALLEL, Paradigm
from tests.faults.product import DRAIN_SECONDS, Fleet
from tests.faults.report import Sheet
from tests.faults.server import OwnServer

NUM_STREAMS, NUM_BEGUN = 20, 5


async def _drain(sheet: Sheet, row: str, victim: OwnServer, client: Client, paradigm: Paradigm) -> None:
    """Open the streams, send SIGTERM once a few have their first message; note what is lost and how long it takes."""
    first = [asyncio.Event() for _ in range(NUM_STREAMS)]
    calls = (paradigm.stream.call(client, number, on_message=first[number].set) for number in range(NUM_STREAMS))
    streams = [asyncio.create_task(call) for call in calls]
    # All were sent before these got anything, so the server has them all.
    await asyncio.gather(*(message.wait() for message in first[:NUM_BEGUN]))
    victim.signal(signal.SIGTERM)
    began = time.monotonic()
    lost = [stream for stream in await asyncio.gather(*streams) if not stream.is_ok]
    code, seconds = await victim.wait(2 * DRAIN_SECONDS), time.monotonic() - began
    sheet.expect_none(f"{row}: streams lost", lost, f"of {NUM_STREAMS} streams")
    also = "(the drain limit), exit code 0"
    sheet.expect_in_time(f"{row}: until it has ended", seconds, DRAIN_SECONDS, also=also, passed=code == 0)


@pytest.mark.faults  # of one stream: tests/integration/gateway/test_process.py
async def test_drain_of_the_gateway(replicas: Fleet, sheet: Sheet) -> None:
    """SIGTERM to the gateway with 20 streams of images open."""
    async with Client(replicas.address) as client:
        await _drain(sheet, "SIGTERM of the gateway", replicas.gateway, client, PARALLEL)
    await replicas.mend()
    await (await replicas.history()).counters_equal()


@pytest.mark.faults
@pytest.mark.parametrize("paradigm", PARADIGMS)
async def test_drain_of_a_replica(replicas: Fleet, fleet_history: History, sheet: Sheet, paradigm: Paradigm) -> None:
    """SIGTERM to one of two replicas with 20 streams open through the gateway."""
    victim, row = replicas.of(paradigm.name)[0], f"SIGTERM of a {paradigm.name} replica"
    async with Client(replicas.address, fleet_history) as client:
        await _drain(sheet, row, victim, client, paradigm)
    await replicas.mend()
    await fleet_history.counters_equal()
