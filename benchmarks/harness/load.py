"""The product's own tester, for code that waits for each of its loads."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.cpu import settled_cpu
from tandem.client import TandemRpcError
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import Generator
from tandem.measure.generator.run import RunResult
from tandem.measure.results.load import StreamResult
from tandem.measure.results.record import Outcome, Table
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload
from tandem.measure.statistics.quantiles import nearest_rank

MAX_CONNECTIONS = 64


class LoadFailed(Exception):
    """A load came to nothing that could be measured; says why."""


@dataclass(frozen=True)
class Run:
    """What the tester saw of the requests of a load. `cpu`: seconds that the server used, if that was asked."""

    found: RunResult
    cpu: float = math.nan

    @property
    def rows(self) -> Table:
        """A row for each request, in their order, those of the warm-up too; see tandem.measure.results.record."""
        return self.found.record.requests

    @property
    def measured(self) -> StreamResult:
        """The tester's own figures, without the warm-up."""
        return self.found.document.streams[0]

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        return np.asarray(self.rows["outcome"] == Outcome.OK)

    @property
    def num_ok(self) -> int:
        return int(self.is_ok.sum())

    @property
    def per_second(self) -> float:
        """Requests that ended well a second, from the first that was sent to the last that ended."""
        return self.num_ok / float(np.nanmax(self.rows["ended"]) - np.min(self.rows["sent"])) if self.num_ok else 0.0

    def quantile(self, share: float) -> float:
        """Return the exact quantile of the durations of all requests, from when they were sent; NaN without any."""
        return nearest_rank((self.rows["ended"] - self.rows["sent"])[self.is_ok], share)

    def delivered_share(self) -> float:
        """Of an open loop: requests that ended well a second, as a share of those that were due a second.

        Both in the last three quarters of the time, so that what is always under way counts for nothing, and a queue
        that grows shows.
        """
        due, ended = self.rows["intended"], self.rows["ended"]
        since = float(due.min() + (due.max() - due.min()) / 4)
        delivered = self.is_ok & (ended > since) & (ended <= due.max())
        return float(delivered.sum() / (due > since).sum())


class LoadTester:
    """Sends to one server. Loads are counted, and repeated where their audit fails, by `audited_runs`."""

    def __init__(self, runner: asyncio.Runner, source: Generator, audited_runs: AuditedRuns) -> None:
        self._runner = runner
        self._source = source
        self._audited_runs = audited_runs

    def run(
        self,
        name: str,
        workload: Workload,
        load: ClosedLoop | OpenLoop,
        requests: Sequence[bytes] = (),
        pids: Sequence[int] = (),
        **ending: Any,
    ) -> Run:
        """Carry a load out until its `ending`, settings of a Scenario; `requests`: messages to send in turn.

        `pids`: processes whose CPU time, with that of all they have started, is counted. Raises LoadFailed if a request
        ended otherwise than a load explains, or none ended well.
        """
        meter = partial(asyncio.to_thread, settled_cpu, pids) if pids else None
        scenario, given = _scenario(workload, load, ending), [requests] if requests else ()
        found = self._carry_out(self._audited_runs.run(self._source, name, scenario, requests=given, meter=meter))
        return Run(found, found.readings[1] - found.readings[0]) if pids else Run(found)

    def ask(self, workload: Workload, requests: Sequence[bytes], callers: int) -> list[list[bytes]]:
        """Send each request once, `callers` at a time; return the messages of each reply. Raises LoadFailed."""
        ending = {"num_requests": len(requests), "keep_replies": True}
        scenario = _scenario(workload, ClosedLoop(concurrency=callers), ending)
        kept = self._carry_out(self._source.run(scenario, requests=[requests])).record.kept()
        return [kept.get(number, []) for number in range(len(requests))]

    def _carry_out(self, running: Any) -> RunResult:
        try:
            found: RunResult = self._runner.run(running)
        except (TandemRpcError, ChildProcessError, ValueError) as error:
            raise LoadFailed(str(error)) from None
        if found.document.problems:
            raise LoadFailed("; ".join(found.document.problems))
        return found


@contextmanager
def open_tester(port: int, audited_runs: AuditedRuns) -> Iterator[LoadTester]:
    """Yield a tester of a server of this machine."""
    with asyncio.Runner() as runner:
        source = Generator(f"127.0.0.1:{port}", asyncio.Event())
        try:
            yield LoadTester(runner, source, audited_runs)
        finally:
            runner.run(source.end())


def _scenario(workload: Workload, load: ClosedLoop | OpenLoop, ending: dict[str, Any]) -> Scenario:
    callers = load.most if isinstance(load, ClosedLoop) else MAX_CONNECTIONS // 2
    usual = {"warm_up_seconds": 0.0, "connections_per_process": min(callers, MAX_CONNECTIONS)}
    return Scenario(workloads=(workload,), load=load, **{**usual, **ending})
