"""SIGTERM with open streams: nothing that was begun is lost, and the process ends by itself."""

import asyncio
import signal
import time

import pytest

from tests.faults.clients import Client, Ended
from tests.faults.history import History
from tests.faults.loads import PARADIGMS, PARALLEL, Paradigm
from tests.faults.product import DRAIN_SECONDS, Fleet
from tests.faults.report import Record
from tests.faults.server import OwnServer

NUM_STREAMS, NUM_BEGUN = 20, 5


async def drained(victim: OwnServer, client: Client, paradigm: Paradigm) -> tuple[list[Ended], int, float]:
    """Open the streams, send SIGTERM once a few have their first message; return their ends, exit code and seconds."""
    first = [asyncio.Event() for _ in range(NUM_STREAMS)]
    streams = [
        asyncio.create_task(paradigm.stream.call(client, number, on_message=first[number].set))
        for number in range(NUM_STREAMS)
    ]
    # All were sent before these got anything, so the server has them all.
    await asyncio.gather(*(each.wait() for each in first[:NUM_BEGUN]))
    victim.signal(signal.SIGTERM)
    began = time.monotonic()
    ended = await asyncio.gather(*streams)
    return ended, await victim.wait(2 * DRAIN_SECONDS), time.monotonic() - began


def record_drain(record: Record, row: str, ended: list[Ended], code: int, seconds: float) -> None:
    lost = [each for each in ended if not each.is_ok]
    record(row=f"{row}: streams lost", figure=len(lost), unit=f"of {NUM_STREAMS} streams", bar="0", passed=not lost)
    record(
        row=f"{row}: until it has ended",
        figure=seconds,
        unit="s",
        bar=f"<= {DRAIN_SECONDS:g} (the drain limit), exit code 0",
        passed=code == 0,
        in_time=seconds <= DRAIN_SECONDS,
    )


async def test_drain_of_the_gateway(replicas: Fleet, record: Record) -> None:
    """SIGTERM to the gateway with 20 streams of images open."""
    async with Client(replicas.address) as client:
        ended, code, seconds = await drained(replicas.gateway, client, PARALLEL)
    await replicas.mend()
    await (await replicas.history()).counters_equal()
    record_drain(record, "SIGTERM of the gateway", ended, code, seconds)


@pytest.mark.faults
@pytest.mark.parametrize("paradigm", PARADIGMS)
async def test_drain_of_a_replica(replicas: Fleet, fleet_history: History, record: Record, paradigm: Paradigm) -> None:
    """SIGTERM to one of two replicas with 20 streams open through the gateway."""
    victim = replicas.of(paradigm.name)[0]
    async with Client(replicas.address, fleet_history) as client:
        ended, code, seconds = await drained(victim, client, paradigm)
    await replicas.mend()
    await fleet_history.counters_equal()
    record_drain(record, f"SIGTERM of a {paradigm.name} replica", ended, code, seconds)
