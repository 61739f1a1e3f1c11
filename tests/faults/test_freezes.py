"""A replica, or the proxy, that is frozen (SIGSTOP): alive for the network, silent for its callers."""

import asyncio
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.effort import Effort
from tests.faults.clients import Client, closed_loop
from tests.faults.history import History
from tests.faults.loads import MAX_CALLS, PARALLEL_EACH_TIME, Paradigm, later
from tests.faults.product import Fleet, Product, own_gateway
from tests.faults.report import Sheet

DEADLINE_SECONDS = 1.0
MAX_LATE_SECONDS = 0.25
MIN_GOOD_SHARE = 0.9
MAX_UNNOTICED_SECONDS = 15.0


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


@pytest.mark.faults
async def test_freeze_of_envoy(product: Product, tmp_path: Path, sheet: Sheet) -> None:
    """A gateway's Envoy is frozen: the gateway ends it, and itself with exit code 1, to be started again."""
    own = own_gateway(tmp_path, [product.sequential], [product.parallel])
    async with own as server:
        await server.ready("tandem.gan.v1.GanService")
        [envoy] = psutil.Process(server.pid).children()
        began = time.monotonic()
        envoy.suspend()
        code, seconds = await own.wait(60), time.monotonic() - began
    row = "freeze of a gateway's Envoy"
    sheet.expect(f"{row}: exit code", code, "", bar="1", passed=code == 1)
    sheet.expect_in_time(f"{row}: noticed", seconds, MAX_UNNOTICED_SECONDS)
