"""A replica, or the proxy, that is frozen (SIGSTOP): alive for the network, silent for its callers."""

import asyncio
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.effort import Effort
from tests.faults.clients import Client, closed_loop
from tests.faults.gateways import own_gateway
from tests.faults.history import History
from tests.faults.loads import MAX_CALLS, PARALLEL_EACH_TIME, Paradigm, later
from tests.faults.product import Fleet, Product
from tests.faults.report import Record

DEADLINE_SECONDS = 1.0
MAX_LATE_SECONDS = 0.25
MIN_GOOD_SHARE = 0.9
MAX_UNNOTICED_SECONDS = 15.0


@pytest.mark.parametrize("paradigm", PARALLEL_EACH_TIME)
async def test_freeze_of_a_replica(
    replicas: Fleet, fleet_history: History, effort: Effort, record: Record, paradigm: Paradigm
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
    late = max(each.seconds for each in ended) - DEADLINE_SECONDS
    good = sum(each.is_ok for each in ended) / len(ended)
    row = f"freeze of a {paradigm.name} replica for {seconds:g} s"
    record(
        row=f"{row}: latest miss",
        figure=max(0.0, late),
        unit="s after the deadline",
        bar=f"<= {MAX_LATE_SECONDS:g}",
        passed=True,
        in_time=late <= MAX_LATE_SECONDS,
    )
    record(
        row=f"{row}: calls answered in time",
        figure=good,
        unit="of 1",
        bar=f">= {MIN_GOOD_SHARE:g}",
        passed=good > 0,
        in_time=good >= MIN_GOOD_SHARE,
    )
    lost = [each.code for each in again if not each.is_ok]
    record(row=f"{row}: calls lost after it", figure=len(lost), unit="of 8 calls", bar="0", passed=not lost)


async def test_freeze_of_envoy(product: Product, tmp_path: Path, record: Record) -> None:
    """A gateway's Envoy is frozen: the gateway ends it, and itself with exit code 1, to be started again."""
    own, _ = own_gateway(product, tmp_path)
    own.start()
    try:
        await own.server.ready("tandem.gan.v1.GanService")
        [envoy] = psutil.Process(own.server.pid).children()
        began = time.monotonic()
        envoy.suspend()
        code, seconds = await own.wait(60), time.monotonic() - began
    finally:
        own.end()
    row = "freeze of a gateway's Envoy"
    record(row=f"{row}: exit code", figure=code, unit="", bar="1", passed=code == 1)
    record(
        row=f"{row}: noticed",
        figure=seconds,
        unit="s",
        bar="<= 15 s",
        passed=True,
        in_time=seconds <= MAX_UNNOTICED_SECONDS,
    )
