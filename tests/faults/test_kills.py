"""kill -9 under load: of a replica of each backend, of the gateway, of a child of `tandem up`."""

import asyncio
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.effort import Effort
from tests.faults.clients import STREAMED, Client
from tests.faults.history import History
from tests.faults.loads import NUM_STREAMS, PARALLEL, PARALLEL_EACH_TIME, Paradigm, later, mixed_load
from tests.faults.product import Fleet, tandem_up
from tests.faults.report import Sheet
from tests.faults.server import ASK_AGAIN_SECONDS, OwnServer, Server

MAX_SECONDS_TO_TELL = 2.0
MAX_SECONDS_TO_RESTART = 30.0


def kill(victim: OwnServer) -> None:
    victim.signal(signal.SIGKILL)


@pytest.mark.parametrize("paradigm", PARALLEL_EACH_TIME)
async def test_kill_of_a_replica(
    replicas: Fleet, fleet_history: History, effort: Effort, sheet: Sheet, paradigm: Paradigm
) -> None:
    """One of two replicas dies by kill -9 under 16 unary callers and 8 streams through the gateway."""
    victim, seconds = replicas.of(paradigm.name)[0], effort.of(2.0, 10.0)
    async with Client(replicas.address, fleet_history) as client:
        load = mixed_load(client, paradigm, seconds)
        ended, _ = await asyncio.gather(load, later(seconds / 2, lambda: kill(victim)))
    await victim.wait()
    await replicas.mend()
    await fleet_history.counters_equal()
    lost = [call for call in ended if not call.is_ok]
    unary = [call for call in lost if call.path not in STREAMED]
    fresh = [call for call in lost if call.path in STREAMED and not call.num_messages]
    begun = [call for call in lost if call.path in STREAMED and call.num_messages]
    row = f"kill -9 of a {paradigm.name} replica"
    sheet.expect_none(f"{row}: unary calls lost", unary, f"of {len(ended)} calls")
    sheet.expect_none(f"{row}: streams lost before a message", fresh, "streams")
    # Envoy can only reset a stream that has begun; grpc calls that INTERNAL, our own client Unavailable.
    is_told = {call.code for call in begun} <= {"UNAVAILABLE", "INTERNAL"}
    bar, passed = f"at most the {NUM_STREAMS} open, all UNAVAILABLE or reset", len(begun) <= NUM_STREAMS and is_told
    sheet.expect(f"{row}: streams lost after their first message", len(begun), "streams", bar=bar, passed=passed)


@pytest.mark.faults
async def test_kill_of_the_gateway(replicas: Fleet, effort: Effort, sheet: Sheet) -> None:
    """The gateway dies by kill -9 under 16 unary callers and 8 streams, and is started again."""
    async with Client(replicas.address) as client:
        load = mixed_load(client, PARALLEL, 1.0)
        ended, _ = await asyncio.gather(load, later(0.5, lambda: kill(replicas.gateway)))
    lost = [call for call in ended if not call.is_ok]
    began = time.monotonic()
    await replicas.mend()
    history = await replicas.history()
    async with Client(replicas.address, history) as client:
        again = await PARALLEL.unary.call(client, 1)
        back = time.monotonic() - began
        await mixed_load(client, PARALLEL, effort.of(0.3, 3.0))
    await history.counters_equal()
    slowest, is_told = max(call.seconds for call in lost), {call.code for call in lost} == {"UNAVAILABLE"}
    row = "kill -9 of the gateway"
    sheet.expect_in_time(
        *(f"{row}: the slowest lost call", slowest, MAX_SECONDS_TO_TELL, "s in all"),
        also="all UNAVAILABLE",
        passed=is_told,
    )
    row = f"{row}: first answer after its restart"
    sheet.expect_in_time(row, back, MAX_SECONDS_TO_RESTART, also="backends free", passed=again.is_ok)


@pytest.mark.faults
async def test_kill_of_a_child_of_tandem_up(tmp_path: Path, sheet: Sheet) -> None:
    """The parallel backend of a running `tandem up` dies by kill -9; nobody does anything."""
    with tandem_up(tmp_path) as product:
        await product.ready()
        first = product.parallel.pid
        product.parallel.signal(signal.SIGKILL)
        began = time.monotonic()
        back = await wait_replaced(product.parallel, first)
        async with Client(product.address) as client:
            # The gateway asks for health once a second: until then it does not know that the process is another one.
            again = await PARALLEL.unary.call(client, 1)
            while back and not again.is_ok and time.monotonic() - began < MAX_SECONDS_TO_RESTART:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
                again = await PARALLEL.unary.call(client, 1)
        seconds = time.monotonic() - began
    row, unit = "kill -9 of a child of `tandem up`: serving again", "s" if back else "s without another process"
    sheet.expect_in_time(row, seconds, MAX_SECONDS_TO_RESTART, unit, passed=again.is_ok)


async def wait_replaced(server: Server, pid: int) -> bool:
    """Return whether another process than `pid` runs within the time that a restart may take."""
    with suppress(TimeoutError):
        async with asyncio.timeout(MAX_SECONDS_TO_RESTART):
            while True:
                with suppress(LookupError):
                    if server.pid != pid:
                        return True
                await asyncio.sleep(ASK_AGAIN_SECONDS)
    return False
