"""A replica, the gateway or a child of `tandem up` that dies, freezes, drains, restarts, or is not there at first."""

import asyncio
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.effort import Effort
from tests.faults.clients import STREAMED, Client, closed_loop
from tests.faults.history import History
from tests.faults.loads import (
    MAX_CALLS,
    NUM_STREAMS,
    PARADIGMS,
    PARALLEL,
    PARALLEL_EACH_TIME,
    Paradigm,
    later,
    mixed_load,
)
from tests.faults.product import DRAIN_SECONDS, Fleet, Product, own_gateway, tandem_up
from tests.faults.report import Sheet
from tests.faults.server import ASK_AGAIN_SECONDS, OwnServer, Server

MAX_SECONDS_TO_TELL = 2.0
MAX_SECONDS_TO_RESTART = 30.0
DEADLINE_SECONDS = 1.0
MAX_LATE_SECONDS = 0.25
MIN_GOOD_SHARE = 0.9
MAX_UNNOTICED_SECONDS = 15.0
NUM_DRAINED, NUM_BEGUN = 20, 5  # streams
MAX_NOTICE_SECONDS = 2.0
MAX_REFUSAL_SECONDS = 0.5


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


@pytest.mark.parametrize("paradigm", PARALLEL_EACH_TIME)
async def test_freeze_of_a_replica(
    replicas: Fleet, fleet_history: History, effort: Effort, sheet: Sheet, paradigm: Paradigm
) -> None:
    """One of two replicas is frozen and thawed under 8 callers with deadlines of 1 s."""
    victim, seconds = replicas.of(paradigm.name)[0], effort.of(2.0, 5.0)
    async with Client(replicas.address, fleet_history) as client:
        load = closed_loop(
            lambda number: paradigm.unary.call(client, number, timeout_seconds=DEADLINE_SECONDS),
            num_callers=8,
            max_calls=MAX_CALLS,
            max_seconds=seconds + 1.0,
        )
        freeze = later(0.5, lambda: victim.signal(signal.SIGSTOP))
        thaw = later(0.5 + seconds, lambda: victim.signal(signal.SIGCONT))
        ended, *_ = await asyncio.gather(load, freeze, thaw)
        await replicas.mend()
        again = [await paradigm.unary.call(client, number) for number in range(8)]
    await fleet_history.counters_equal()
    late = max(0.0, max(call.seconds for call in ended) - DEADLINE_SECONDS)
    good = sum(call.is_ok for call in ended) / len(ended)
    row, share = f"freeze of a {paradigm.name} replica for {seconds:g} s", f">= {MIN_GOOD_SHARE:g}"
    sheet.expect_in_time(f"{row}: latest miss", late, MAX_LATE_SECONDS, "s after the deadline")
    in_time = good >= MIN_GOOD_SHARE
    sheet.expect(f"{row}: calls answered in time", good, "of 1", bar=share, passed=good > 0, in_time=in_time)
    sheet.expect_none(f"{row}: calls lost after it", [call for call in again if not call.is_ok], "of 8 calls")


async def test_freeze_of_envoy(product: Product, tmp_path: Path, sheet: Sheet) -> None:
    """A gateway's Envoy is frozen: the gateway ends it, and itself with exit code 1, to be started again."""
    own = own_gateway(tmp_path, [product.sequential], [product.parallel])
    async with own as server:
        await server.ready("tandem.gan.v1.GanService")
        [envoy] = psutil.Process(server.pid).children()
        began = time.monotonic()
        envoy.suspend()
        code, seconds = await own.wait(), time.monotonic() - began
    row = "freeze of a gateway's Envoy"
    sheet.expect(f"{row}: exit code", code, "", bar="1", passed=code == 1)
    sheet.expect_in_time(f"{row}: noticed", seconds, MAX_UNNOTICED_SECONDS)


async def _drain(sheet: Sheet, row: str, victim: OwnServer, client: Client, paradigm: Paradigm) -> None:
    """Open the streams, send SIGTERM once a few have their first message; note what is lost and how long it takes."""
    first = [asyncio.Event() for _ in range(NUM_DRAINED)]
    calls = (paradigm.stream.call(client, number, on_message=first[number].set) for number in range(NUM_DRAINED))
    streams = [asyncio.create_task(call) for call in calls]
    # All were sent before these got anything, so the server has them all.
    await asyncio.gather(*(message.wait() for message in first[:NUM_BEGUN]))
    victim.signal(signal.SIGTERM)
    began = time.monotonic()
    lost = [stream for stream in await asyncio.gather(*streams) if not stream.is_ok]
    code, seconds = await victim.wait(), time.monotonic() - began
    sheet.expect_none(f"{row}: streams lost", lost, f"of {NUM_DRAINED} streams")
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


@pytest.mark.faults
@pytest.mark.parametrize("paradigm", PARADIGMS)
async def test_restart_of_a_replica(replicas: Fleet, sheet: Sheet, paradigm: Paradigm) -> None:
    """A replica is stopped and started again; then the gateway forwards to it."""
    victim = replicas.of(paradigm.name)[0]
    victim.signal(signal.SIGTERM)
    code = await victim.wait()
    began = time.monotonic()
    victim.start()
    await victim.server.ready()
    ready = time.monotonic() - began
    await replicas.wait_known(1, [victim])
    noticed = time.monotonic() - began - ready
    row, also = f"restart of a {paradigm.name} replica", {"also": "exit code 0", "passed": code == 0}
    sheet.expect_in_time(f"{row}: ready again", ready, MAX_SECONDS_TO_RESTART, **also)
    sheet.expect_in_time(f"{row}: the gateway knows", noticed, MAX_NOTICE_SECONDS, "s after it is ready")


async def test_absent_backend(replicas: Fleet, fleet_history: History, sheet: Sheet) -> None:
    """No replica of the parallel backend is there; then one comes."""
    for replica in replicas.parallel:
        replica.signal(signal.SIGKILL)
        await replica.wait()
    await replicas.wait_known(0, replicas.parallel)
    async with Client(replicas.address, fleet_history) as client:
        refused = [await PARALLEL.unary.call(client, number) for number in range(20)]
        replicas.parallel[0].start()
        await replicas.wait_known(1, replicas.parallel[:1])
        first = await PARALLEL.unary.call(client, 1)
    await replicas.mend()
    await fleet_history.counters_equal()
    slowest, is_told = max(call.seconds for call in refused), {call.code for call in refused} == {"UNAVAILABLE"}
    row = "absent backend: slowest refusal"
    sheet.expect_in_time(row, slowest, MAX_REFUSAL_SECONDS, also="all UNAVAILABLE", passed=is_told)
    sheet.expect("absent backend: first call once it is there", first.is_ok, "OK", bar="1", passed=first.is_ok)
