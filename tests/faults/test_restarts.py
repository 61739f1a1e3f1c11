"""Processes that end and come back, and a backend that is not there at first."""

import signal
import time

import pytest

from tests.faults.clients import Client
from tests.faults.history import History
from tests.faults.loads import PARADIGMS, PARALLEL, Paradigm
from tests.faults.product import Fleet
from tests.faults.report import Record

MAX_READY_SECONDS = 30.0
MAX_NOTICE_SECONDS = 2.0
MAX_REFUSAL_SECONDS = 0.5


@pytest.mark.faults
@pytest.mark.parametrize("paradigm", PARADIGMS)
async def test_restart_of_a_replica(replicas: Fleet, record: Record, paradigm: Paradigm) -> None:
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
    row = f"restart of a {paradigm.name} replica"
    record(
        row=f"{row}: ready again",
        figure=ready,
        unit="s",
        bar=f"<= {MAX_READY_SECONDS:g}, exit code 0",
        passed=code == 0,
        in_time=ready <= MAX_READY_SECONDS,
    )
    record(
        row=f"{row}: the gateway knows",
        figure=noticed,
        unit="s after it is ready",
        bar=f"<= {MAX_NOTICE_SECONDS:g}",
        passed=True,
        in_time=noticed <= MAX_NOTICE_SECONDS,
    )


async def test_absent_backend(replicas: Fleet, fleet_history: History, record: Record) -> None:
    """No replica of the parallel backend is there; then one comes."""
    for each in replicas.parallel:
        each.signal(signal.SIGKILL)
        await each.wait()
    await replicas.wait_known(0, replicas.parallel)
    async with Client(replicas.address, fleet_history) as client:
        refused = [await PARALLEL.unary.call(client, number) for number in range(20)]
        replicas.parallel[0].start()
        await replicas.wait_known(1, replicas.parallel[:1])
        first = await PARALLEL.unary.call(client, 1)
    await replicas.mend()
    await fleet_history.counters_equal()
    slowest = max(each.seconds for each in refused)
    record(
        row="absent backend: slowest refusal",
        figure=slowest,
        unit="s",
        bar=f"<= {MAX_REFUSAL_SECONDS:g}, all UNAVAILABLE",
        passed={each.code for each in refused} == {"UNAVAILABLE"},
        in_time=slowest <= MAX_REFUSAL_SECONDS,
    )
    record(
        row="absent backend: first call once it is there",
        figure=int(first.is_ok),
        unit="OK",
        bar="1",
        passed=first.is_ok,
    )
