"""One process's share of a load: what is to be sent and when, handed to a sender; and the record of what came of it.

Knows neither processes nor documents, nor how requests are sent. An open loop deals its requests out in turns, so the
share of each process is even and the whole is exactly the schedule.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.recording import record_of
from tandem.measure.generator.requests.endpoints import Endpoint
from tandem.measure.generator.requests.feeder import Feeder
from tandem.measure.generator.schedule.arrivals import intended_seconds
from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.generator.sending.sender import COUNTED, Load, Phase, Progress, Sender
from tandem.measure.results.record import Record
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario
from tandem.measure.trace import TraceRow

# What an open loop has not sent this long after the last request was due, it drops.
MAX_BACKLOG_SECONDS = 1.0
GONE_SECONDS = 3.0
GONE_REQUESTS = 3
_LOOK_SECONDS = 0.02
_BLOCKS_BEFOREHAND = 4
_FOREVER, _ENDLESS = float("inf"), 2**62


@dataclass(frozen=True)
class Share:
    """What one process brought home; without a record if it died. `stopped_at`: None if it went to its end.
    `cpu_seconds` are those of the whole load, until its last reply.
    """

    record: Record | None
    stop_reason: str
    stopped_at: float | None
    cpu_seconds: float = 0.0


class Driver:
    """This is process `number` of those that share the load."""

    def __init__(
        self,
        scenario: Scenario,
        sender: Sender,
        endpoints: Sequence[Endpoint],
        number: int = 0,
        trace: Sequence[TraceRow] = (),
    ) -> None:
        self._scenario = scenario
        self._sender = sender
        self._routes, self._makers, self._readings = zip(*endpoints, strict=True)
        self._number = number
        self._sequence = RequestSequence(scenario, trace)
        self._schedule = None
        if trace:
            self._schedule = np.array([row.timestamp for row in trace]) * 1e-3
        elif isinstance(scenario.load, OpenLoop):  # a conversation's turns have the instant of its first one
            self._schedule = np.repeat(intended_seconds(scenario, scenario.load), scenario.turns)
        end = _ENDLESS if self._schedule is None else len(self._schedule)
        self._share = range(number, end, scenario.num_processes)
        self._zero = 0.0
        self._stop_reason = ""
        self._stopped_at: float | None = None  # seconds from the end of the warm-up

    @property
    def num_planned(self) -> int | None:
        """Requests of the whole load, all processes together, where that is known beforehand."""
        return self._scenario.num_requests if self._schedule is None else len(self._schedule)

    def counts(self) -> dict[str, int]:
        """Return what has become of the requests so far."""
        now = self._sender.progress()
        return {name: getattr(now, name) for name in ("outstanding", "dropped", *COUNTED)}

    def stop(self, reason: str) -> None:
        """Break the run off: nothing more is sent, what is under way is cut off."""
        if not self._stop_reason:
            self._stop_reason, self._stopped_at = reason, time.monotonic() - self._zero
            self._sender.stop()

    async def run(self, zero: float) -> Share:
        """Carry the load out; the warm-up ends at `zero` (time.monotonic). Raises a fault of the generator itself."""
        self._zero, cpu = zero, time.process_time()
        times = None if self._schedule is None else self._schedule[self._number :: self._scenario.num_processes]
        callers = self._scenario.load.most if isinstance(self._scenario.load, ClosedLoop) else 0
        feeder = Feeder(self._sequence.__getitem__, self._makers, self._share, times, callers)
        for _ in range(_BLOCKS_BEFOREHAND):
            feeder.feed(self._sender, 0)
        self._sender.begin(self._routes, self._load())
        try:
            while (now := self._sender.progress()).phase != Phase.DONE:
                self._watch_for_a_server_that_is_gone(now)
                while now.phase == Phase.LOADING and feeder.feed(self._sender, now.num_taken):
                    await asyncio.sleep(0)
                    now = self._sender.progress()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self._sender.stop()
            seen = self._sender.collect()
            cpu_seconds = time.process_time() - cpu
        keeps = self._scenario.keep_replies
        record = record_of(seen, self._routes, self._readings, self._sender, keeps)
        self._count_what_was_not_taken(record, now)
        return Share(record, self._stop_reason, self._stopped_at, cpu_seconds)

    def _load(self) -> Load:
        scenario, load = self._scenario, self._scenario.load
        drain_seconds = scenario.drain_seconds
        if self._schedule is not None:
            last = self._schedule[self._share[-1]] if self._share else -scenario.warm_up_seconds
            if scenario.turns > 1:  # later turns are never late, however long those before take
                last += scenario.drain_seconds + scenario.turns * scenario.workloads[0].think_seconds[1]
            most = scenario.max_outstanding_per_process
            return Load(self._zero, last + MAX_BACKLOG_SECONDS, drain_seconds, True, max_outstanding=most)
        assert isinstance(load, ClosedLoop)
        callers = [
            presence(scenario, load, caller) for caller in range(self._number, load.most, scenario.num_processes)
        ]
        ends_at, left = scenario.duration_seconds or _FOREVER, budget(scenario, self._number)
        return Load(self._zero, ends_at, drain_seconds, False, budget=left, callers=callers)

    def _watch_for_a_server_that_is_gone(self, now: Progress) -> None:
        silence = time.monotonic() - self._zero - now.answered_at
        if now.unavailable_in_a_row >= GONE_REQUESTS and silence >= GONE_SECONDS:
            self.stop(f"the server is gone: for {silence:.1f} s no reply but UNAVAILABLE")

    def _count_what_was_not_taken(self, record: Record, end: Progress) -> None:
        """Count the requests left: as dropped those that were due when the load ended, the others as abandoned."""
        if self._schedule is None:
            left = budget(self._scenario, self._number)
            if self._stop_reason and left is not None:
                rest = np.array(self._share[end.num_taken : end.num_taken + left - end.num_measured], np.int64)
                self._count(record.num_abandoned, rest, np.zeros(len(rest)))
            return
        rest = np.array(self._share[end.num_taken :], np.int64)
        times = self._schedule[rest]
        is_due = (times <= end.load_ended_at) & (self._scenario.turns == 1)  # later turns wait for others
        self._count(record.num_dropped, rest[is_due], times[is_due])
        self._count(record.num_abandoned, rest[~is_due], times[~is_due])

    def _count(self, counts: NDArray[np.int64], numbers: NDArray[np.int64], times: NDArray[np.float64]) -> None:
        """Add the requests that belong to the measurement to counts by workload."""
        workloads = self._sequence.workloads(numbers[times >= 0.0])
        counts += np.bincount(workloads, minlength=len(counts))


def budget(scenario: Scenario, number: int) -> int | None:
    """Return how many requests of the measurement process `number` may take; None: without bound."""
    total, step = scenario.num_requests, scenario.num_processes
    return None if total is None else total // step + (number < total % step)


def presence(scenario: Scenario, load: ClosedLoop, caller: int) -> tuple[float, float]:
    """Return from when to when a caller is there: all of the time, or for its part of a ramp."""
    first, last, duration = load.concurrency, load.end_concurrency, scenario.duration_seconds
    comes_at, goes_at = -scenario.warm_up_seconds, duration or float("inf")
    if last is not None and last != first and duration is not None:
        instant = duration * (caller + 0.5 - first) / (last - first)
        if first <= caller < last:
            comes_at = instant
        elif last <= caller < first:
            goes_at = instant
    return comes_at, goes_at
