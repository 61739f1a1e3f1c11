"""The load generator as a study uses it: processes that stay up and carry out one scenario after another."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from tandem.measure.generator.plan import Plan
from tandem.measure.generator.requests.served import name_model, served_models, with_model
from tandem.measure.generator.run import RunResult, run_result
from tandem.measure.generator.workers import OnProgress, Workers, ignore
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Api, Paradigm, Scenario, Workload
from tandem.measure.trace import TraceRow

BROKEN_OFF = "broken off by hand"

Meter = Callable[[], Awaitable[Any]]


class BrokenOff(Exception):
    """Expected error: a study cannot go on, or the user ends it; the text says why."""

    def __init__(self, reason: str = BROKEN_OFF) -> None:
        super().__init__(reason)


class Generator:
    """Sends to one address; one scenario at a time. The event `stop` breaks off what runs."""

    def __init__(self, address: str, stop: asyncio.Event) -> None:
        self.address = address
        self.stop = stop
        self._workers = Workers()
        self._models: dict[Paradigm, tuple[ServedModel, ...]] = {}
        self._api_models: dict[Api, str] = {}  # where workloads name none

    async def run(
        self,
        scenario: Scenario,
        *,
        requests: Sequence[Sequence[bytes]] = (),
        trace: Sequence[TraceRow] = (),
        meter: Meter | None = None,
        on_progress: OnProgress = ignore,
    ) -> RunResult:
        """Carry a scenario out; what was measured is kept if it is broken off.

        `requests`: serialised messages of each workload, sent in turn instead of drawn ones. `trace`:
        requests that are sent when it says, of a scenario that has as many. `meter` is read right
        before the load and right after its last reply. Raises TandemRpcError, ValueError if the server has no such
        model, and ChildProcessError.
        """
        plan = await self._plan(scenario, requests, trace)
        await self._workers.prepare(plan)
        before = None if meter is None else await meter()
        started_at = datetime.now(UTC)
        watch = asyncio.create_task(self._watch_stop())
        try:
            shares = await self._workers.run(plan.scenario, on_progress)
        finally:
            watch.cancel()
        after = None if meter is None else await meter()
        return run_result(plan, shares, started_at, (before, after))

    async def _watch_stop(self) -> None:
        await self.stop.wait()
        self._workers.stop(BROKEN_OFF)

    async def _plan(self, scenario: Scenario, requests: Sequence[Sequence[bytes]], trace: Sequence[TraceRow]) -> Plan:
        wanted = {
            workload.paradigm for workload in scenario.workloads if workload.is_own and workload.paradigm is not None
        }
        for paradigm in wanted - self._models.keys():
            self._models[paradigm] = await served_models(self.address, [paradigm])
        models = tuple(model for paradigm in sorted(wanted, reverse=True) for model in self._models[paradigm])
        workloads = tuple([await self._with_model(workload, models) for workload in scenario.workloads])
        # Validated anew: with their models' names known, two workloads may turn out to be the same.
        scenario = Scenario(**{**dict(scenario), "workloads": workloads})
        given: dict[str, Any] = {"requests": tuple(map(tuple, requests)), "trace": tuple(trace)}
        return Plan(address=self.address, scenario=scenario, models=models, **given)

    async def _with_model(self, workload: Workload, models: tuple[ServedModel, ...]) -> Workload:
        if workload.is_own:
            return with_model(workload, models)
        if workload.kind == "method":
            return workload
        if not workload.model and workload.api not in self._api_models:
            self._api_models[workload.api] = await name_model(self.address, workload)
        return workload.model_copy(update={"model": workload.model or self._api_models[workload.api]})

    def check_not_stopped(self) -> None:
        """Raise BrokenOff if `stop` is set."""
        if self.stop.is_set():
            raise BrokenOff

    async def end(self) -> None:
        """End the processes."""
        await self._workers.end()


@contextlib.asynccontextmanager
async def generator(address: str, stop: asyncio.Event | None = None) -> AsyncIterator[Generator]:
    """Yield a generator for the server at `address`; its processes start as scenarios need them."""
    made = Generator(address, stop or asyncio.Event())
    try:
        yield made
    finally:
        await made.end()


@contextlib.contextmanager
def stopped_by_hand(stop: asyncio.Event | None = None) -> Iterator[asyncio.Event]:
    """Yield an event that the first Ctrl-C sets; from then on it does what it does elsewhere.

    Call it where an event loop runs. `stop`: the event, if there is one already.
    """
    loop, event = asyncio.get_running_loop(), stop or asyncio.Event()

    def on_interrupt() -> None:
        event.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        yield event
    finally:
        loop.remove_signal_handler(signal.SIGINT)
