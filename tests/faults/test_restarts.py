"""Processes that end and come back, and a backend that is not there at first."""

import signal
import time

import pytest

from tests.faults.clients import Client
from tests.faults.history import History
from tests.faults.loads import PARADIGMS, PARALLEL, Paradigm
from tests.faults.product import Fleet
from tests.faults.report import Sheet

MAX_READY_SECONDS = 30.0
MAX_NOTICE_SECONDS = 2.0
MAX_REFUSAL_SECONDS = 0.5


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
    sheet.expect_in_time(f"{row}: ready again", ready, MAX_READY_SECONDS, **also)
    sheet.expect_in_time(f"{row}: the gateway knows", noticed, MAX_NOTICE_SECONDS, "s after it is ready")


@pytest.mark.faults  # that it is known: tests/integration/gateway/proxy/test_replicas.py
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
